"""The one connection that writes, and how a transaction is run on it.

The work of a transaction is a plain function of a connection. On SQLite it runs in a thread of its
own, as one hop: through the asynchronous driver each statement would be several, which takes
four times as long for one order. On PostgreSQL it runs through the asynchronous driver.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.storage.address import DatabaseAddress
from app.storage.asynchronous import make_async_engine
from app.storage.checkpoints import LOG_PAGES_MAX, PAGE_BYTES, Checkpoints
from app.storage.failures import database_errors

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

BUSY_SECONDS: Final = 1
"""How long SQLite waits for another program's lock; soon enough for trouble to be told."""

CONNECT_SECONDS: Final = 5
"""How long a connection to PostgreSQL may take to be made."""

_SWITCH_RETRY_SECONDS: Final = 0.01

COMMAND_SECONDS: Final = 10
"""How long PostgreSQL may take for a statement before the connection counts as dead."""

_POSTGRESQL_SETTINGS: Final = {
    "lock_timeout": f"{COMMAND_SECONDS}s",
    # A writer that was stopped half-way must not keep its successor from taking over.
    "idle_in_transaction_session_timeout": f"{COMMAND_SECONDS}s",
}

_Result = TypeVar("_Result")


class Writer(Protocol):
    """Runs one transaction at a time, each after a failure on a new connection.

    A connection that failed may be dead, or have been opened while the file was read-only.
    """

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Begin, do ``work``, commit; or undo it all and raise what failed."""

    async def close(self) -> None:
        """Let go of the connection after the transaction that is under way."""


class FileReplacedError(OSError):
    """The database's file is not the one that was opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was deleted or replaced; put the file back, or start the service again"
        )


class SqliteWriter:
    """Writes to an SQLite file, which is there already, from a thread of its own.

    A file that was deleted or replaced takes writes as before through a connection that is open,
    and nobody would ever see them: before each transaction the name must still be that file's.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        assert address.path is not None, "an SQLite database is a file"
        self._path = address.path
        self._file = _file_named(address.path)
        self._engine = sqlite_writing_engine(address.url_of_present_file, busy_seconds=BUSY_SECONDS)
        self._checkpoints = Checkpoints(self._engine)
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database-writer")

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run the transaction in the thread; it goes on there if the caller is canceled."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        """Close the connection behind whatever the thread still does."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._checkpoints.end()
        self._thread.shutdown(wait=False)

    def _transact(self, work: Callable[[Connection], _Result]) -> _Result:
        if _file_named(self._path) != self._file:
            # The connection stays: while the file is open, no other one is given its number.
            raise FileReplacedError(self._path)
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            result = _transact(self._connection, work)
        except BaseException:
            self._disconnect()
            raise
        self._checkpoints.note_commit(_rows_changed(self._connection))
        return result

    def _disconnect(self) -> None:
        self._checkpoints.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class PostgresqlWriter:
    """Writes to PostgreSQL through the asynchronous driver."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._engine = postgresql_engine(address)
        self._connection: AsyncConnection | None = None

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run the transaction."""
        if self._connection is None:
            self._connection = await self._engine.connect()
            await self._connection.run_sync(_wait_for_the_disk)
        connection = self._connection
        try:
            return await connection.run_sync(_transact, work)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Drop the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*database_errors()):
                await connection.invalidate()
            await connection.close()


def sqlite_writing_engine(url: URL, *, busy_seconds: int) -> Engine:
    """Make an engine whose transactions hold the write lock from their first statement on."""
    engine = create_engine(url.set(drivername="sqlite+pysqlite"), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # leave BEGIN to us
        connection.execute(f"PRAGMA busy_timeout = {busy_seconds * 1000}").fetchall()
        _write_ahead(connection, seconds=busy_seconds)
        for setting in (
            "synchronous = FULL",
            "foreign_keys = ON",
            f"wal_autocheckpoint = {LOG_PAGES_MAX}",
            # What a long reader had it grow by is given back once it begins anew.
            f"journal_size_limit = {LOG_PAGES_MAX * PAGE_BYTES}",
        ):
            connection.execute(f"PRAGMA {setting}").fetchall()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def postgresql_engine(address: DatabaseAddress) -> "AsyncEngine":
    """Make an engine without a pool: its one connection is kept by whoever asked for it."""
    return make_async_engine(
        address,
        poolclass=NullPool,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": COMMAND_SECONDS,
            "server_settings": _POSTGRESQL_SETTINGS,
        },
    )


def _transact(connection: Connection, work: Callable[[Connection], _Result]) -> _Result:
    with connection.begin():
        return work(connection)


def _rows_changed(connection: Connection) -> int:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, sqlite3.Connection), "this is SQLite"
    return driver_connection.total_changes


def _write_ahead(connection: sqlite3.Connection, *, seconds: float) -> None:
    """Switch a database to its write-ahead log; one that has it already is left as it is.

    Of those who switch a new file at once SQLite refuses all but one without waiting, whatever
    ``busy_timeout`` says.
    """
    for attempts_left in reversed(range(1 + int(seconds / _SWITCH_RETRY_SECONDS))):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not attempts_left:
                raise
            time.sleep(_SWITCH_RETRY_SECONDS)
        else:
            return


def _file_named(path: Path) -> tuple[int, int] | None:
    """Say which file has this name now, by device and number; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _wait_for_the_disk(connection: Connection) -> None:
    """Have a commit wait for the disk, even where the server's default is not to."""
    with connection.begin():
        connection.exec_driver_sql(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
