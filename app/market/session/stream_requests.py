"""Track the streams requested on one connection, and compute the next control message; no I/O.

Two facts are separate for each symbol: whether it has listeners, and the last request about it on
this connection. Control messages follow from comparing the two. So a symbol that comes and goes
in between costs no message.

One more stream carries the venue's time. It is requested in a separate message, so no symbol
suffers if the venue refuses it or does not answer.
"""

import itertools
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from app.domain.order import Symbol
from app.market.timing import STREAMS_MAX

CONTROL_BYTES_MAX: Final = 3_500
"""If a message with its frame exceeds 4,096 bytes, the venue stops answering, without an error."""

TIME_STREAM: Final = "btcusdt@miniTicker"
"""A small frame with its creation time, sent once a second while the pair trades.

Other streams fit less: trades come in hundreds a second or not for minutes, the average price has
only whole seconds, and a candle is twice as long.
"""


class ControlMethod(StrEnum):
    """The control messages that we send."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMessage:
    """A control message and its symbols; without symbols it is about ``TIME_STREAM``."""

    request_id: int
    method: ControlMethod
    symbols: tuple[Symbol, ...]

    def encode(self) -> bytes:
        """Return the JSON text to send."""
        params = [stream_name(symbol) for symbol in self.symbols] or [TIME_STREAM]
        return msgspec.json.encode(
            {"method": self.method.value, "params": params, "id": self.request_id}
        )


def stream_name(symbol: Symbol) -> str:
    """Return the venue's name of a symbol's stream, which is in lower case."""
    return f"{symbol.lower()}@bookTicker"


class StreamRequests:
    """The streams requested on one connection.

    Args:
        wanted: the symbols that have listeners.
        changed: the symbols to compare first, in the order of their requests.
        symbols_max: how many symbols may be subscribed at once.
    """

    def __init__(
        self,
        wanted: Container[Symbol],
        changed: Iterable[Symbol] = (),
        *,
        symbols_max: int = STREAMS_MAX - 1,
    ) -> None:
        self._wanted = wanted
        self._changed: dict[Symbol, None] = dict.fromkeys(changed)
        self._is_time_due = False
        self._symbols_max = symbols_max
        self._request_by_symbol: dict[Symbol, int] = {}
        self._awaited: dict[int, ControlMessage] = {}
        self._ids = itertools.count(1)

    @property
    def has_changes(self) -> bool:
        """Whether there may be something to request."""
        return bool(self._changed) or self._is_time_due

    def note_change(self, symbol: Symbol) -> None:
        """Compare a symbol again: it gained its first listener or lost its last one."""
        self._changed.setdefault(symbol)

    def request_time(self) -> None:
        """Request ``TIME_STREAM`` once."""
        self._is_time_due = True

    def next_message(self) -> ControlMessage | None:
        """Return the next message to send, as full as possible; None if there is none.

        Subscriptions come before unsubscriptions, unless the connection is full. ``TIME_STREAM``
        comes last.
        """
        settled = [one for one in self._changed if (one in self._wanted) == self._is_requested(one)]
        for symbol in settled:
            del self._changed[symbol]
        subscribe = [symbol for symbol in self._changed if symbol in self._wanted]
        subscribe = subscribe[: self._symbols_max - len(self._request_by_symbol)]
        unsubscribe = [symbol for symbol in self._changed if symbol not in self._wanted]
        if subscribe:  # an order waits for its stream; an unsubscription can be late
            return self._message(ControlMethod.SUBSCRIBE, subscribe)
        if unsubscribe:
            return self._message(ControlMethod.UNSUBSCRIBE, unsubscribe)
        if self._is_time_due:
            self._is_time_due = False
            return self._message(ControlMethod.SUBSCRIBE, [])
        return None

    def acknowledge(self, request_id: int) -> tuple[Symbol, ...]:
        """Handle an acknowledgment; return the symbols whose streams now flow."""
        message = self._awaited.pop(request_id, None)
        if message is None:
            return ()
        return self._still_requested_by(message)

    def refuse(self, request_id: int) -> tuple[Symbol, ...]:
        """Handle a refusal; return the symbols that were not subscribed."""
        message = self._awaited.pop(request_id, None)
        if message is None:
            return ()
        refused = self._still_requested_by(message)
        for symbol in refused:
            del self._request_by_symbol[symbol]
        return refused

    def is_for_time_only(self, request_id: int | None) -> bool:
        """Whether an answer concerns no symbol; without an id, it concerns all awaited messages."""
        messages = self._awaited.values()
        answered = [one for one in messages if request_id in {None, one.request_id}]
        return bool(answered) and not any(message.symbols for message in answered)

    def is_awaited(self, request_id: int) -> bool:
        """Whether the venue has not answered the message yet."""
        return request_id in self._awaited

    def is_acknowledged(self, symbol: Symbol) -> bool:
        """Whether the venue acknowledged the symbol's stream."""
        request_id = self._request_by_symbol.get(symbol)
        return request_id is not None and request_id not in self._awaited

    def _is_requested(self, symbol: Symbol) -> bool:
        return symbol in self._request_by_symbol

    def _still_requested_by(self, message: ControlMessage) -> tuple[Symbol, ...]:
        """Return the message's symbols without a newer request."""
        return tuple(
            symbol
            for symbol in message.symbols
            # A symbol may have been unsubscribed, or subscribed again, since this message.
            if self._request_by_symbol.get(symbol) == message.request_id
        )

    def _message(self, method: ControlMethod, symbols: list[Symbol]) -> ControlMessage:
        request_id = next(self._ids)
        message = ControlMessage(
            request_id=request_id, method=method, symbols=tuple(_as_many_as_fit(symbols))
        )
        for symbol in message.symbols:
            del self._changed[symbol]
            if method is ControlMethod.SUBSCRIBE:
                self._request_by_symbol[symbol] = request_id
            else:
                del self._request_by_symbol[symbol]
        self._awaited[request_id] = message
        return message


def _as_many_as_fit(symbols: list[Symbol]) -> Iterable[Symbol]:
    """Return as many of the first symbols as fit into one message."""
    sizes = itertools.accumulate(len(stream_name(symbol).encode()) + 3 for symbol in symbols)
    return (
        symbol
        for symbol, size in zip(symbols, sizes, strict=True)
        if size <= CONTROL_BYTES_MAX - 100  # the method, the id and the brackets
    )
