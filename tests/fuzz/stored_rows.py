"""The stored rows, read with sqlite3 alone."""

import contextlib
import sqlite3
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from app.domain.events import StoredEvent
from app.domain.order import OrderId, OrderStatus, Owner, Reason, Side


class EventRow(NamedTuple):
    """An event as stored, and as announced."""

    position: int
    order_id: str
    sequence: int
    status: str
    reason: str | None
    split_number: int | None
    filled_quantity: Decimal
    quote_quantity: Decimal


@dataclass(slots=True)
class StoredRows:
    """All rows; an order is its status, reason, filled quantity and quote quantity."""

    orders: dict[OrderId, tuple[str, str | None, Decimal, Decimal]] = field(default_factory=dict)
    splits: dict[OrderId, list[tuple[int, Decimal, Decimal]]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    gate: int = 0
    levels: dict[tuple[Owner, Side, Decimal], Decimal] = field(default_factory=dict)

    def events_of(self, order_id: OrderId) -> list[EventRow]:
        """Return the events of an order."""
        return [event for event in self.events if event.order_id == order_id]


def stored_form(stored: StoredEvent) -> EventRow:
    """Return the expected row of an event."""
    event = stored.event
    return EventRow(
        position=stored.position,
        order_id=event.order.order_id,
        sequence=event.sequence,
        status=event.status,
        reason=event.reason,
        split_number=None if event.split is None else event.split.split_number,
        filled_quantity=event.filled_quantity,
        quote_quantity=event.quote_quantity,
    )


def read_rows(path: Path) -> StoredRows:
    """Read an SQLite file, which a service may have open."""
    rows = StoredRows()
    with contextlib.closing(sqlite3.connect(path)) as database:
        for order_id, status, reason, filled, cost in database.execute(
            "SELECT order_id, status, reason, filled_quantity, quote_quantity FROM orders"
        ):
            state = (OrderStatus(status), reason and Reason(reason), Decimal(filled), Decimal(cost))
            rows.orders[OrderId(order_id)] = state
        for order_id, update_id, price, quantity in database.execute(
            "SELECT order_id, update_id, price, quantity FROM fulfilled_order_splits"
            " ORDER BY order_id, split_number"
        ):
            split = (update_id, Decimal(price), Decimal(quantity))
            rows.splits.setdefault(OrderId(order_id), []).append(split)
        for *plain, filled, cost in database.execute(
            "SELECT position, order_id, sequence, status, reason, split_number, filled_quantity,"
            " quote_quantity FROM order_events ORDER BY position"
        ):
            rows.events.append(EventRow._make((*plain, Decimal(filled), Decimal(cost))))
        for (gate,) in database.execute("SELECT update_id FROM symbol_gates"):
            rows.gate = gate
        for owner, side, price, quantity in database.execute(
            "SELECT owner, side, price, quantity FROM taken_liquidity"
        ):
            rows.levels[Owner(owner), Side(side), Decimal(price)] = Decimal(quantity)
    return rows
