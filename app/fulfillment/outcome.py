"""Turns the matcher's steps into the events that the journal stores and announces.

The events of an order have sequences from 1: acceptance, one per split, and the end of an order
that was not filled. Therefore the number of splits before an event determines its sequence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.domain.events import OrderEvent, SymbolOutcome, check_transition
from app.domain.order import OrderStatus, Split
from app.domain.resting import Closing, Fill, Step

EVENTS_PER_OUTCOME_MAX: Final = 512
"""Events in one part of a transaction. One quote may fill thousands of orders; with small parts,
the first of them are answered while the journal writes the next."""


def step_events(steps: Iterable[Step], now: datetime) -> list[OrderEvent]:
    """Return one event per step, in order. ``now`` is the time of the steps, in UTC.

    No event is later than its order's ``expires_at``: a fill then is of a quote that was received
    in time, and an order that expired while the service was down did so at that time.
    """
    events: list[OrderEvent] = []
    for step in steps:
        at = min(now, step.order.expires_at)
        events.append(_fill_event(step, at) if isinstance(step, Fill) else _closing_event(step, at))
    return events


def outcome_parts(outcome: SymbolOutcome) -> Iterator[SymbolOutcome]:
    """Split an outcome into parts that fit into a transaction. There is at least one part."""
    events = outcome.events
    for start in range(0, max(1, len(events)), EVENTS_PER_OUTCOME_MAX):
        yield replace(
            outcome,
            events=events[start : start + EVENTS_PER_OUTCOME_MAX],
            # The whole ledger goes with the first part. If a crash loses the other parts, the
            # stored ledger holds too much as taken, so that nothing is sold twice.
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
    """Return the status of an open order that has this many splits."""
    return OrderStatus.PARTIALLY_FILLED if splits_total else OrderStatus.NEW
