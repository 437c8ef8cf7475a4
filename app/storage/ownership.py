"""One service owns a database: a lock says so while it runs, an epoch after it was replaced.

The lock keeps a second service from starting. It is the kernel's or the server's to drop, so that
nothing is left behind by ``kill -9``. The epoch rises with each owner; every transaction of the
journal checks it, so that one who lost the lock without noticing (a stopped machine that wakes up,
a broken network) cannot write any more.
"""

import contextlib
import fcntl
import os
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import ColumnElement, Connection, func, insert, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.failures import DATABASE_ERRORS, OwnershipLostError
from app.storage.tables import THE_ONLY_ROW, service_owner
from app.storage.writer import postgresql_engine

LOCK_SUFFIX: Final = ".lock"
OWNER_BYTES_MAX: Final = 1_000
"""As much of a lock file as is read to name its owner."""

_POSTGRESQL_LOCK: Final = 0x7061706572_02
"""The key of our advisory lock for the owner; each database of a server has locks of its own."""

_POSTGRESQL_HOLDER: Final = """
SELECT activity.application_name
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32) + held.objid::bigint = :key
"""

_NOW: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
    "postgresql": "clock_timestamp()",
}


class OwnerLock(Protocol):
    """Held while the service runs."""

    async def release(self) -> None:
        """Let another service have the database."""


async def lock_database(address: DatabaseAddress, owner: str) -> OwnerLock:
    """Take the database for ``owner`` alone.

    Raises:
        StartupError: another service holds it; the message names that one.
    """
    if address.path is not None:
        return _LockedFile(address, owner)
    return await _AdvisoryLock.take(address, owner)


def claim(connection: Connection, *, venue: str, owner: str) -> int:
    """Record the owner, whose lock is held, and return its epoch; the first one sets the venue.

    Raises:
        StartupError: the database belongs to another venue.
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
        message = (
            f"the database holds orders of the venue {present.venue} and VENUE is {venue}; "
            "name another database in DATABASE_URL, or that venue"
        )
        raise StartupError(message)
    epoch = int(present.epoch) + 1
    connection.execute(update(service_owner).values(epoch=epoch, owner=owner, since=now))
    return epoch


def check_epoch(connection: Connection, epoch: int) -> None:
    """See that nobody took over, and keep it so until the transaction ends.

    Raises:
        OwnershipLostError: somebody did.
    """
    statement = select(service_owner.c.epoch, service_owner.c.owner).with_for_update(read=True)
    present = connection.execute(statement).one_or_none()
    if present is None or present.epoch != epoch:
        raise OwnershipLostError(None if present is None else present.owner)


def probe(connection: Connection, epoch: int) -> None:
    """Write a row that changes nothing: after a failure, only a write shows that writes pass."""
    connection.execute(
        update(service_owner).values(epoch=epoch).where(service_owner.c.epoch == epoch)
    )


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

    async def release(self) -> None:
        """Empty the file and let go of it; it stays, since removing it would race."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


class _AdvisoryLock:
    """A session's advisory lock on a connection of its own; the server drops it with the session.

    The owner's name is the session's application name, so that whoever meets the lock reads it.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def take(cls, address: DatabaseAddress, owner: str) -> "_AdvisoryLock":
        async with contextlib.AsyncExitStack() as stack:
            connection = await postgresql_engine(address).connect()
            stack.push_async_callback(connection.close)
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(select(func.set_config("application_name", owner, False)))  # noqa: FBT003 - positional in SQL
            if not await connection.scalar(select(func.pg_try_advisory_lock(_POSTGRESQL_LOCK))):
                holder = await connection.scalar(
                    text(_POSTGRESQL_HOLDER), {"key": _POSTGRESQL_LOCK}
                )
                raise _in_use(address, holder or "")
            stack.pop_all()
        return cls(connection)

    async def release(self) -> None:
        """End the session."""
        with contextlib.suppress(*DATABASE_ERRORS):
            await self._connection.invalidate()
        await self._connection.close()
