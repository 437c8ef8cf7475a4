"""Turns what the matcher did into the events that are stored and announced.

An order's events count from 1: acceptance, then one per split, then the end of an order that was
not filled. So the sequence of an event follows from the number of splits before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.domain.events import OrderEvent, SymbolOutcome, check_transition
from app.domain.order import OrderStatus, Split
from app.domain.resting import Closing, Fill, Step

EVENTS_PER_OUTCOME_MAX: Final = 512
"""Events of one part of a transaction: thousands of orders may be filled in the same instant, and
the first of them are answered while the next are written."""


def step_events(steps: Iterable[Step], at: datetime) -> list[OrderEvent]:
    """Return one event per step, in their order; ``at`` is when they were made, UTC."""
    return [
        _fill_event(step, at) if isinstance(step, Fill) else _closing_event(step, at)
        for step in steps
    ]


def outcome_parts(outcome: SymbolOutcome) -> Iterator[SymbolOutcome]:
    """Yield an outcome in parts that a transaction has room for, at least one.

    The ledger goes with the first part: if the others are lost, it errs to the strict side.
    """
    events = outcome.events
    for start in range(0, max(1, len(events)), EVENTS_PER_OUTCOME_MAX):
        yield replace(
            outcome,
            events=events[start : start + EVENTS_PER_OUTCOME_MAX],
            ledger_changes=() if start else outcome.ledger_changes,
        )


def _fill_event(fill: Fill, at: datetime) -> OrderEvent:
    status = OrderStatus.FILLED if fill.closes else OrderStatus.PARTIALLY_FILLED
    check_transition(_status_after(fill.split_number - 1), status)
    split = Split(
        order_id=fill.order.order_id,
        split_number=fill.split_number,
        update_id=fill.update_id,
        price=fill.price,
        quantity=fill.quantity,
        displayed_quantity=fill.displayed_quantity,
        filled_at=at,
    )
    return OrderEvent(
        order=fill.order,
        sequence=1 + fill.split_number,
        status=status,
        reason=None,
        at=at,
        split=split,
        filled_quantity=fill.filled_quantity,
        quote_quantity=fill.quote_quantity,
        arrival=fill.arrival,
        quotes_seen=fill.quotes_seen,
        departure_update_id=fill.update_id if fill.closes else None,
    )


def _closing_event(closing: Closing, at: datetime) -> OrderEvent:
    check_transition(_status_after(closing.splits_total), closing.status)
    return OrderEvent(
        order=closing.order,
        sequence=2 + closing.splits_total,
        status=closing.status,
        reason=closing.reason,
        at=at,
        split=None,
        filled_quantity=closing.filled_quantity,
        quote_quantity=closing.quote_quantity,
        arrival=closing.arrival,
        quotes_seen=closing.quotes_seen,
        departure_update_id=closing.departure_update_id,
        decision=closing.decision,
    )


def _status_after(splits_total: int) -> OrderStatus:
    """Return the status of an open order with so many splits."""
    return OrderStatus.PARTIALLY_FILLED if splits_total else OrderStatus.NEW
