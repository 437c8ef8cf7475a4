"""Deletes closed orders, also beside a running service.

Orders are deleted in small transactions with longer pauses between them, so the writes of the
service wait only a few milliseconds. Keys, the ledger and the gates stay: a key is never used
twice, and a taken quantity may still be displayed. The greatest deleted numbers are kept in
``event_stream``; without them the next owner would use these numbers again.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Executable, Row, delete, func, select, update

from app.domain.errors import StartupError
from app.storage.connections import Readers, Writer
from app.storage.failures import DATABASE_ERRORS, MaintenanceError, sqlite_code, startup_error
from app.storage.schema.migrate import check_revision
from app.storage.schema.tables import (
    event_stream,
    fulfilled_order_splits,
    fulfilled_orders,
    order_events,
    orders,
)
from app.storage.snapshot import address_of

ORDERS_PER_TRANSACTION_MAX: Final = 500
ROWS_PER_TRANSACTION_MAX: Final = 1_000
"""The number of rows from which on a transaction takes no further order.

All rows of an order are deleted in one transaction. Measured beside a service with a million
orders: the slowest 1 % of acceptances waited 10 ms with 1,000 rows and 40 ms with 4,000. Both
pruned 3,000 orders a second.
"""

REST_RATIO: Final = 3
"""The pause after a transaction, as a multiple of its duration.

SQLite has no queue for its write lock: a waiting writer checks every few milliseconds, and gives up
after a second. The pruner holds the lock for a quarter of the time, so such a check soon succeeds.
"""

BUSY_ATTEMPTS_MAX: Final = 30
"""The attempts at a transaction while the database is locked; each waits for one second."""

OnProgress = Callable[[int, int], None]
"""Called with the number of deleted orders and the total to delete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The numbers of rows that were deleted, or would be."""

    orders: int = 0
    events: int = 0
    splits: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Return the sums."""
        return Pruned(
            orders=self.orders + other.orders,
            events=self.events + other.events,
            splits=self.splits + other.splits,
        )


async def count_finished(database: str, before: datetime) -> Pruned:
    """Count the rows that ``prune`` would delete now.

    Raises:
        StartupError: the database cannot be used as it is; one line says why.
    """
    async with _readers(database) as readers:
        return await _count(readers, before)


async def prune(
    database: str,
    before: datetime,
    *,
    on_progress: OnProgress | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Pruned:
    """Delete all orders that were closed before an instant, with all their rows.

    An interrupted call leaves no order partly deleted, and the next call continues.

    Args:
        database: The URL of the database, or the path of an SQLite file.
        before: An aware instant; an order closed at this instant stays.
        on_progress: Called after each transaction.
        sleep: Waits between transactions.

    Raises:
        StartupError: the database cannot be used as it is; one line says why.
        MaintenanceError: another program kept the database locked.
    """
    address = address_of(database)
    loop = asyncio.get_running_loop()
    pruned = Pruned()
    async with _readers(database) as readers:
        total = (await _count(readers, before)).orders
        writer = Writer(address)
        try:
            last_number = 0
            while batch := await _next_batch(readers, before, after=last_number):
                began = loop.time()
                pruned += await _delete(writer, batch)
                took_seconds = loop.time() - began
                last_number = batch[-1].acceptance_number
                if on_progress is not None:
                    on_progress(pruned.orders, total)
                await sleep(REST_RATIO * took_seconds)
        finally:
            await writer.close()
    return pruned


@contextlib.asynccontextmanager
async def _readers(database: str) -> AsyncIterator[Readers]:
    """Open reading connections to a database, which must be of this release."""
    address = address_of(database)
    readers = Readers(address)
    try:
        await readers.run(lambda connection: check_revision(connection, address))
        yield readers
    except DATABASE_ERRORS as error:
        raise startup_error(address, error) from error
    finally:
        await readers.close()


async def _rows(readers: Readers, statement: Executable) -> Sequence[Row[Any]]:
    return await readers.run(lambda connection: connection.execute(statement).all())


async def _count(readers: Readers, before: datetime) -> Pruned:
    # The database may add these columns: they are integers, not amounts.
    (row,) = await _rows(
        readers,
        select(
            func.count().label("orders"),
            func.sum(orders.c.last_sequence).label("events"),
            func.sum(orders.c.splits_total).label("splits"),
        ).where(orders.c.closed_at < before),
    )
    return Pruned(orders=row.orders, events=int(row.events or 0), splits=int(row.splits or 0))


async def _next_batch(readers: Readers, before: datetime, *, after: int) -> Sequence[Row[Any]]:
    """Find the next orders to delete, without a lock: a closed order never changes."""
    found = await _rows(
        readers,
        select(orders.c.acceptance_number, orders.c.order_id, orders.c.last_sequence)
        .where(orders.c.acceptance_number > after, orders.c.closed_at < before)
        .order_by(orders.c.acceptance_number)
        .limit(ORDERS_PER_TRANSACTION_MAX),
    )
    rows = 0
    for taken, order in enumerate(found, start=1):
        rows += 2 * order.last_sequence  # events, and at most as many splits
        if rows >= ROWS_PER_TRANSACTION_MAX:
            return found[:taken]
    return found


async def _delete(writer: Writer, batch: Sequence[Row[Any]]) -> Pruned:
    """Delete a batch in one transaction, and retry while the database is locked."""
    for attempts_left in reversed(range(BUSY_ATTEMPTS_MAX)):
        try:
            return await writer.transact(lambda connection: _delete_orders(connection, batch))
        except DATABASE_ERRORS as error:
            if sqlite_code(error) != sqlite3.SQLITE_BUSY:
                raise
            if not attempts_left:
                message = "another program keeps the database locked; what was deleted stays so"
                raise MaintenanceError(message) from error
    raise AssertionError("the last attempt returns or raises")


def _delete_orders(connection: Connection, batch: Sequence[Row[Any]]) -> Pruned:
    """Delete orders with all rows, children before parents, and store the greatest numbers."""
    order_ids = [order.order_id for order in batch]
    stream = connection.execute(select(event_stream).with_for_update()).one_or_none()
    if stream is None:
        raise StartupError("the database has lost its event_stream row; restore a backup of it")
    last_position = connection.scalar(
        select(func.max(order_events.c.position)).where(order_events.c.order_id.in_(order_ids))
    )
    connection.execute(
        update(event_stream).values(
            last_pruned_position=max(stream.last_pruned_position, last_position or 0),
            last_pruned_acceptance_number=max(
                stream.last_pruned_acceptance_number, batch[-1].acceptance_number
            ),
        )
    )
    deleted = [
        connection.execute(delete(key.table).where(key.in_(order_ids))).rowcount
        for key in (
            order_events.c.order_id,
            fulfilled_order_splits.c.order_id,
            fulfilled_orders.c.id,
            orders.c.order_id,
        )
    ]
    return Pruned(events=deleted[0], splits=deleted[1], orders=deleted[3])
