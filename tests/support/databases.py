"""Databases of each kind, made for one test and removed afterwards."""

import asyncio
import atexit
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.engine import URL, make_url

from app.domain.events import OrderEvent, StoredEvent
from app.domain.order import Symbol
from app.storage.database import Database
from app.storage.event_queries import StoredEvents
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders
from app.storage.schema.migrate import migrate
from app.storage.schema.tables import METADATA
from tests.support.waiting import WAIT_SECONDS_MAX

KINDS: Final = ("sqlite", "postgresql")
VENUE: Final = "simulator"
OWNER: Final = "the test"

_made: list[str] = []
_idle: list[str] = []


class HeardListener:
    """A journal's listener that records every call, in order.

    ``transactions`` has the number of events of each transaction with events, ``positions`` the
    position of each event.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.events: list[OrderEvent] = []
        self.positions: list[int] = []
        self.transactions: list[int] = []

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Keep the events."""
        self.transactions.append(len(events))
        for stored in events:
            event = stored.event
            self.events.append(event)
            self.positions.append(stored.position)
            self.heard.append(f"{event.order.order_id[-4:]}/{event.sequence}")

    def on_write_trouble(self) -> None:
        """Note the trouble."""
        self.heard.append("trouble")

    def on_write_recovery(self) -> None:
        """Note the recovery."""
        self.heard.append("recovery")

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """Note the symbol."""
        self.heard.append(f"refused {symbol}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStorage:
    """A database with its running journal and its queries."""

    database: Database
    journal: GroupCommitJournal
    orders: StoredOrders
    events: StoredEvents
    listener: HeardListener
    task: asyncio.Task[None]

    async def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement as tuples."""
        found = await self.database.read(_bound(statement, values))
        return [tuple(row) for row in found]

    async def execute(self, statement: str, **values: object) -> None:
        """Change the database without the journal."""
        await self.database.write(
            lambda connection: connection.execute(_bound(statement, values)).close()
        )


@asynccontextmanager
async def scratch_database(kind: str, folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a migrated database without rows, for one test.

    Only the first database of each kind is migrated. Later tests get a copy of the SQLite file, and
    the same PostgreSQL database once it is empty again. A test that changes the schema or settings
    of a PostgreSQL database asks for ``scratch_postgresql``.
    """
    if kind == "sqlite":
        path = folder / "papertape.db"
        place_migrated_sqlite(path)
        yield sqlite_url(path)
        return
    name = _idle.pop() if _idle else await _make_migrated_database()
    url = _url_of(name)
    yield url
    async with server_connection(url) as connection:
        await connection.execute(f"TRUNCATE {', '.join(METADATA.tables)}")
        await connection.execute(
            "INSERT INTO event_stream VALUES (1, substr(md5(random()::text), 1, 16), 0, 0)"
        )
    _idle.append(name)


@asynccontextmanager
async def scratch_postgresql() -> AsyncIterator[str]:
    """Yield the URL of an empty PostgreSQL database; skip the test if there is no server."""
    yield _url_of(await _make_database())


@asynccontextmanager
async def open_storage(
    url: str, *, answer_seconds_max: float = WAIT_SECONDS_MAX
) -> AsyncIterator[OpenStorage]:
    """Open a database and run its journal; close both afterwards.

    A missing SQLite database is first created as a copy of a migrated one.
    """
    path = make_url(url).database
    if url.startswith("sqlite") and path is not None:
        place_migrated_sqlite(Path(path))
    database = await Database.open(url, venue=VENUE, owner=OWNER)
    async with run_storage(database, answer_seconds_max=answer_seconds_max) as storage:
        yield storage


@asynccontextmanager
async def run_storage(
    database: Database, *, answer_seconds_max: float = WAIT_SECONDS_MAX
) -> AsyncIterator[OpenStorage]:
    """Run a journal on an open database; close both afterwards."""
    journal = GroupCommitJournal(database, answer_seconds_max=answer_seconds_max)
    listener = HeardListener()
    task = asyncio.create_task(journal.run(listener))
    try:
        yield OpenStorage(
            database=database,
            journal=journal,
            orders=StoredOrders(database, journal),
            events=StoredEvents(database),
            listener=listener,
            task=task,
        )
    finally:
        await journal.close()
        await asyncio.wait({task})
        await database.close()


def engine_of_readers(storage: OpenStorage) -> Engine:
    """Return the engine that reads an SQLite database, to listen to its statements."""
    return storage.database._readers.engine.sync_engine


def place_migrated_sqlite(path: Path) -> None:
    """Put a migrated SQLite database without rows at ``path``, unless a database is there.

    It is a copy, because a migration takes thirty times as long. The copy gets its own stream id,
    like a migrated database.
    """
    if path.exists():
        return
    shutil.copyfile(_migrated_sqlite(), path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE event_stream SET stream_id = ?", (secrets.token_hex(8),))


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


async def run_on_server(statement: str) -> None:
    """Run a statement on the PostgreSQL server, outside the databases of the tests."""
    async with server_connection(_server_url().render_as_string(hide_password=False)) as connection:
        await connection.execute(statement)


@asynccontextmanager
async def server_connection(url: str) -> AsyncIterator[Any]:
    """Connect with asyncpg alone; skip the test if there is no PostgreSQL server."""
    parts = make_url(url)
    try:
        connection = await asyncpg.connect(
            host=parts.host,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            database=parts.database,
            timeout=WAIT_SECONDS_MAX,
        )
    except OSError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL at {parts.host}:{parts.port} (TEST_POSTGRES_URL): {error}")
    try:
        yield connection
    finally:
        await connection.close()


def _server_url() -> URL:
    return make_url(
        os.environ.get("TEST_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test")
    )


def _url_of(name: str) -> str:
    return _server_url().set(database=name).render_as_string(hide_password=False)


def _bound(statement: str, values: dict[str, object]) -> TextClause:
    return text(statement).bindparams(**values)


@cache
def _migrated_sqlite() -> Path:
    """Migrate one database for this process, in a thread, because the caller's loop may run."""
    folder = Path(tempfile.mkdtemp(prefix="papertape-"))
    atexit.register(shutil.rmtree, folder)
    path = folder / "migrated.db"
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate(sqlite_url(path))).result()
    return path


async def _make_migrated_database() -> str:
    name = await _make_database()
    await migrate(_url_of(name))
    return name


async def _make_database() -> str:
    name = f"papertape_{secrets.token_hex(6)}"
    await run_on_server(f"CREATE DATABASE {name} TEMPLATE template0")
    if not _made:
        atexit.register(_drop_databases)
    _made.append(name)
    return name


def _drop_databases() -> None:
    for name in _made:
        asyncio.run(run_on_server(f"DROP DATABASE {name} WITH (FORCE)"))
