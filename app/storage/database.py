"""A database that this service owns: opened, migrated, locked, and closed."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    """An open database and the two ways into it: one connection that writes, a few that read.

    ``epoch`` is this owner's; ``last_acceptance_number`` and ``last_position`` are the greatest
    that were stored when it took over, those that were pruned included; ``stream_id`` names the
    stream of events that the positions belong to.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        readers: Readers,
        lock: OwnerLock,
        taken_over: "_TakenOver",
    ) -> None:
        self.epoch = taken_over.epoch
        self.last_acceptance_number = taken_over.last_acceptance_number
        self.last_position = taken_over.last_position
        self.stream_id = taken_over.stream_id
        self._writer = writer
        self._readers = readers
        self._lock = lock

    @classmethod
    async def open(cls, url: str, *, venue: str, owner: str) -> "Database":
        """Lock the database, migrate it, and take it over; ``owner`` names us to others.

        The lock comes first, so that no process migrates under a running service.

        Raises:
            StartupError: it cannot be used as it is; one line says what to do.
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
                taken_over = await writer.transact(
                    lambda connection: _take_over(connection, venue=venue, owner=owner)
                )
            except DATABASE_ERRORS as error:
                raise startup_error(address, error) from error
            stack.pop_all()
        return cls(writer=writer, readers=Readers(address), lock=lock, taken_over=taken_over)

    async def write(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do ``work`` as one transaction on the connection that writes; the journal's alone."""
        return await self._writer.transact(work)

    async def read(
        self, statement: Executable, values: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        """Return every row of one statement, which sees one moment of the database.

        To make a statement takes longer than to run it: what is read often is made once, and gets
        ``values`` for its parameters.

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

        Returns at once where a lock lasts as long as the process: on SQLite.

        Raises:
            OwnershipLostError: another service holds it; this one must end.
        """
        await self._lock.keep(check_seconds)

    async def close(self) -> None:
        """Close every connection, and let go of the lock last."""
        await self._readers.close()
        await self._writer.close()
        await self._lock.release()


@dataclass(frozen=True, slots=True)
class _TakenOver:
    """What an owner finds."""

    epoch: int
    last_acceptance_number: int
    last_position: int
    stream_id: str


def _take_over(connection: Connection, *, venue: str, owner: str) -> _TakenOver:
    epoch = claim(connection, venue=venue, owner=owner)
    stream = event_stream.c
    return _TakenOver(
        epoch=epoch,
        last_acceptance_number=_greatest(
            connection, orders.c.acceptance_number, stream.last_pruned_acceptance_number
        ),
        last_position=_greatest(connection, order_events.c.position, stream.last_pruned_position),
        stream_id=connection.scalars(select(stream.stream_id)).one(),
    )


def _greatest(connection: Connection, *numbers: Column[int]) -> int:
    """Return the greatest of what stands in these columns, 0 if nothing does."""
    return max(connection.scalar(select(func.max(number))) or 0 for number in numbers)
