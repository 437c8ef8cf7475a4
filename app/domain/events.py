"""The events of an order, as the journal stores and announces them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.domain.amounts import EXACT, ZERO
from app.domain.liquidity import TakenLevel
from app.domain.order import (
    TRANSITIONS,
    Arrival,
    Decision,
    Order,
    OrderSnapshot,
    OrderStatus,
    Reason,
    Split,
    Symbol,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One transition of one order.

    Attributes:
        order: the order.
        sequence: the number of the event among the order's events, from 1 without gaps.
        status: the status after the event.
        reason: present exactly when the order ended without being filled.
        at: when the event happened, in UTC.
        split: present exactly when the event is a fill.
        filled_quantity: cumulative, including this event.
        quote_quantity: cumulative, including this event.
        arrival: the first quote that the order met.
        quotes_seen: how many quotes the order has met.
        departure_update_id: the newest update id applied when the order ended. None while the
            order is open, and if it met no quote.
        decision: present exactly when a quote decided an IOC or FOK order without filling it.
    """

    order: Order
    sequence: int
    status: OrderStatus
    reason: Reason | None
    at: datetime
    split: Split | None
    filled_quantity: Decimal
    quote_quantity: Decimal
    arrival: Arrival | None
    quotes_seen: int
    departure_update_id: int | None = None
    decision: Decision | None = None

    @property
    def remaining_quantity(self) -> Decimal:
        """The quantity left to fill after this event."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def splits_total(self) -> int:
        """How many splits the order has after this event."""
        # Sequence 1 is the acceptance and each split adds one, so only an unfilled end counts less.
        is_fill_or_new = self.split is not None or self.status is OrderStatus.NEW
        return self.sequence - 1 if is_fill_or_new else self.sequence - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A durable event, and its position among all events of the database.

    Positions rise in commit order. Some numbers are never used.
    """

    position: int
    event: OrderEvent


def acceptance_event(order: Order, arrival: Arrival | None = None) -> OrderEvent:
    """Return the first event of an order: accepted, and nothing filled yet.

    ``arrival`` is the quote that was current at acceptance, None without one.
    """
    return OrderEvent(
        order=order,
        sequence=1,
        status=OrderStatus.NEW,
        reason=None,
        at=order.accepted_at,
        split=None,
        filled_quantity=ZERO,
        quote_quantity=ZERO,
        arrival=arrival,
        quotes_seen=0,
    )


def snapshot_after(event: OrderEvent) -> OrderSnapshot:
    """Return the state of the order after the event."""
    return OrderSnapshot(
        order=event.order,
        status=event.status,
        reason=event.reason,
        filled_quantity=event.filled_quantity,
        quote_quantity=event.quote_quantity,
        splits_total=event.splits_total,
        last_sequence=event.sequence,
        closed_at=event.at if event.status.is_terminal else None,
        arrival=event.arrival,
        quotes_seen=event.quotes_seen,
        departure_update_id=event.departure_update_id,
        decision=event.decision,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolOutcome:
    """The steps of one symbol's fulfillment: an indivisible part of a journal transaction.

    Attributes:
        symbol: the symbol.
        events: in the order in which they happened.
        ledger_changes: the changed levels; a forgotten level has quantity zero.
        gate: the largest update id applied before the ledger reached this state.
    """

    symbol: Symbol
    events: tuple[OrderEvent, ...]
    ledger_changes: tuple[TakenLevel, ...]
    gate: int


class TransitionError(AssertionError):
    """A move outside the transition table: our own mistake."""

    def __init__(self, before: OrderStatus, after: OrderStatus) -> None:
        self.before = before
        self.after = after
        super().__init__(f"no order goes from {before} to {after}")


def check_transition(before: OrderStatus, after: OrderStatus) -> None:
    """Raise ``TransitionError`` unless the table allows the move."""
    if after not in TRANSITIONS[before]:
        raise TransitionError(before, after)
