"""A read-only snapshot of a database; a service may be running on it.

On both databases a reader blocks no writer. While a snapshot of SQLite is open, the write-ahead log
grows: SQLite cannot reuse the pages that the snapshot reads.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.connections import CONNECT_SECONDS, sqlite_engine
from app.storage.failures import DATABASE_ERRORS, sqlite_code, startup_error

BUSY_SECONDS: Final = 10
"""How long to wait while another program locks the whole SQLite file."""

_INSTRUCTIONS_BETWEEN_CHECKS: Final = 10_000
"""Instructions of SQLite's virtual machine between two checks for a stop: a few milliseconds."""

_Result = TypeVar("_Result")


def address_of(database: str) -> DatabaseAddress:
    """Parse a URL, or the path of an existing SQLite file.

    Raises:
        StartupError: the text is neither.
    """
    if "://" in database:
        address = DatabaseAddress.parse(database)
    else:
        address = DatabaseAddress.of_file(Path(database))
    if address.path is not None and not address.path.is_file():
        raise StartupError(f"there is no database {address.path}")
    return address


async def read_snapshot(address: DatabaseAddress, work: Callable[[Connection], _Result]) -> _Result:
    """Run ``work``, which only reads, on one snapshot of the database.

    A cancellation interrupts the running statement.

    Raises:
        StartupError: the database cannot be read; the message is one line.
    """
    try:
        stopped = threading.Event()
        # There is no commit, since nothing is written: a damaged file might refuse one.
        async with _reading_engine(address, stopped).connect() as connection:
            working = asyncio.ensure_future(connection.run_sync(work))
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:
                # Stop SQLite first: a canceled statement continues in the driver's thread.
                stopped.set()
                working.cancel()
                await asyncio.wait({working})
                raise
    except DATABASE_ERRORS as error:
        if sqlite_code(error) == sqlite3.SQLITE_CANTOPEN:
            message = f"{address} cannot be read; check the permissions of the file and its folder"
            raise StartupError(message) from error
        raise startup_error(address, error) from error


def stop_statements_when(stopped: threading.Event, connection: sqlite3.Connection) -> None:
    """Make every statement of SQLite fail once ``stopped`` is set, also a running one."""
    connection.set_progress_handler(stopped.is_set, _INSTRUCTIONS_BETWEEN_CHECKS)


def _reading_engine(address: DatabaseAddress, stopped: threading.Event) -> AsyncEngine:
    if address.path is None:
        # "A query in a repeatable read transaction sees a snapshot as of the start of the first
        # non-transaction-control statement in the transaction, not as of the start of the current
        # statement" (https://www.postgresql.org/docs/current/transaction-iso.html).
        return create_async_engine(
            address.url,
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            connect_args={
                "timeout": CONNECT_SECONDS,
                "server_settings": {"default_transaction_read_only": "on"},
            },
        )
    return sqlite_engine(
        address.path,
        mode="ro",
        busy_seconds=BUSY_SECONDS,
        configure=partial(stop_statements_when, stopped),
        begin="BEGIN",
        poolclass=NullPool,
    )
