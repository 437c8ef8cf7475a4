"""One service owns a database: a lock protects it, and an epoch stops a replaced owner.

The lock keeps a second service from starting. The kernel or the server releases it when the process
or session ends, so ``kill -9`` leaves no lock behind. If a server releases it too early, the owner
takes it again.

The epoch rises with each owner, and every transaction of the journal compares it. A service can
lose the lock without noticing, on a machine that slept or a broken network. The epoch then keeps it
from writing.
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
from app.storage.connections import postgresql_engine, send_sql
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
"""The number of bytes read from a lock file to name its owner."""

LOCK_CHECK_SECONDS: Final = 5.0
"""How long a lost lock may go unnoticed; meanwhile only the epoch keeps two owners apart."""

LOCK_RETRY_SECONDS: Final = 0.5
"""The pause between attempts to take a lost lock again."""

_POSTGRESQL_LOCK: Final = 0x7061706572_02
"""The key of our advisory lock for the owner; each database of a server has separate locks."""

_POSTGRESQL_HOLDER: Final = """
SELECT activity.pid, activity.application_name
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32) + held.objid::bigint = :key
"""

_VENUE_TABLES: Final = (taken_liquidity, symbol_gates, trading_rules)
"""The tables with data of one venue, which is meaningless at another; children before parents."""

_SELECT_OWNER: Final = {
    "sqlite": "SELECT epoch, owner FROM service_owner",
    "postgresql": "SELECT epoch, owner FROM service_owner FOR SHARE",
}
"""Sent in every transaction, so it is built once.

On PostgreSQL the row stays locked until the transaction ends. On SQLite the whole file is locked.
"""

_NOW: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    "postgresql": "clock_timestamp()",
}


_log = structlog.get_logger()


class OwnerLock(Protocol):
    """The lock of a database, held while the service runs."""

    async def keep(self, check_seconds: float) -> None:
        """Check regularly that the lock is held; return at once if it cannot be lost.

        Raises:
            OwnershipLostError: another service holds the lock.
        """

    async def release(self) -> None:
        """Release the lock, so that another service can start."""


async def lock_database(address: DatabaseAddress, owner: str) -> OwnerLock:
    """Take the lock of a database under the name ``owner``.

    Raises:
        StartupError: another service holds the lock; the message names that service.
    """
    if address.path is not None:
        return _LockedFile(address, owner)
    lock = _AdvisoryLock(address, owner)
    holder = await lock.take()
    if holder is not None:
        raise _in_use(address, holder.owner)
    return lock


def claim(connection: Connection, *, venue: str, owner: str) -> int:
    """Record the owner of the lock and return its epoch.

    The first order binds the database to its venue. Until then the venue may change.

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
    found = send_sql(connection, _SELECT_OWNER[connection.dialect.name])
    present_epoch, owner = found[0] if found else (None, None)
    if present_epoch != epoch:
        raise OwnershipLostError(owner)


def probe(connection: Connection, epoch: int) -> None:
    """Write a row unchanged: only a write shows that the database accepts writes again."""
    connection.execute(
        update(service_owner).values(epoch=epoch).where(service_owner.c.epoch == epoch)
    )


def _leave_venue(connection: Connection, present: str, wanted: str) -> None:
    """Delete the data of a venue at which no order was ever accepted."""
    if _were_orders_accepted(connection):
        message = (
            f"the database holds orders of the venue {present} and VENUE is {wanted}; "
            "name another database in DATABASE_URL, or that venue"
        )
        raise StartupError(message)
    for table in _VENUE_TABLES:
        connection.execute(delete(table))


def _were_orders_accepted(connection: Connection) -> bool:
    """Whether any order was ever accepted, including orders that were pruned."""
    traces = (
        select(orders.c.order_id),
        select(client_order_ids.c.order_id),
        select(event_stream.c.id).where(event_stream.c.last_pruned_acceptance_number > 0),
    )
    return any(connection.execute(trace.limit(1)).first() is not None for trace in traces)


def _now(connection: Connection) -> ColumnElement[datetime]:
    """Return the time of the database's clock. It informs people; no code depends on it."""
    return literal_column(_NOW[connection.dialect.name])


def _in_use(address: DatabaseAddress, holder: str) -> StartupError:
    return StartupError(
        f"the database {address} is in use by {holder or 'another service'}; "
        "stop that one, or name another database in DATABASE_URL"
    )


class _LockedFile:
    """A lock on a file beside the database; the kernel releases it when the process ends.

    The lock is not on the database file itself. SQLite's own locks there are lost as soon as the
    process closes any descriptor of that file (fcntl(2), "Advisory record locking").
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
            # The owner writes its name after it has the lock, so the file may still be empty.
            holder = os.pread(self._descriptor, OWNER_BYTES_MAX, 0).decode(errors="replace")
            os.close(self._descriptor)
            raise _in_use(address, holder.strip()) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{owner}\n".encode(), 0)

    async def keep(self, check_seconds: float) -> None:
        """Return at once: the kernel takes no lock away from a running process."""

    async def release(self) -> None:
        """Empty and close the file; deleting it would race with a service that opens it."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class _Holder:
    """The session that holds the lock.

    Attributes:
        pid: The process id of the session at the server, 0 if the session just ended.
        owner: The name of the service.
    """

    pid: int
    owner: str


class _AdvisoryLock:
    """An advisory lock of PostgreSQL on its own connection; it is released when the session ends.

    The owner's name is the session's application name, so that another service can read it.
    """

    _connection: AsyncConnection | None = None
    _pid = 0

    def __init__(self, address: DatabaseAddress, owner: str) -> None:
        self._address = address
        self._owner = owner

    async def take(self) -> _Holder | None:
        """Take the lock in a new session, or return its present holder."""
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
        """Send a query regularly; if the session has ended, take the lock in a new session."""
        while True:
            await asyncio.sleep(LOCK_RETRY_SECONDS if self._connection is None else check_seconds)
            if not await self._is_held():
                # An unreachable server gives the lock to no other service either.
                with contextlib.suppress(*DATABASE_ERRORS):
                    await self._take_again()

    async def release(self) -> None:
        """End the session, and the lock with it."""
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
        # Otherwise our own former session holds the lock until the server notices its end: retry.
