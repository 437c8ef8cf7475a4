"""What happened to an order, in the words that are stored and announced."""

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
    """One transition of one order; ``sequence`` counts an order's events from 1 without gaps.

    ``filled_quantity`` and ``quote_quantity`` are cumulative, this event included. ``split`` is
    present exactly when the event is a fill, ``reason`` exactly when the order ended unfilled.
    ``arrival`` is the first quote that the order met, ``quotes_seen`` how many it met so far.
    ``departure_update_id`` is the newest update id that was applied when the order ended, None
    while it is open and if it met no quote. ``decision`` is present exactly when a quote decided an
    IOC or FOK order without filling it.
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
        """What is left to fill after this event."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def splits_total(self) -> int:
        """How many splits the order has after this event."""
        is_fill_or_new = self.split is not None or self.status is OrderStatus.NEW
        return self.sequence - 1 if is_fill_or_new else self.sequence - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event that is on disk, and its place among all events of the database.

    ``position`` rises in the order of the commits; some numbers are never used.
    """

    position: int
    event: OrderEvent


def acceptance_event(order: Order, arrival: Arrival | None = None) -> OrderEvent:
    """Return the first event of an order: accepted, and nothing filled yet.

    ``arrival`` is the quote that was current then, if there was one.
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
    """Return the order as the event leaves it."""
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
    """What one symbol's fulfillment did: one indivisible part of a journal transaction.

    ``events`` are in the order in which they happened. ``gate`` is the largest update id applied
    when the ledger looked like this.
    """

    symbol: Symbol
    events: tuple[OrderEvent, ...]
    ledger_changes: tuple[TakenLevel, ...]
    gate: int


class TransitionError(AssertionError):
    """A move outside the table of transitions: our own mistake."""

    def __init__(self, before: OrderStatus, after: OrderStatus) -> None:
        self.before = before
        self.after = after
        super().__init__(f"no order goes from {before} to {after}")


def check_transition(before: OrderStatus, after: OrderStatus) -> None:
    """Raise ``TransitionError`` unless the table allows the move."""
    if after not in TRANSITIONS[before]:
        raise TransitionError(before, after)
