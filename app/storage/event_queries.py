"""Reads durable events: in commit order for subscribers, and by sequence for one order."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, select

from app.domain.events import OrderEvent, StoredEvent
from app.domain.order import OrderId, OrderStatus, Reason, Split
from app.ports import EventFilter
from app.storage.database import Database
from app.storage.queries import INTEGER_MAX, owner_is, read_order
from app.storage.schema.tables import event_stream, fulfilled_order_splits, order_events, orders

POSITIONS_PER_QUERY: Final = 20_000
"""The positions that one query reads, since an owner may have few events among many others."""


class StoredEvents:
    """The port ``EventReader``.

    Events that are read have no ``arrival`` and no ``quotes_seen``; their orders have.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def stream_id(self) -> str:
        """The name of the stream; positions of another stream are invalid here."""
        return self._database.stream_id

    async def last_pruned_position(self) -> int:
        """Return the position up to which events may have been pruned."""
        found = await self._database.read(select(event_stream.c.last_pruned_position))
        return int(found[0].last_pruned_position)

    async def list_events(
        self, event_filter: EventFilter, *, after: int, until: int, limit: int
    ) -> list[StoredEvent]:
        """Return events by position; each query reads a bounded range of positions."""
        events: list[StoredEvent] = []
        while after < until and len(events) < limit:
            # Listed orders are few and are read by their ids, so one query is enough.
            range_end = until if event_filter.order_ids else min(until, after + POSITIONS_PER_QUERY)
            statement = _of_filter(event_filter).where(
                order_events.c.position > after, order_events.c.position <= range_end
            )
            found = await self._database.read(
                statement.order_by(order_events.c.position).limit(limit - len(events))
            )
            events += _read_events(found)
            after = range_end
        return events

    async def list_order_events(
        self, order_id: OrderId, *, after: int, limit: int
    ) -> list[StoredEvent]:
        """Return the events of an order with a sequence above ``after``, by sequence."""
        found = await self._database.read(
            _events()
            .where(
                order_events.c.order_id == order_id,
                order_events.c.sequence > min(after, INTEGER_MAX),
            )
            .order_by(order_events.c.sequence)
            .limit(limit)
        )
        return _read_events(found)


def _of_filter(event_filter: EventFilter) -> Select[Any]:
    if event_filter.order_ids:
        statement = _events().where(
            orders.c.owner == event_filter.owner,
            order_events.c.order_id.in_(event_filter.order_ids),
        )
    else:
        statement = _events().where(owner_is(event_filter.owner))
    if event_filter.symbols:
        statement = statement.where(orders.c.symbol.in_(event_filter.symbols))
    return statement


_EVENT_COLUMNS: Final = tuple(
    column.label(f"event_{column.name}") for column in order_events.c if column.name != "order_id"
)
_SPLIT_COLUMNS: Final = tuple(
    column.label(f"split_{column.name}")
    for column in fulfilled_order_splits.c
    if column.name in {"update_id", "price", "quantity", "displayed_quantity", "filled_at"}
)


def _events() -> Select[Any]:
    splits = fulfilled_order_splits
    return select(orders, *_EVENT_COLUMNS, *_SPLIT_COLUMNS).select_from(
        order_events.join(orders, orders.c.order_id == order_events.c.order_id).outerjoin(
            splits,
            (splits.c.order_id == order_events.c.order_id)
            & (splits.c.split_number == order_events.c.split_number),
        )
    )


def _read_events(rows: Sequence[Row[Any]]) -> list[StoredEvent]:
    return [_read_event(row) for row in rows]


def _read_event(row: Row[Any]) -> StoredEvent:
    event = OrderEvent(
        order=read_order(row),
        sequence=row.event_sequence,
        status=OrderStatus(row.event_status),
        reason=None if row.event_reason is None else Reason(row.event_reason),
        at=row.event_at,
        split=None if row.event_split_number is None else _read_split(row),
        filled_quantity=row.event_filled_quantity,
        quote_quantity=row.event_quote_quantity,
        arrival=None,
        quotes_seen=0,
    )
    return StoredEvent(position=row.event_position, event=event)


def _read_split(row: Row[Any]) -> Split:
    return Split(
        order_id=OrderId(row.order_id),
        split_number=row.event_split_number,
        update_id=row.split_update_id,
        price=row.split_price,
        quantity=row.split_quantity,
        displayed_quantity=row.split_displayed_quantity,
        filled_at=row.split_filled_at,
    )
