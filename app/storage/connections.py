"""The connections to a database: SQLAlchemy's asynchronous engines, set up for each kind.

One connection writes, a few others read. The work of a transaction is a plain function of a
``Connection``, which ``run_sync`` runs on the asynchronous driver.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import asyncpg  # type: ignore[import-untyped] # it has no types
from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.storage.address import SQLITE_SCHEME, DatabaseAddress
from app.storage.failures import DATABASE_ERRORS

BUSY_SECONDS: Final = 1
"""How long SQLite waits for the lock of another program, before the write fails and is retried."""

CONNECT_SECONDS: Final = 5
"""How long a connection to PostgreSQL may take to open."""

COMMAND_SECONDS: Final = 10
"""How long PostgreSQL may take for a statement before the connection counts as dead."""

READERS_MAX: Final = 4
"""Connections that read; more would only compete for the processor."""

READER_WAIT_SECONDS: Final = 10
"""How long a read waits for a free connection before it is refused; a burst of reads queues."""

LOG_BYTES_MAX: Final = 32_000_000
"""The size to which SQLite truncates its write-ahead log, after a long read made it grow."""

_SWITCH_RETRY_SECONDS: Final = 0.01

_WRITING_SETTINGS: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    f"journal_size_limit = {LOG_BYTES_MAX}",
)

_POSTGRESQL_SETTINGS: Final = {
    "lock_timeout": f"{COMMAND_SECONDS}s",
    # A writer that stops within a transaction must not keep its successor from taking over.
    "idle_in_transaction_session_timeout": f"{COMMAND_SECONDS}s",
}

_Result = TypeVar("_Result")


class FileReplacedError(OSError):
    """The file of the database is not the file that was opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was deleted or replaced; put the file back, or start the service again"
        )


class Writer:
    """The one connection that writes. After a failure the next transaction opens a new one.

    A connection that failed may be dead, or may have been opened while the file was read-only.

    An open connection keeps writing to an SQLite file that was deleted or replaced, and these
    writes would be lost. So before each transaction the path must still lead to the same file.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._path = address.path
        self._file = _file_at(address.path)
        self._engine = writing_engine(address)
        self._connection: AsyncConnection | None = None

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Begin, run ``work``, commit; on any failure roll back and raise it.

        Raises:
            FileReplacedError: the path leads to another file, or to none.
        """
        if _file_at(self._path) != self._file:
            # The connection stays open, so that no new file can get the inode of this one.
            assert self._path is not None, "PostgreSQL has no file"
            raise FileReplacedError(self._path)
        try:
            if self._connection is None:
                self._connection = await self._engine.connect()
            return await self._connection.run_sync(_transact, work)
        except BaseException:
            await self._disconnect()
            raise

    async def close(self) -> None:
        """Close the connection, which rolls back its running transaction."""
        await self._disconnect()
        await self._engine.dispose()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.invalidate()
            await connection.close()


class Readers:
    """A pool of connections that read, each statement by itself; none of them can write."""

    def __init__(self, address: DatabaseAddress) -> None:
        pool: dict[str, Any] = {
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,  # a read begins no transaction to roll back
            "pool_size": READERS_MAX,
            "max_overflow": 0,
            "pool_timeout": READER_WAIT_SECONDS,
        }
        if address.path is not None:
            self.engine = sqlite_engine(address.path, settings=("query_only = ON",), **pool)
        else:
            self.engine = create_async_engine(
                address.url,
                pool_pre_ping=True,
                connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
                **pool,
            )

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run ``work``, which only reads; each statement sees one snapshot of the database.

        Raises:
            sqlalchemy.exc.TimeoutError: no connection became free in time.
        """
        async with self.engine.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the idle connections; the others close as their reads end."""
        await self.engine.dispose()


def _transact(connection: Connection, work: Callable[[Connection], _Result]) -> _Result:
    # Inside one run_sync. As separate calls, BEGIN and COMMIT would each start another greenlet.
    with connection.begin():
        return work(connection)


def send_sql(connection: Connection, sql: str, values: Sequence[object] = ()) -> Sequence[Any]:
    """Run SQL text in as few steps of the driver as possible, and return the rows.

    ``Connection.execute`` takes three steps of SQLite's driver for a statement without rows, and
    four for a query; each step switches threads twice. This function takes one step. SQLAlchemy
    converts neither values nor rows, and does not wrap the driver's errors (see ``failures``).
    """
    if connection.dialect.name != "sqlite":
        result = connection.exec_driver_sql(sql, tuple(values))
        return result.all() if result.returns_rows else ()
    driver = connection.connection.dbapi_connection
    assert driver is not None, "the connection is open"
    rows: Sequence[Any] = driver.run_async(lambda sqlite: sqlite.execute_fetchall(sql, values))
    return rows


def writing_engine(
    address: DatabaseAddress,
    *,
    may_create: bool = False,
    busy_seconds: float = BUSY_SECONDS,
    command_seconds: float | None = COMMAND_SECONDS,
) -> AsyncEngine:
    """Make an engine without a pool, whose transactions take SQLite's write lock as they begin.

    Args:
        address: The database.
        may_create: Create an SQLite file that does not exist.
        busy_seconds: How long SQLite waits for another program's lock.
        command_seconds: How long PostgreSQL may take for a statement; None without a limit.
    """
    if address.path is None:
        return postgresql_engine(address, command_seconds=command_seconds)
    return sqlite_engine(
        address.path,
        mode="rwc" if may_create else "rw",
        busy_seconds=busy_seconds,
        settings=_WRITING_SETTINGS,
        begin="BEGIN IMMEDIATE",
        poolclass=NullPool,
    )


def sqlite_engine(
    path: Path,
    *,
    mode: str = "rw",
    busy_seconds: float = BUSY_SECONDS,
    settings: Sequence[str] = (),
    configure: Callable[[sqlite3.Connection], None] | None = None,
    begin: str | None = None,
    **options: Any,  # noqa: ANN401 - SQLAlchemy's
) -> AsyncEngine:
    """Make an engine for an SQLite file.

    Args:
        path: The file.
        mode: ``rw``, ``ro``, or ``rwc``, which alone creates a file (https://www.sqlite.org/uri.html).
        busy_seconds: How long SQLite waits for another program's lock.
        configure: Called with each new connection of the driver.
        settings: Pragmas of each connection, such as ``query_only = ON``.
        begin: The statement that begins a transaction; None for ``isolation_level="AUTOCOMMIT"``.
        options: Options of ``create_async_engine``.
    """

    def open_file() -> sqlite3.Connection:
        connection = _open(path, mode=mode, busy_seconds=busy_seconds, settings=settings)
        if configure is not None:
            configure(connection)
        return connection

    url = URL.create(SQLITE_SCHEME, database=str(path))
    engine = create_async_engine(url, async_creator=partial(_connect, open_file), **options)

    @event.listens_for(engine.sync_engine, "invalidate")
    def roll_back(connection: DBAPIConnection, *_: object) -> None:
        # A connection closes, and drops its lock, only with its last cursor (sqlite3_close_v2).
        # The traceback of a canceled statement may keep a cursor alive for long.
        with contextlib.suppress(*DATABASE_ERRORS):
            connection.rollback()

    if begin is not None:

        @event.listens_for(engine.sync_engine, "begin")
        def send_begin(connection: Connection) -> None:
            send_sql(connection, begin)

    return engine


def postgresql_engine(
    address: DatabaseAddress, *, command_seconds: float | None = COMMAND_SECONDS
) -> AsyncEngine:
    """Make an engine without a pool, whose commits wait for the disk."""
    engine = create_async_engine(
        address.url,
        poolclass=NullPool,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": command_seconds,
            "server_settings": _POSTGRESQL_SETTINGS,
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.run_async(_wait_for_the_disk)

    return engine


def _open(
    path: Path, *, mode: str, busy_seconds: float, settings: Sequence[str]
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_seconds,
        # Python's driver must not send BEGIN: the "begin" event of the engine does.
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in settings:
            _set(connection, setting, seconds=busy_seconds)
    except BaseException:
        connection.close()
        raise
    return connection


async def _connect(open_file: Callable[[], sqlite3.Connection]) -> aiosqlite.Connection:
    """Open a file in a thread, then give it to the driver.

    When the driver fails to open a file, its own thread reports to the event loop later, which may
    be closed by then.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(open_file))
    try:
        opened = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise
    connection = aiosqlite.Connection(lambda: opened, iter_chunk_size=64)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does when it connects
    return await connection


def _close_opened(opening: "asyncio.Future[sqlite3.Connection]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _set(connection: sqlite3.Connection, setting: str, *, seconds: float) -> None:
    """Set a pragma.

    When several programs switch a new file to its write-ahead log, SQLite refuses all but one at
    once and ignores the busy timeout, so the switch is retried here.
    """
    for attempts_left in reversed(range(1 + int(seconds / _SWITCH_RETRY_SECONDS))):
        try:
            connection.execute(f"PRAGMA {setting}").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not attempts_left:
                raise
            time.sleep(_SWITCH_RETRY_SECONDS)
        else:
            return


async def _wait_for_the_disk(driver: asyncpg.Connection) -> None:
    """Make a commit wait for the disk, even if the server is configured otherwise."""
    await driver.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )


def _file_at(path: Path | None) -> tuple[int, int] | None:
    """Return the device and inode of the file at a path; None without a file or a path."""
    if path is None:
        return None
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
