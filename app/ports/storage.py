"""The database: the journal that writes, and the readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.events import StoredEvent, SymbolOutcome
from app.domain.liquidity import TakenLevel
from app.domain.order import (
    Arrival,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Split,
    Symbol,
)
from app.domain.order_counts import OrderCounts
from app.ports.health import JournalState


class Journal(Protocol):
    """The single writer. It announces nothing before it is durable."""

    @property
    def is_writable(self) -> bool:
        """Whether the last write succeeded."""

    def next_acceptance_number(self) -> int: ...

    async def accept(self, order: Order, arrival: Arrival | None) -> None:
        """Return once the order is durable. ``arrival`` is the quote current at acceptance.

        Raises:
            ClientOrderIdTakenError: the owner placed another order with this ``client_order_id``.
            JournalBacklogError, JournalUnavailableError: the order is not stored and never will be.
            OutcomeUnknownError: the commit is still running. If it succeeds, the order is executed.
        """

    @property
    def orders_under_way(self) -> OrderCounts:
        """How many orders wait to be written. Each of them may become an open order."""

    def order_under_way(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the order with this key whose outcome is still unknown, None without one."""

    def record(self, outcome: SymbolOutcome) -> None:
        """Queue an outcome. The journal writes outcomes in the order of the calls."""

    async def settle(self) -> None:
        """Return once every entry queued before the call is durable or refused."""

    def state(self) -> JournalState: ...


class JournalListener(Protocol):
    """Receives the journal's results, in commit order, on the event loop."""

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Receive the events of a committed transaction; ``NEW`` means an accepted order."""

    def on_write_trouble(self) -> None:
        """Learn that a commit failed for an operational cause; the journal retries it."""

    def on_write_recovery(self) -> None:
        """Learn that writes succeed again, and that nothing was lost."""

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """Reload the symbol from the database: its outcome cannot be written, by our mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLedger:
    """The stored ledger of a symbol.

    ``gate`` is the largest update id that was applied, 0 if there was none.
    """

    gate: int
    levels: tuple[TakenLevel, ...]


class RecoveryStore(Protocol):
    """Reads the state that fulfillment resumes from."""

    async def list_unfinished_symbols(self) -> list[Symbol]:
        """Return the symbols of orders without a terminal status, oldest order first."""

    async def load_unfinished(self, symbol: Symbol) -> list[OrderSnapshot]:
        """Return the symbol's orders without a terminal status, by acceptance number."""

    async def load_ledger(self, symbol: Symbol) -> StoredLedger: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """A page of an owner's orders, newest first.

    ``before`` is an exclusive acceptance number. A filter that is None admits every order.
    """

    owner: Owner
    symbol: Symbol | None
    status: OrderStatus | None
    client_order_id: str | None
    before: int | None
    limit: int


class OrderReader(Protocol):
    """Reads durable orders for answers."""

    async def find(self, owner: Owner, order_id: OrderId) -> OrderSnapshot | None: ...
    async def find_many(self, owner: Owner, order_ids: Sequence[OrderId]) -> list[OrderSnapshot]:
        """Return the orders that exist, by acceptance number."""

    async def find_by_key(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the id of the order with this key, even if the order itself was pruned."""

    async def list_orders(self, query: OrderQuery) -> list[OrderSnapshot]: ...
    async def list_splits(self, order_id: OrderId, *, after: int, limit: int) -> list[Split]:
        """Return splits by number, beginning after number ``after`` (0 for the first)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Selects an owner's events. An empty set of order ids or symbols admits all of them."""

    owner: Owner
    order_ids: frozenset[OrderId] = frozenset()
    symbols: frozenset[Symbol] = frozenset()

    def admits(self, order: Order) -> bool:
        """Whether the filter selects the events of this order."""
        return (
            order.owner == self.owner
            and (not self.order_ids or order.order_id in self.order_ids)
            and (not self.symbols or order.symbol in self.symbols)
        )


class EventReader(Protocol):
    """Reads durable events in commit order.

    ``stream_id`` names the database that the positions belong to.
    """

    @property
    def stream_id(self) -> str: ...
    async def last_pruned_position(self) -> int:
        """Return the highest position at which an event may be missing because of pruning."""

    async def list_events(
        self, event_filter: EventFilter, *, after: int, until: int, limit: int
    ) -> list[StoredEvent]:
        """Return events with positions above ``after`` and at most ``until``, by position."""

    async def list_order_events(
        self, order_id: OrderId, *, after: int, limit: int
    ) -> list[StoredEvent]:
        """Return an order's events by sequence, beginning after ``after`` (0 for the first)."""
