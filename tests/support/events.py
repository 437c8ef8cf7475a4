"""Builders of durable events."""

from app.domain.amounts import ZERO
from app.domain.events import OrderEvent, StoredEvent
from app.domain.order import Order, OrderStatus
from tests.support.builders import ACCEPTED_AT


def make_event(order: Order, status: OrderStatus = OrderStatus.PARTIALLY_FILLED) -> OrderEvent:
    """Make an event with this order and status; the other fields have fixed values."""
    return OrderEvent(
        order=order,
        sequence=2,
        status=status,
        reason=None,
        at=ACCEPTED_AT,
        split=None,
        filled_quantity=ZERO,
        quote_quantity=ZERO,
        arrival=None,
        quotes_seen=0,
    )


def in_commit_order(*events: OrderEvent, first_position: int = 1) -> list[StoredEvent]:
    """Give the events successive positions."""
    return [
        StoredEvent(position=position, event=event)
        for position, event in enumerate(events, first_position)
    ]
