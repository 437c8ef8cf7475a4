"""A database that this service owns: opens, locks, migrates and closes it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import Column, Connection, Executable, Row, func, select
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import DatabaseUnavailableError
from app.storage.address import DatabaseAddress
from app.storage.connections import Readers, Writer
from app.storage.failures import (
    DATABASE_ERRORS,
    first_line,
    is_operational,
    startup_error,
)
from app.storage.ownership import LOCK_CHECK_SECONDS, OwnerLock, claim, lock_database
from app.storage.schema.migrate import migrate
from app.storage.schema.tables import event_stream, order_events, orders

_Result = TypeVar("_Result")

_log = structlog.get_logger()


class Database:
    """An open database: one connection writes, a few others read.

    Attributes:
        epoch: The epoch of this owner.
        last_acceptance_number: The greatest number stored at the start, pruned orders included.
        last_position: The greatest position stored at the start, pruned events included.
        newest_open_at: The newest time of the orders that were open at the start, None without any.
        stream_id: The name of the stream of events that the positions belong to.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        readers: Readers,
        lock: OwnerLock,
        start_state: "_StartState",
    ) -> None:
        self.epoch = start_state.epoch
        self.last_acceptance_number = start_state.last_acceptance_number
        self.last_position = start_state.last_position
        self.newest_open_at = start_state.newest_open_at
        self.stream_id = start_state.stream_id
        self._writer = writer
        self._readers = readers
        self._lock = lock

    @classmethod
    async def open(cls, url: str, *, venue: str, owner: str) -> "Database":
        """Lock the database, migrate it, and claim it under a new epoch.

        The lock comes first, so that no process migrates under a running service.

        Args:
            url: The URL of the database.
            venue: The name of the venue; the first order binds the database to it.
            owner: The name of this service, which other services read from the lock.

        Raises:
            StartupError: the database cannot be used as it is; one line says what to do.
        """
        address = DatabaseAddress.parse(url)
        address.check_place()
        async with contextlib.AsyncExitStack() as stack:
            try:
                lock = await lock_database(address, owner)
                stack.push_async_callback(lock.release)
                await migrate(url)
                writer = Writer(address)
                stack.push_async_callback(writer.close)
                start_state = await writer.transact(
                    lambda connection: _claim(connection, venue=venue, owner=owner)
                )
            except DATABASE_ERRORS as error:
                raise startup_error(address, error) from error
            stack.pop_all()
        return cls(writer=writer, readers=Readers(address), lock=lock, start_state=start_state)

    async def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run ``work`` as one transaction on the writing connection; only the journal does so."""
        return await self._writer.transact(work)

    async def read(
        self, statement: Executable, values: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        """Run one statement, which sees one snapshot of the database, and return all rows.

        Building a statement takes longer than running it. Frequent statements are built once, and
        ``values`` holds their parameters.

        Raises:
            DatabaseUnavailableError: the database does not answer now.
        """
        try:
            return await self._readers.run(
                lambda connection: connection.execute(statement, values).all()
            )
        except DATABASE_ERRORS as error:
            if not (is_operational(error) or isinstance(error, PoolTimeoutError)):
                raise
            _log.warning("database_read_failed", error=first_line(error))
            raise DatabaseUnavailableError from error

    async def keep_lock(self, *, check_seconds: float = LOCK_CHECK_SECONDS) -> None:
        """Watch the lock until canceled, and take it again if it was lost.

        On SQLite this returns at once: the lock lasts as long as the process.

        Raises:
            OwnershipLostError: another service holds the lock; this service must exit.
        """
        await self._lock.keep(check_seconds)

    async def close(self) -> None:
        """Close every connection, then release the lock."""
        await self._readers.close()
        await self._writer.close()
        await self._lock.release()


@dataclass(frozen=True, slots=True)
class _StartState:
    """The values that a new owner starts from."""

    epoch: int
    last_acceptance_number: int
    last_position: int
    newest_open_at: datetime | None
    stream_id: str


def _claim(connection: Connection, *, venue: str, owner: str) -> _StartState:
    epoch = claim(connection, venue=venue, owner=owner)
    stream = event_stream.c
    return _StartState(
        epoch=epoch,
        last_acceptance_number=_greatest(
            connection, orders.c.acceptance_number, stream.last_pruned_acceptance_number
        ),
        last_position=_greatest(connection, order_events.c.position, stream.last_pruned_position),
        newest_open_at=_newest_open_at(connection),
        stream_id=connection.scalars(select(stream.stream_id)).one(),
    )


def _newest_open_at(connection: Connection) -> datetime | None:
    """Return the time of the newest event of all open orders."""
    is_open = orders.c.closed_at.is_(None)
    newest_fill = (
        select(func.max(order_events.c.at))
        .join_from(orders, order_events, order_events.c.order_id == orders.c.order_id)
        # An order without a split has one event, its acceptance.
        .where(is_open, orders.c.splits_total > 0)
    )
    times = (
        connection.scalar(select(func.max(orders.c.accepted_at)).where(is_open)),
        connection.scalar(newest_fill),
    )
    return max((at for at in times if at is not None), default=None)


def _greatest(connection: Connection, *numbers: Column[int]) -> int:
    """Return the greatest value in these columns, 0 if there is none."""
    return max(connection.scalar(select(func.max(number))) or 0 for number in numbers)
