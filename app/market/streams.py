"""Who listens to which stream, and what the venue was asked for; no I/O.

Two facts per symbol are kept apart: whether somebody wants its stream, and what the venue was last
told about it on the present connection. Control messages follow from comparing the two, so that
whatever comes and goes meanwhile costs no message.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec
import structlog

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.ports import QuoteListener

CONTROL_BYTES_MAX: Final = 3_500
"""At a message that with its frame passes 4,096 bytes the venue falls silent, without an error."""

STREAMS_MAX: Final = 1_024
"""The venue's limit per connection."""

_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """One listener of a stream, counted by reference."""

    listener: QuoteListener
    references: int
    is_seeded: bool = False


class SymbolStream:
    """One symbol's listeners, and the last step of a quote's way to them.

    A listener that fails is logged and counted: one symbol's trouble must not cut off the others
    on the connection. ``distrusted`` counts how often the quotes became worthless, to recognize a
    seed that was asked for before. ``seed_trouble`` and ``is_seed_stale`` tell how the last attempt
    to get one ended.
    """

    def __init__(self, symbol: Symbol, counters: Counter[str]) -> None:
        self.symbol = symbol
        self.distrusted = 0
        self.seed_trouble: str | None = None
        self.is_seed_stale = False
        self._counters = counters
        self._subscriptions: list[Subscription] = []
        # Replaced, never changed: a listener may unsubscribe while it is told something.
        self._listeners: tuple[QuoteListener, ...] = ()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def add(self, listener: QuoteListener) -> None:
        """Count a listener in; a new one waits for a seed of its own."""
        known = self._find(listener)
        if known is not None:
            known.references += 1
            return
        self._subscriptions.append(Subscription(listener=listener, references=1))
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: QuoteListener) -> None:
        """Count a listener out; one that does not listen is no matter."""
        known = self._find(listener)
        if known is None:
            return
        known.references -= 1
        if not known.references:
            self._subscriptions.remove(known)
            self._listeners = tuple(one.listener for one in self._subscriptions)

    def unseeded(self) -> list[Subscription]:
        """Return who still waits for a seed."""
        return [one for one in self._subscriptions if not one.is_seeded]

    def deliver(self, quote: Quote) -> None:
        """Pass a frame's quote on."""
        for listener in self._listeners:
            try:
                listener.on_quote(quote)
            except Exception:  # noqa: BLE001 - it must not cut off the other symbols
                self._counters["listener_failures"] += 1
                _log.exception("quote_listener_failed", symbol=self.symbol)

    def offer(self, seed: Quote, subscriptions: Iterable[Subscription]) -> bool:
        """Pass a seed on to those of ``subscriptions`` who still listen; False if one refused."""
        present = [one for one in subscriptions if one.references]
        for subscription in present:
            subscription.is_seeded = self._tell(partial(subscription.listener.on_seed, seed))
        return all(subscription.is_seeded for subscription in present)

    def distrust(self) -> None:
        """Tell everybody that what was quoted is no longer current; new seeds are due."""
        self.distrusted += 1
        for subscription in self._subscriptions:
            subscription.is_seeded = False
        for listener in self._listeners:
            self._tell(listener.on_interrupted)

    def _tell(self, tell: Callable[[], bool | None]) -> bool:
        try:
            return bool(tell())
        except Exception:  # noqa: BLE001 - likewise
            self._counters["listener_failures"] += 1
            _log.exception("quote_listener_failed", symbol=self.symbol)
            return False

    def _find(self, listener: QuoteListener) -> Subscription | None:
        return next((one for one in self._subscriptions if one.listener is listener), None)


class ControlMethod(StrEnum):
    """The control messages that we send."""

    SUBSCRIBE = "SUBSCRIBE"
    UNSUBSCRIBE = "UNSUBSCRIBE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMessage:
    """A control message and the symbols it is about."""

    request_id: int
    method: ControlMethod
    symbols: tuple[Symbol, ...]

    def encode(self) -> bytes:
        """Return the text to send."""
        params = [stream_name(symbol) for symbol in self.symbols]
        return msgspec.json.encode(
            {"method": self.method.value, "params": params, "id": self.request_id}
        )


def stream_name(symbol: Symbol) -> str:
    """Return the venue's name of a symbol's stream; symbols are lower case in it."""
    return f"{symbol.lower()}@bookTicker"


class StreamRequests:
    """What the venue was asked for on one connection, and what is left to ask.

    ``wanted`` answers which symbols somebody listens to; ``changed`` names those to look at, in the
    order in which they are asked for.
    """

    def __init__(
        self,
        wanted: Container[Symbol],
        changed: Iterable[Symbol] = (),
        *,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self._wanted = wanted
        self._changed: dict[Symbol, None] = dict.fromkeys(changed)
        self._streams_max = streams_max
        self._request_by_symbol: dict[Symbol, int] = {}
        self._awaited: dict[int, ControlMessage] = {}
        self._ids = itertools.count(1)

    @property
    def has_changes(self) -> bool:
        """Whether there may be something to ask for."""
        return bool(self._changed)

    def note_change(self, symbol: Symbol) -> None:
        """Look at a symbol again: it is wanted now, or no longer."""
        self._changed.setdefault(symbol)

    def next_message(self) -> ControlMessage | None:
        """Return the next message to send, as full as it may be; None if there is none.

        Subscriptions come first, but for the place that they need on the connection.
        """
        settled = [one for one in self._changed if (one in self._wanted) == self._is_asked(one)]
        for symbol in settled:
            del self._changed[symbol]
        subscribe = [symbol for symbol in self._changed if symbol in self._wanted]
        subscribe = subscribe[: self._streams_max - len(self._request_by_symbol)]
        unsubscribe = [symbol for symbol in self._changed if symbol not in self._wanted]
        if subscribe:
            return self._message(ControlMethod.SUBSCRIBE, subscribe)
        return self._message(ControlMethod.UNSUBSCRIBE, unsubscribe) if unsubscribe else None

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
