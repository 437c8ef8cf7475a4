"""Turns what the matcher did into the events that are stored and announced.

An order's events count from 1: acceptance, then one per split, then the end of an order that was
not filled. So the sequence of an event follows from the number of splits before it.
"""

from collections.abc import Iterable
from datetime import datetime

from app.domain.events import OrderEvent, check_transition
from app.domain.matcher import Expiry, Fill
from app.domain.order import OrderStatus, Split


def fill_events(fills: Iterable[Fill], at: datetime) -> list[OrderEvent]:
    """Return one event per fill, in their order; ``at`` is when they were made, UTC."""
    return [_fill_event(fill, at) for fill in fills]


def expiry_events(expiries: Iterable[Expiry], at: datetime) -> list[OrderEvent]:
    """Return the last event of each expired order; ``at`` is when they were closed, UTC."""
    return [_expiry_event(expiry, at) for expiry in expiries]


def _fill_event(fill: Fill, at: datetime) -> OrderEvent:
    status = OrderStatus.FILLED if fill.completes else OrderStatus.PARTIALLY_FILLED
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
    )


def _expiry_event(expiry: Expiry, at: datetime) -> OrderEvent:
    check_transition(_status_after(expiry.splits_total), OrderStatus.EXPIRED)
    return OrderEvent(
        order=expiry.order,
        sequence=2 + expiry.splits_total,
        status=OrderStatus.EXPIRED,
        reason=expiry.reason,
        at=at,
        split=None,
        filled_quantity=expiry.filled_quantity,
        quote_quantity=expiry.quote_quantity,
    )


def _status_after(splits_total: int) -> OrderStatus:
    """Return the status of an open order with so many splits."""
    return OrderStatus.PARTIALLY_FILLED if splits_total else OrderStatus.NEW
