"""What the venue was asked for on one connection, and what is left to ask; no I/O.

Two facts per symbol are kept apart: whether somebody wants its stream, and what the venue was last
told about it on the present connection. Control messages follow from comparing the two, so that
whatever comes and goes meanwhile costs no message.

One more stream tells the venue's time, asked for in a message of its own: whatever the venue says
to that, or if it says nothing, no symbol suffers.
"""

import itertools
from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from app.domain.order import Symbol

CONTROL_BYTES_MAX: Final = 3_500
"""At a message that with its frame passes 4,096 bytes the venue falls silent, without an error."""

STREAMS_MAX: Final = 1_024
"""The venue's limit per connection."""

TIME_STREAM: Final = "btcusdt@miniTicker"
"""A small frame once a second with the time at which it was made, as long as the pair trades.

Trades come by the hundred a second or not for minutes, the average price has its time in whole
seconds, and a candle is twice as long.
"""


class ControlMethod(StrEnum):
    """The control messages that we send."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMessage:
    """A control message and the symbols it is about; without any it is about ``TIME_STREAM``."""

    request_id: int
    method: ControlMethod
    symbols: tuple[Symbol, ...]

    def encode(self) -> bytes:
        """Return the text to send."""
        params = [stream_name(symbol) for symbol in self.symbols] or [TIME_STREAM]
        return msgspec.json.encode(
            {"method": self.method.value, "params": params, "id": self.request_id}
        )


def stream_name(symbol: Symbol) -> str:
    """Return the venue's name of a symbol's stream; symbols are lower case in it."""
    return f"{symbol.lower()}@bookTicker"


class StreamRequests:
    """What the venue was asked for on one connection, and what is left to ask.

    ``wanted`` answers which symbols somebody listens to; ``changed`` names those to look at, in the
    order in which they are asked for. At most ``symbols_max`` of them have a place at once.
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
        """Whether there may be something to ask for."""
        return bool(self._changed) or self._is_time_due

    def note_change(self, symbol: Symbol) -> None:
        """Look at a symbol again: it is wanted now, or no longer."""
        self._changed.setdefault(symbol)

    def want_time(self) -> None:
        """Ask for ``TIME_STREAM``, once."""
        self._is_time_due = True

    def next_message(self) -> ControlMessage | None:
        """Return the next message to send, as full as it may be; None if there is none.

        Subscriptions come first, but for the place that they need on the connection, and the time
        last.
        """
        settled = [one for one in self._changed if (one in self._wanted) == self._is_asked(one)]
        for symbol in settled:
            del self._changed[symbol]
        subscribe = [symbol for symbol in self._changed if symbol in self._wanted]
        subscribe = subscribe[: self._symbols_max - len(self._request_by_symbol)]
        unsubscribe = [symbol for symbol in self._changed if symbol not in self._wanted]
        if subscribe:
            return self._message(ControlMethod.SUBSCRIBE, subscribe)
        if unsubscribe:
            return self._message(ControlMethod.UNSUBSCRIBE, unsubscribe)
        if self._is_time_due:
            self._is_time_due = False
            return self._message(ControlMethod.SUBSCRIBE, [])
        return None

    def acknowledge(self, request_id: int) -> tuple[Symbol, ...]:
        """Take the venue's agreement: return whose stream flows from now on."""
        message = self._awaited.pop(request_id, None)
        if message is None:
            return ()
        return self._still_asked_by(message)

    def refuse(self, request_id: int) -> tuple[Symbol, ...]:
        """Take the venue's refusal: return what was not subscribed."""
        message = self._awaited.pop(request_id, None)
        if message is None:
            return ()
        refused = self._still_asked_by(message)
        for symbol in refused:
            del self._request_by_symbol[symbol]
        return refused

    def is_for_time_only(self, request_id: int | None) -> bool:
        """Whether an answer concerns no symbol; one without an id answers any that is awaited."""
        asked = [one for one in self._awaited.values() if request_id in {None, one.request_id}]
        return bool(asked) and not any(one.symbols for one in asked)

    def is_awaited(self, request_id: int) -> bool:
        """Whether the venue has not answered yet."""
        return request_id in self._awaited

    def is_acknowledged(self, symbol: Symbol) -> bool:
        """Whether the symbol's stream flows."""
        request_id = self._request_by_symbol.get(symbol)
        return request_id is not None and request_id not in self._awaited

    def _is_asked(self, symbol: Symbol) -> bool:
        return symbol in self._request_by_symbol

    def _still_asked_by(self, message: ControlMessage) -> tuple[Symbol, ...]:
        return tuple(
            symbol
            for symbol in message.symbols
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
    """Return the first symbols, as many as one message holds."""
    sizes = itertools.accumulate(len(stream_name(symbol).encode()) + 3 for symbol in symbols)
    return (
        symbol
        for symbol, size in zip(symbols, sizes, strict=True)
        if size <= CONTROL_BYTES_MAX - 100  # the method, the id and the brackets
    )
