"""One moment of a database, read from beside the service that may be running on it.

Neither database has its writers wait for a reader. While a snapshot of SQLite is read, the
write-ahead log grows, since what it holds cannot replace what is still being read.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.asynchronous import make_async_engine
from app.storage.failures import database_errors, startup_error
from app.storage.writer import CONNECT_SECONDS

BUSY_SECONDS: Final = 10
"""How long to wait for another program that holds all of an SQLite file."""

_INSTRUCTIONS_BETWEEN_CHECKS: Final = 10_000
"""Steps of SQLite's machine, a few milliseconds, after which it asks whether to stop."""

_Result = TypeVar("_Result")


def address_of(database: str) -> DatabaseAddress:
    """Take a URL, or the path of an SQLite file that is there.

    Raises:
        StartupError: neither.
    """
    if "://" in database:
        address = DatabaseAddress.parse(database)
    else:
        address = DatabaseAddress.of_file(Path(database))
    if address.path is not None and not address.path.is_file():
        raise StartupError(f"there is no database {address.path}")
    return address


async def read_snapshot(address: DatabaseAddress, work: Callable[[Connection], _Result]) -> _Result:
    """Run ``work``, which only reads, on one moment of the database.

    Raises:
        StartupError: the database cannot be read; the message is one line.
    """
    try:
        if address.path is not None:
            return await in_thread(lambda stopped: _read_sqlite(address, work, stopped))
        return await _read_postgresql(address, work)
    except database_errors() as error:
        cause = error.orig if isinstance(error, DBAPIError) else None
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_CANTOPEN:
            message = f"{address} cannot be read; check the permissions of the file and its folder"
            raise StartupError(message) from error
        raise startup_error(address, error) from error


async def in_thread(work: Callable[[threading.Event], _Result]) -> _Result:
    """Run ``work`` in a thread; if the caller is canceled, the event tells it to stop."""
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(work, stopped)
    finally:
        stopped.set()


def open_read_only(path: Path, stopped: threading.Event) -> sqlite3.Connection:
    """Open an SQLite file that is there; statements fail once ``stopped`` is set."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    connection.set_progress_handler(stopped.is_set, _INSTRUCTIONS_BETWEEN_CHECKS)
    return connection


def _read_sqlite(
    address: DatabaseAddress, work: Callable[[Connection], _Result], stopped: threading.Event
) -> _Result:
    path = address.path
    assert path is not None, "an SQLite database is a file"
    engine = create_engine(
        "sqlite+pysqlite://", creator=lambda: open_read_only(path, stopped), poolclass=NullPool
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    # Nothing is committed, since nothing is written: a damaged file might refuse even that.
    with engine.connect() as connection:
        return work(connection)


async def _read_postgresql(
    address: DatabaseAddress, work: Callable[[Connection], _Result]
) -> _Result:
    engine = make_async_engine(
        address,
        poolclass=NullPool,
        isolation_level="REPEATABLE READ",
        connect_args={
            "timeout": CONNECT_SECONDS,
            "server_settings": {"default_transaction_read_only": "on"},
        },
    )
    async with engine.connect() as connection:
        return await connection.run_sync(work)
