"""The few connections that read, outside of any transaction.

As with the writer, on SQLite a read is one hop to a thread: through the asynchronous driver it is
six (connect, execute, fetch, close, and their answers), which costs several times the read itself.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from app.storage.address import DatabaseAddress
from app.storage.asynchronous import make_async_engine
from app.storage.writer import BUSY_SECONDS, COMMAND_SECONDS, CONNECT_SECONDS

READERS_MAX: Final = 4
"""Connections that read; more would only compete for the processor."""

READER_WAIT_SECONDS: Final = 10
"""How long a read waits for one of them before it is refused; a burst of reads has to queue."""

_Result = TypeVar("_Result")


class Readers(Protocol):
    """Runs a few reads at a time; none of their connections can write."""

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Do ``work``, which only reads; each statement sees one moment of the database."""

    async def close(self) -> None:
        """Let go of the connections."""


def make_readers(address: DatabaseAddress) -> Readers:
    """Make the connections that read; an SQLite file must be there."""
    return SqliteReaders(address) if address.path is not None else PostgresqlReaders(address)


class SqliteReaders:
    """Reads an SQLite file, which is there already, from a few threads."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.engine = create_engine(
            address.url_of_present_file.set(drivername="sqlite+pysqlite"),
            isolation_level="AUTOCOMMIT",
            pool_size=READERS_MAX,
            max_overflow=0,
            connect_args={"timeout": BUSY_SECONDS},
        )
        event.listen(self.engine, "connect", _refuse_writes)
        self._free = asyncio.Semaphore(READERS_MAX)
        self._threads = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="database-reader")

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Read in a thread; it reads on there if the caller is canceled, and is free only then."""
        try:
            async with asyncio.timeout(READER_WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise PoolTimeoutError("no connection to read with came free") from None
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._threads, self._run, work)
        reading.add_done_callback(lambda _: self._free.release())
        return await asyncio.shield(reading)

    async def close(self) -> None:
        """Close the connections behind whatever the threads still do."""
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()

    def _run(self, work: Callable[[Connection], _Result]) -> _Result:
        with self.engine.connect() as connection:
            return work(connection)


class PostgresqlReaders:
    """Reads PostgreSQL through the asynchronous driver."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._engine = make_async_engine(
            address,
            isolation_level="AUTOCOMMIT",
            pool_size=READERS_MAX,
            max_overflow=0,
            pool_timeout=READER_WAIT_SECONDS,
            pool_pre_ping=True,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
        )

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Read."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the connections that are idle; the others as they become so."""
        await self._engine.dispose()


def _refuse_writes(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA query_only = ON").fetchall()
