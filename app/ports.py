"""The seams between the packages, on one screen.

Whoever uses one of these gets it passed in by ``composition``; nobody builds or reaches for one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from app.domain.amounts import ZERO
from app.domain.caller import Caller
from app.domain.events import StoredEvent, SymbolOutcome
from app.domain.liquidity import TakenLevel
from app.domain.order import (
    Arrival,
    NewOrder,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Side,
    Split,
    Symbol,
)
from app.domain.order_counts import OrderCounts
from app.domain.quote import Quote
from app.domain.rules import TradingRules
from app.states import DeskState, JournalState, Lag, RulesState


class Clock(Protocol):
    """Time; ``now`` is aware UTC, ``monotonic_ns`` never goes back and knows no date."""

    def now(self) -> datetime: ...
    def monotonic_ns(self) -> int: ...


class IdSource(Protocol):
    """Unique ids, later ones sorting after earlier ones."""

    def new_order_id(self) -> OrderId: ...


class Access(Protocol):
    """Who a caller is."""

    @property
    def description(self) -> str:
        """How callers are known, for the log."""

    def identify(self, bearer: str | None) -> Caller:
        """Return whose key it is, None being no key. Raises UnauthorizedError."""


# --- Market -----------------------------------------------------------------------------------


class QuoteListener(Protocol):
    """What the feed tells about one symbol, synchronously and in the order of the wire."""

    def on_quote(self, quote: Quote) -> None:
        """A frame of the stream."""

    def on_seed(self, seed: Quote) -> bool:
        """A depth snapshot asked for after the acknowledgment; False if it is stale: ask again."""

    def on_interrupted(self) -> None:
        """What was quoted before is no longer current: a lost connection, a malformed frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """How one connection to the venue is, in the words of ``FeedState``; ``streams`` it serves.

    ``lag`` is None while it is unknown.
    """

    status: str
    since: datetime
    streams: int
    cause: str | None
    lag: Lag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """How the venue connection is: ``idle``, ``connecting``, ``connected`` or ``down``.

    The worst of ``connections`` counts, for ``lag`` as well. ``cause`` tells why while it is down.
    ``counters`` counts connections, frames and drops by name: ``lost_<kind>`` the connections lost,
    ``failed_<kind>`` the attempts that failed, ``rotations`` the connections replaced as planned.
    """

    status: str
    cause: str | None
    since: datetime
    symbols: int
    counters: dict[str, int]
    connections: tuple[ConnectionState, ...] = ()

    @property
    def lag(self) -> Lag | None:
        """The lag of the connection that is farthest behind, None while all are unknown."""
        known = (one.lag for one in self.connections if one.lag is not None)
        return max(known, key=lambda lag: lag.excess_seconds, default=None)


class FeedRecorder(Protocol):
    """Evidence of what the feed got; told before the listeners are."""

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """A sound frame of a stream somebody listens to, as it came."""

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """A frame of no use was dropped; if its symbol is known, that quote is distrusted."""

    def on_seed(self, seed: Quote) -> None:
        """A depth snapshot is offered to listeners."""

    def on_connection(self, what: str, cause: str | None) -> None:
        """A connection was ``opened``, ``lost``, ``rotated`` or ``closed`` (nobody listened)."""


class Feed(Protocol):
    """Quotes of many symbols over one venue connection, counted by reference."""

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None: ...
    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None: ...
    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send a seed or a newer frame soon: the last quote is too old to fill a new order on."""

    def state(self) -> FeedState: ...


class RulesBook(Protocol):
    """The venue's trading rules by symbol."""

    def find(self, symbol: Symbol) -> TradingRules | None:
        """Return a symbol's rules, None for an unknown one. Raises RulesNotLoadedError."""

    def state(self) -> RulesState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRules:
    """The last good copy of the venue's trading rules."""

    rules: tuple[TradingRules, ...]
    fetched_at: datetime


class RulesStore(Protocol):
    """Keeps the last good copy of the trading rules across a restart."""

    async def load_trading_rules(self) -> StoredRules | None: ...
    async def save_trading_rules(self, stored: StoredRules) -> None: ...


# --- Storage ----------------------------------------------------------------------------------


class Journal(Protocol):
    """The single writer. Nothing is announced before it is durable."""

    @property
    def is_writable(self) -> bool:
        """Whether the last write went through."""

    def next_acceptance_number(self) -> int: ...

    async def accept(self, order: Order, arrival: Arrival | None) -> None:
        """Return once the order is durable; ``arrival`` is the quote it met on acceptance.

        Raises:
            ClientOrderIdTakenError: its owner placed another order with its ``client_order_id``.
            JournalBacklogError, JournalUnavailableError: it is not stored and never will be.
            OutcomeUnknownError: the commit is under way; if it goes through, the order is executed.
        """

    @property
    def orders_under_way(self) -> OrderCounts:
        """How many orders wait for the disk; each of them may become an open one."""

    def order_under_way(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the order with this key whose fate is not known yet, None without any."""

    def record(self, outcome: SymbolOutcome) -> None:
        """Queue what a symbol's fulfillment did; it is written in the order of the calls."""

    async def settle(self) -> None:
        """Return once everything queued before the call is durable, or refused."""

    def state(self) -> JournalState: ...


class JournalListener(Protocol):
    """What the journal tells, in commit order, from the event loop."""

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """A transaction is on disk; ``NEW`` events stand for accepted orders."""

    def on_write_trouble(self) -> None:
        """A commit failed for an operational cause; it is tried again until it passes."""

    def on_write_recovery(self) -> None:
        """Writes pass again, and nothing was lost."""

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """The symbol's outcome cannot be written, our bug: reload the symbol from the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLedger:
    """What is remembered of a symbol; ``gate`` is the largest update id applied, 0 if none."""

    gate: int
    levels: tuple[TakenLevel, ...]


class RecoveryStore(Protocol):
    """What fulfillment reads back."""

    async def list_unfinished_symbols(self) -> list[Symbol]:
        """Return the symbols of orders that have no terminal status, oldest order first."""

    async def load_unfinished(self, symbol: Symbol) -> list[OrderSnapshot]:
        """Return the symbol's orders that have no terminal status, by acceptance number."""

    async def load_ledger(self, symbol: Symbol) -> StoredLedger: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """A page of an owner's orders, newest first; ``before`` is an acceptance number, exclusive."""

    owner: Owner
    symbol: Symbol | None
    status: OrderStatus | None
    client_order_id: str | None
    before: int | None
    limit: int


class OrderReader(Protocol):
    """Durable state for answers."""

    async def find(self, owner: Owner, order_id: OrderId) -> OrderSnapshot | None: ...
    async def find_many(self, owner: Owner, order_ids: Sequence[OrderId]) -> list[OrderSnapshot]:
        """Return those that there are, by acceptance number."""

    async def find_by_key(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return whose key it is; the order itself may have been pruned."""

    async def list_orders(self, query: OrderQuery) -> list[OrderSnapshot]: ...
    async def list_splits(self, order_id: OrderId, *, after: int, limit: int) -> list[Split]:
        """Return splits by number, from the one after ``after`` (0 for the first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """An owner's events, of some orders or some symbols only where such are named."""

    owner: Owner
    order_ids: frozenset[OrderId] = frozenset()
    symbols: frozenset[Symbol] = frozenset()

    def admits(self, order: Order) -> bool:
        """Whether an event of the order belongs to it."""
        return (
            order.owner == self.owner
            and (not self.order_ids or order.order_id in self.order_ids)
            and (not self.symbols or order.symbol in self.symbols)
        )


class EventReader(Protocol):
    """Durable events, in the order of the commits.

    ``stream_id`` names the database that the positions belong to.
    """

    @property
    def stream_id(self) -> str: ...
    async def last_pruned_position(self) -> int:
        """Return up to where events may be missing because finished orders were pruned."""

    async def list_events(
        self, event_filter: EventFilter, *, after: int, until: int, limit: int
    ) -> list[StoredEvent]:
        """Return events with positions above ``after`` and at most ``until``, by position."""

    async def list_order_events(
        self, order_id: OrderId, *, after: int, limit: int
    ) -> list[StoredEvent]:
        """Return an order's events by sequence, from the one after ``after`` (0 for the first)."""


# --- Fulfillment and notification -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """What an order would meet now: the quote, and what its owner's orders took of the touch.

    Nothing is filled on it while it ``awaits_confirmation`` because it is too old, and while the
    venue has halted the symbol.
    """

    quote: Quote | None
    taken_quantity: Decimal
    awaits_confirmation: bool = False
    is_halted: bool = False


NO_MARKET: Final = MarketView(quote=None, taken_quantity=ZERO)


class OrderDesk(Protocol):
    """Where the edge hands in orders."""

    async def place(self, order_id: OrderId, new_order: NewOrder) -> Order:
        """Return once the order is durable. Raises what ``Journal.accept`` raises."""

    async def cancel(self, order: Order) -> None:
        """Ask for the end of an order, and return once what became of it is durable.

        It may have been filled or have expired before the request: read it back.

        Raises:
            JournalUnavailableError: nothing was done.
            OutcomeUnknownError: it may be canceled, and may not.
        """

    async def cancel_all(self, owner: Owner, symbol: Symbol) -> list[OrderId]:
        """Cancel an owner's open orders of a symbol, as ``cancel``; return those that were open."""

    def market_view(self, symbol: Symbol, owner: Owner, side: Side) -> MarketView:
        """Return what an order meets now; it never subscribes."""

    def current_quote(self, symbol: Symbol) -> Quote | None:
        """Return the quote a resting order would meet now; it never subscribes."""

    def is_serving(self, symbol: Symbol) -> bool:
        """Whether the symbol has open orders or had some just now, so that it is subscribed."""

    def state(self) -> DeskState: ...


class EventBus(Protocol):
    """Durable events to whoever waits for them."""

    def publish(self, events: Sequence[StoredEvent]) -> None: ...


SPLITS_PER_ANSWER_MAX: Final = 1_000
"""Splits that an answer holds; the rest is read page by page."""


class OrderWaiter(Protocol):
    """Hears the durable events of one order, so that an answer needs no read."""

    async def wait(self, seconds: float) -> bool:
        """Return True once the order's end is durable, False after ``seconds`` or at a stop."""

    @property
    def snapshot(self) -> OrderSnapshot:
        """The order after the newest event heard; there is one once the order is placed."""

    @property
    def splits(self) -> Sequence[Split]:
        """The first splits heard, at most ``SPLITS_PER_ANSWER_MAX``."""


class OrderWaiters(Protocol):
    """Hands out waiters; enter one before the order is placed, so that no event is missed."""

    def expect(self, order_id: OrderId) -> AbstractContextManager[OrderWaiter]: ...


class EventSubscription(Protocol):
    """Hears events from the moment it was opened."""

    head: int
    """The position of the newest event published before it was opened; it hears those above."""

    async def next(self) -> Sequence[StoredEvent]:
        """Wait for events and return all that are there.

        Raises:
            SubscriptionEndedError: no more come: too many waited, or the service stops.
        """

    def check(self) -> None:
        """Raise ``SubscriptionEndedError`` if no more come, whatever waits."""


class SubscriptionEndedError(Exception):
    """No more events come to a subscription; ``is_stopping`` says that the service stops."""

    def __init__(self, *, is_stopping: bool) -> None:
        self.is_stopping = is_stopping
        super().__init__("the service stops" if is_stopping else "too many events waited")


class EventSubscriptions(Protocol):
    """Hands out subscriptions."""

    @property
    def head(self) -> int:
        """The position of the newest event that was published."""

    @property
    def total(self) -> int:
        """How many are open."""

    def open(self, event_filter: EventFilter) -> AbstractContextManager[EventSubscription]: ...
