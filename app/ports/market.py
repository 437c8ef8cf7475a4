"""Quotes and trading rules from the venue."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.domain.rules import TradingRules
from app.ports.health import FeedState, RulesState


class QuoteListener(Protocol):
    """Receives the quotes of one symbol, synchronously and in the order of the wire."""

    def on_quote(self, quote: Quote) -> None:
        """Receive a frame of the stream."""

    def on_seed(self, seed: Quote) -> bool:
        """Receive a depth snapshot that was requested after the acknowledgment.

        Return False if the snapshot is stale, so that the feed requests another.
        """

    def on_interrupted(self) -> None:
        """Stop trusting the last quote: the connection was lost, or a frame was malformed."""


class Feed(Protocol):
    """Quotes of many symbols over shared venue connections.

    The feed subscribes to a symbol with its first listener and unsubscribes with its last one.
    """

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None: ...
    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None: ...
    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send a seed or a newer frame soon: the last quote is too old to fill a new order."""

    def state(self) -> FeedState: ...


class FeedRecorder(Protocol):
    """Records the frames of the feed. The feed calls it before it calls the listeners."""

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """Record the raw bytes of a valid frame of a stream that has a listener."""

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """Record a dropped frame. If its symbol is known, the feed interrupts that symbol."""

    def on_seed(self, seed: Quote) -> None:
        """Record a depth snapshot that the feed offers to listeners."""

    def on_connection(self, what: str, cause: str | None) -> None:
        """Record that a connection was ``opened``, ``lost``, ``rotated`` or ``closed``.

        The feed closes a connection that has no listeners.
        """


class RulesBook(Protocol):
    """The venue's trading rules by symbol."""

    def find(self, symbol: Symbol) -> TradingRules | None:
        """Return a symbol's rules, None for an unknown symbol.

        Raises:
            RulesNotLoadedError: no rules were loaded yet.
        """

    def state(self) -> RulesState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRules:
    """The last valid copy of the venue's trading rules."""

    rules: tuple[TradingRules, ...]
    fetched_at: datetime


class RulesStore(Protocol):
    """Keeps the last valid copy of the trading rules across a restart."""

    async def load_trading_rules(self) -> StoredRules | None: ...
    async def save_trading_rules(self, stored: StoredRules) -> None: ...
