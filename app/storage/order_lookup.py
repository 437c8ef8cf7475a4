"""Reads orders with their splits from one snapshot of the database, to compare them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, bindparam, text

from app.auditing.audit_rows import MalformedRowError, read_row
from app.domain.order import OrderId, OrderSnapshot, Split
from app.storage.schema.migrate import check_revision
from app.storage.snapshot import address_of, read_snapshot

ORDERS_PER_QUERY: Final = 500
"""Both databases allow about 32,000 parameters."""

_ORDERS: Final = text("SELECT * FROM orders WHERE order_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_SPLITS: Final = text(
    "SELECT * FROM fulfilled_order_splits WHERE order_id IN :ids ORDER BY order_id, split_number"
).bindparams(bindparam("ids", expanding=True))
_ALL: Final = text(
    "SELECT acceptance_number, order_id, last_sequence, splits_total,"
    " last_sequence = 1 AND status = 'NEW' AND NOT EXISTS"
    " (SELECT * FROM fulfilled_order_splits AS split WHERE split.order_id = orders.order_id)"
    " AS is_untouched FROM orders ORDER BY acceptance_number"
)
_STREAM: Final = text("SELECT stream_id, last_pruned_acceptance_number FROM event_stream")
_NEWEST: Final = text("SELECT max(acceptance_number) FROM orders")

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """An order with its splits by number.

    ``malformation`` names a value that cannot be read. Then ``snapshot`` is None, without splits.
    """

    snapshot: OrderSnapshot | None
    splits: tuple[Split, ...]
    malformation: str | None = None


class OrderMark(NamedTuple):
    """The progress of an order.

    ``is_untouched`` means that the order was accepted and has no other event and no split.
    """

    acceptance_number: int
    order_id: OrderId
    last_sequence: int
    splits_total: int
    is_untouched: bool


class OrderLookup:
    """One snapshot of a database.

    Attributes:
        stream_id: The name of the stream of events in this database.
        last_pruned: The greatest acceptance number among the pruned orders, 0 without any.
        newest: The greatest acceptance number among the stored orders, 0 without any.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        stream = connection.execute(_STREAM).one()
        self.stream_id = str(stream.stream_id)
        self.last_pruned = int(stream.last_pruned_acceptance_number)
        self.newest = int(connection.scalar(_NEWEST) or 0)

    def find(self, order_ids: Sequence[OrderId]) -> dict[OrderId, StoredOrder]:
        """Return the orders that exist."""
        found: dict[OrderId, StoredOrder] = {}
        for start in range(0, len(order_ids), ORDERS_PER_QUERY):
            found |= self._find(order_ids[start : start + ORDERS_PER_QUERY])
        return found

    def marks(self) -> Iterator[OrderMark]:
        """Yield the progress of every order, by acceptance number."""
        rows = self._connection.execute(
            _ALL, execution_options={"stream_results": True, "yield_per": ORDERS_PER_QUERY}
        )
        for row in rows:
            yield OrderMark(
                row.acceptance_number,
                OrderId(row.order_id),
                row.last_sequence,
                row.splits_total,
                bool(row.is_untouched),
            )

    def _find(self, order_ids: Sequence[OrderId]) -> dict[OrderId, StoredOrder]:
        splits: dict[str, list[Row[Any]]] = {}
        for row in self._connection.execute(_SPLITS, {"ids": list(order_ids)}):
            splits.setdefault(row.order_id, []).append(row)
        return {
            OrderId(row.order_id): _stored(row, splits.get(row.order_id, []))
            for row in self._connection.execute(_ORDERS, {"ids": list(order_ids)})
        }


async def look_up(database: str, work: Callable[[OrderLookup], _Result]) -> _Result:
    """Run ``work`` on one snapshot of a database: a URL, or the path of an SQLite file.

    Raises:
        StartupError: the database cannot be read or is not of this release; one line says why.
    """
    address = address_of(database)

    def run(connection: Connection) -> _Result:
        check_revision(connection, address)
        return work(OrderLookup(connection))

    return await read_snapshot(address, run)


def _stored(row: Row[Any], splits: Sequence[Row[Any]]) -> StoredOrder:
    try:
        return StoredOrder(
            snapshot=read_row(OrderSnapshot, row),
            splits=tuple(read_row(Split, split) for split in splits),
        )
    except MalformedRowError as error:
        return StoredOrder(snapshot=None, splits=(), malformation=str(error))
