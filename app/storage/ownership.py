"""One service owns a database: a lock says so while it runs, an epoch after it was replaced.

The lock keeps a second service from starting. It is the kernel's or the server's to drop, so that
nothing is left behind by ``kill -9``; where a server drops it too soon, it is taken again. The
epoch rises with each owner; every transaction of the journal checks it, so that one who lost the
lock without noticing (a stopped machine that wakes up, a broken network) cannot write any more.
"""

import asyncio
import contextlib
import fcntl
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.connections import postgresql_engine
from app.storage.failures import DATABASE_ERRORS, OwnershipLostError, first_line
from app.storage.schema.tables import (
    THE_ONLY_ROW,
    client_order_ids,
    event_stream,
    orders,
    service_owner,
    symbol_gates,
    taken_liquidity,
    trading_rules,
)

LOCK_SUFFIX: Final = ".lock"
OWNER_BYTES_MAX: Final = 1_000
"""As much of a lock file as is read to name its owner."""

LOCK_CHECK_SECONDS: Final = 5.0
"""How long a lost lock may go unnoticed; until then the epoch alone keeps others out."""

LOCK_RETRY_SECONDS: Final = 0.5
"""The pause between attempts to take it again."""

_POSTGRESQL_LOCK: Final = 0x7061706572_02
"""The key of our advisory lock for the owner; each database of a server has locks of its own."""

_POSTGRESQL_HOLDER: Final = """
SELECT activity.pid, activity.application_name
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32) + held.objid::bigint = :key
"""

_OF_THE_VENUE: Final = (taken_liquidity, symbol_gates, trading_rules)
"""What is known of a venue, children before parents; it means nothing at another one."""

_OWNER: Final = {
    "sqlite": "SELECT epoch, owner FROM service_owner",
    "postgresql": "SELECT epoch, owner FROM service_owner FOR SHARE",
}
"""Sent in every transaction, so it is built once. On SQLite the transaction locks the file."""

_NOW: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    "postgresql": "clock_timestamp()",
}


_log = structlog.get_logger()


class OwnerLock(Protocol):
    """Held while the service runs."""

    async def keep(self, check_seconds: float) -> None:
        """See now and then that it is held, as long as it can be lost at all.

        Raises:
            OwnershipLostError: another service holds it.
        """

    async def release(self) -> None:
        """Let another service have the database."""


async def lock_database(address: DatabaseAddress, owner: str) -> OwnerLock:
    """Take the database for ``owner`` alone.

    Raises:
        StartupError: another service holds it; the message names that one.
    """
    if address.path is not None:
        return _LockedFile(address, owner)
    lock = _AdvisoryLock(address, owner)
    holder = await lock.take()
    if holder is not None:
        raise _in_use(address, holder.owner)
    return lock


def claim(connection: Connection, *, venue: str, owner: str) -> int:
    """Record the owner, whose lock is held, and return its epoch; the first order fixes the venue.

    Raises:
        StartupError: the database holds orders of another venue.
    """
    present = connection.execute(
        select(service_owner.c.venue, service_owner.c.epoch).with_for_update()
    ).one_or_none()
    now = _now(connection)
    if present is None:
        row = {"id": THE_ONLY_ROW, "venue": venue, "epoch": 1, "owner": owner, "since": now}
        connection.execute(insert(service_owner).values(row))
        return 1
    if present.venue != venue:
        _leave_venue(connection, present.venue, venue)
    epoch = int(present.epoch) + 1
    row = {"venue": venue, "epoch": epoch, "owner": owner, "since": now}
    connection.execute(update(service_owner).values(row))
    return epoch


def check_epoch(connection: Connection, epoch: int) -> None:
    """Check that no other service took over, and prevent it until the transaction ends.

    Raises:
        OwnershipLostError: another service did.
    """
    present = connection.exec_driver_sql(_OWNER[connection.dialect.name]).one_or_none()
    if present is None or present.epoch != epoch:
        raise OwnershipLostError(None if present is None else present.owner)


def probe(connection: Connection, epoch: int) -> None:
    """Write a row that changes nothing: after a failure, only a write shows that writes pass."""
    connection.execute(
        update(service_owner).values(epoch=epoch).where(service_owner.c.epoch == epoch)
    )


def _leave_venue(connection: Connection, present: str, wanted: str) -> None:
    """Forget a venue at which no order was ever accepted."""
    if _were_orders_accepted(connection):
        message = (
            f"the database holds orders of the venue {present} and VENUE is {wanted}; "
            "name another database in DATABASE_URL, or that venue"
        )
        raise StartupError(message)
    for table in _OF_THE_VENUE:
        connection.execute(delete(table))


def _were_orders_accepted(connection: Connection) -> bool:
    """Whether any order was ever accepted; it may have been pruned since."""
    traces = (
        select(orders.c.order_id),
        select(client_order_ids.c.order_id),
        select(event_stream.c.id).where(event_stream.c.last_pruned_acceptance_number > 0),
    )
    return any(connection.execute(trace.limit(1)).first() is not None for trace in traces)


def _now(connection: Connection) -> ColumnElement[datetime]:
    """Return the database's own clock: this time is for people to read, nothing depends on it."""
    return literal_column(_NOW[connection.dialect.name])


def _in_use(address: DatabaseAddress, holder: str) -> StartupError:
    return StartupError(
        f"the database {address} is in use by {holder or 'another service'}; "
        "stop that one, or name another database in DATABASE_URL"
    )


class _LockedFile:
    """A lock on a file beside the database; the kernel drops it with the process.

    The database file itself will not do: SQLite's own locks on it are dropped as soon as any file
    descriptor of the same process on it is closed (fcntl(2), "Advisory record locking").
    """

    def __init__(self, address: DatabaseAddress, owner: str) -> None:
        path = f"{address.path}{LOCK_SUFFIX}"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StartupError(f"cannot make the lock file {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, OWNER_BYTES_MAX, 0).decode(errors="replace")
            os.close(self._descriptor)
            raise _in_use(address, holder.strip()) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{owner}\n".encode(), 0)

    async def keep(self, check_seconds: float) -> None:
        """Return: the kernel takes no lock away from a process that lives."""

    async def release(self) -> None:
        """Empty the file and let go of it; it stays, since removing it would race."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds the lock: the server's number of the session, 0 if it just ended, and its name."""

    pid: int
    owner: str


class _AdvisoryLock:
    """A session's advisory lock on a connection of its own; the server drops it with the session.

    The owner's name is the session's application name, so that another service can read it.
    """

    _connection: AsyncConnection | None = None
    _pid = 0

    def __init__(self, address: DatabaseAddress, owner: str) -> None:
        self._address = address
        self._owner = owner

    async def take(self) -> _Holder | None:
        """Take the lock in a new session; or return who holds it."""
        async with contextlib.AsyncExitStack() as stack:
            connection = await postgresql_engine(self._address).connect()
            stack.push_async_callback(connection.close)
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(
                select(func.set_config("application_name", self._owner, False))  # noqa: FBT003 - positional in SQL
            )
            if not await connection.scalar(select(func.pg_try_advisory_lock(_POSTGRESQL_LOCK))):
                found = await connection.execute(
                    text(_POSTGRESQL_HOLDER), {"key": _POSTGRESQL_LOCK}
                )
                pid, owner = found.one_or_none() or (0, "")
                return _Holder(pid, owner or "")
            self._pid = await connection.scalar(select(func.pg_backend_pid())) or 0
            self._connection = connection
            stack.pop_all()
        return None

    async def keep(self, check_seconds: float) -> None:
        """Ask the session for a sign of life; when there is none, take the lock in a new one."""
        while True:
            await asyncio.sleep(LOCK_RETRY_SECONDS if self._connection is None else check_seconds)
            if not await self._is_held():
                # An unreachable server gives the lock to no other service either.
                with contextlib.suppress(*DATABASE_ERRORS):
                    await self._take_again()

    async def release(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.invalidate()
            await connection.close()

    async def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            await self._connection.execute(select(1))
        except DATABASE_ERRORS as error:
            _log.warning("database_lock_lost", error=first_line(error))
            await self.release()
            return False
        return True

    async def _take_again(self) -> None:
        holder = await self.take()
        if holder is None:
            _log.info("database_lock_taken_again")
        elif holder.pid not in {0, self._pid}:
            raise OwnershipLostError(holder.owner)
        # Otherwise our own former session holds it until the server notices its end.
