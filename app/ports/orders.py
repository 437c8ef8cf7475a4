"""Placing orders, and following their durable events."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from app.domain.amounts import ZERO
from app.domain.events import StoredEvent
from app.domain.order import NewOrder, Order, OrderId, OrderSnapshot, Owner, Side, Split, Symbol
from app.domain.quote import Quote
from app.ports.health import DeskState
from app.ports.storage import EventFilter

SPLITS_PER_ANSWER_MAX: Final = 1_000
"""Splits in one answer. Clients read further splits page by page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """The market that an order would meet now.

    Attributes:
        quote: the current quote, None without one.
        taken_quantity: how much of the displayed quantity the owner's orders took before.
        awaits_confirmation: the quote is too old, so it fills nothing until it is confirmed.
        is_halted: the venue has halted the symbol, so nothing is filled.
    """

    quote: Quote | None
    taken_quantity: Decimal
    awaits_confirmation: bool = False
    is_halted: bool = False


NO_MARKET: Final = MarketView(quote=None, taken_quantity=ZERO)


class OrderDesk(Protocol):
    """Accepts orders and cancels from the API."""

    async def place(self, order_id: OrderId, new_order: NewOrder) -> Order:
        """Return once the order is durable. Raises the errors of ``Journal.accept``."""

    async def cancel(self, order: Order) -> None:
        """Cancel an order, and return once its state after the request is durable.

        The order may have been filled or have expired before the request, so read it afterwards.

        Raises:
            JournalUnavailableError: nothing was canceled.
            OutcomeUnknownError: the order may or may not be canceled.
        """

    async def cancel_all(self, owner: Owner, symbol: Symbol) -> list[OrderId]:
        """Cancel an owner's open orders of a symbol, and return the ids of the canceled orders.

        Raises the errors of ``cancel``.
        """

    def market_view(self, symbol: Symbol, owner: Owner, side: Side) -> MarketView:
        """Return the market that an order would meet now; never subscribes."""

    def current_quote(self, symbol: Symbol) -> Quote | None:
        """Return the quote that a resting order would meet now; never subscribes."""

    def is_serving(self, symbol: Symbol) -> bool:
        """Whether the symbol is subscribed: it has open orders, or had some shortly before."""

    def state(self) -> DeskState: ...


class EventBus(Protocol):
    """Delivers durable events to waiting requests and subscriptions."""

    def publish(self, events: Sequence[StoredEvent]) -> None: ...


class OrderWaiter(Protocol):
    """Collects the durable events of one order, so that an answer needs no read."""

    async def wait(self, seconds: float) -> bool:
        """Return True once the order's end is durable, False after ``seconds`` or at a stop."""

    @property
    def snapshot(self) -> OrderSnapshot:
        """The order after its newest event. It is available once the order is placed."""

    @property
    def splits(self) -> Sequence[Split]:
        """The order's first splits, at most ``SPLITS_PER_ANSWER_MAX``."""


class OrderWaiters(Protocol):
    """Makes waiters. Enter one before you place the order, so that it misses no event."""

    def expect(self, order_id: OrderId) -> AbstractContextManager[OrderWaiter]: ...


class EventSubscription(Protocol):
    """Receives the events published after it was opened."""

    head: int
    """The position of the newest event published before the subscription was opened."""

    async def next(self) -> Sequence[StoredEvent]:
        """Wait for events, and return all that have arrived.

        Raises:
            SubscriptionEndedError: too many events waited, or the service stops.
        """

    def check(self) -> None:
        """Raise ``SubscriptionEndedError`` if the subscription ended, even if events wait."""


class SubscriptionEndedError(Exception):
    """A subscription delivers no more events.

    ``is_stopping`` is true if the service stops, false if too many events waited.
    """

    def __init__(self, *, is_stopping: bool) -> None:
        self.is_stopping = is_stopping
        super().__init__("the service stops" if is_stopping else "too many events waited")


class EventSubscriptions(Protocol):
    """Makes subscriptions."""

    @property
    def head(self) -> int:
        """The position of the newest published event."""

    @property
    def total(self) -> int:
        """How many subscriptions are open."""

    def open(self, event_filter: EventFilter) -> AbstractContextManager[EventSubscription]: ...
