"""The ways to make orders durable that ``persistence`` compares; each ends with them on disk.

All write the same rows into the same tables, with the same constraints and the same settings: the
write-ahead log, and a commit that waits for the disk.
"""

import asyncio
import functools
import gc
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import aiosqlite
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import registry
from sqlalchemy.pool import ConnectionPoolEntry

from app.domain.amounts import format_amount
from app.domain.events import SymbolOutcome, acceptance_event
from app.domain.order import Order
from app.storage.address import SQLITE_SCHEME
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.journal.rows import Part, Rows
from app.storage.schema.column_types import format_instant
from app.storage.schema.migrate import migrate
from app.storage.schema.tables import (
    fulfilled_order_splits,
    order_events,
    orders,
    symbol_gates,
    taken_liquidity,
)

FSYNCS: Final = 300
BLOCK_BYTES: Final = 4096

_Steps = list[tuple[str, list[tuple[object, ...]]]]
"""Statements in their order, each with its rows."""

_SETTINGS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")


@dataclass(slots=True)
class Cost:
    """What some work took: CPU and wall-clock seconds, and how long each piece waited."""

    total: int
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    waits_seconds: list[float] = field(default_factory=list)

    @property
    def cpu_microseconds(self) -> float:
        """CPU per piece of work."""
        return 1e6 * self.cpu_seconds / self.total

    @property
    def per_second(self) -> float:
        """Pieces of work per second of wall-clock time."""
        return self.total / self.wall_seconds

    def wait_milliseconds(self, fraction: float) -> float:
        """Return how long at most this fraction of the pieces waited."""
        waits = sorted(self.waits_seconds)
        return 1e3 * waits[min(len(waits) - 1, int(len(waits) * fraction))]


@contextmanager
def measured(total: int) -> Iterator[Cost]:
    """Measure a block; CPU is that of all threads of this process."""
    cost = Cost(total)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    yield cost
    cost.cpu_seconds = time.process_time() - cpu
    cost.wall_seconds = time.perf_counter() - wall


class Nobody:
    """A journal's listener that is told and does nothing."""

    def on_durable(self, events: object) -> None:
        """Hear of events."""

    def on_write_trouble(self) -> None:
        """Hear of trouble, with which nothing measured here means anything."""
        raise AssertionError("a write failed")

    def on_write_recovery(self) -> None:
        """Hear that it ended."""

    def on_outcome_refused(self, symbol: object) -> None:
        """Hear of our mistake."""
        raise AssertionError(symbol)


def url_of(file: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"{SQLITE_SCHEME}:///{file}"


async def with_journal(
    url: str, work: Callable[[GroupCommitJournal, Database], Awaitable[Cost]]
) -> Cost:
    """Run work on a journal that runs; the listener is ``Nobody``."""
    database = await Database.open(url, venue="bench", owner="the benchmark")
    journal = GroupCommitJournal(database)
    task = asyncio.create_task(journal.run(Nobody()))
    try:
        return await work(journal, database)
    finally:
        await journal.close()
        await task
        await database.close()


async def accept_all(
    journal: GroupCommitJournal, placed: Sequence[Order], *, in_flight: int
) -> Cost:
    """Have so many clients place one order after the other."""
    waiting = iter(placed)
    with measured(len(placed)) as cost:

        async def place() -> None:
            for order in waiting:
                began = time.perf_counter()
                await journal.accept(order)
                cost.waits_seconds.append(time.perf_counter() - began)

        async with asyncio.TaskGroup() as clients:
            for _ in range(in_flight):
                clients.create_task(place())
    return cost


async def record_all(
    journal: GroupCommitJournal, accepted: Sequence[Order], outcomes: Sequence[SymbolOutcome]
) -> Cost:
    """Record splits as fast as they can be handed over, and wait until all are durable."""
    for order in accepted:
        await journal.accept(order)
    with measured(len(outcomes)) as cost:
        for number, outcome in enumerate(outcomes, 1):
            journal.record(outcome)
            if not number % 1_000:
                await asyncio.sleep(0)
        await journal.settle()
    return cost


async def session_per_order(file: Path, placed: Sequence[Order]) -> Cost:
    """Add an order and its event to a session of SQLAlchemy, and commit, one after the other."""
    await migrate(url_of(file))
    engine = create_async_engine(url_of(file))
    _configure(engine.sync_engine)
    order_class, event_class = _mapped()
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    rows = [Rows([part]) for part in acceptances_of(placed)]
    with measured(len(rows)) as cost:
        for one in rows:
            began = time.perf_counter()
            async with session_of() as session:
                session.add(order_class(**one.orders[0]))
                await session.flush()
                session.add(event_class(**one.events[0]))
                await session.commit()
            cost.waits_seconds.append(time.perf_counter() - began)
    await engine.dispose()
    return cost


async def aiosqlite_per_order(file: Path, placed: Sequence[Order]) -> Cost:
    """Insert an order and its event through aiosqlite, and commit, one after the other."""
    await migrate(url_of(file))
    steps = [_statements(Rows([part])) for part in acceptances_of(placed)]
    async with aiosqlite.connect(file) as connection:
        for setting in _SETTINGS:
            await connection.execute(f"PRAGMA {setting}")
        with measured(len(steps)) as cost:
            for step in steps:
                began = time.perf_counter()
                for sql, rows in step:
                    await connection.execute(sql, rows[0])
                await connection.commit()
                cost.waits_seconds.append(time.perf_counter() - began)
    return cost


def sqlite3_in_groups(
    file: Path, parts: Sequence[Part], *, group: int, total: int, before: Sequence[Part] = ()
) -> Cost:
    """Write groups with ``executemany`` in this very thread: rows that are ready, and no more.

    ``before`` is written first and not counted; ``total`` is how many orders or splits are.
    """
    asyncio.run(migrate(url_of(file)))
    groups = [
        _statements(Rows(parts[start : start + group])) for start in range(0, len(parts), group)
    ]
    connection = sqlite3.connect(file, isolation_level=None)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}").fetchall()
    if before:
        _write(connection, _statements(Rows(before)))
    with measured(total) as cost:
        for steps in groups:
            _write(connection, steps)
    connection.close()
    return cost


def _write(connection: sqlite3.Connection, steps: _Steps) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for sql, rows in steps:
        connection.executemany(sql, rows)
    connection.execute("COMMIT")


def fsync_waits(folder: Path) -> Cost:
    """Write a block of a file and wait for the disk, again and again."""
    file = os.open(folder / "fsync", os.O_RDWR | os.O_CREAT)
    block = b"\1" * BLOCK_BYTES
    os.pwrite(file, block * 64, 0)
    os.fsync(file)
    with measured(FSYNCS) as cost:
        for number in range(FSYNCS):
            began = time.perf_counter()
            os.pwrite(file, block, number % 64 * BLOCK_BYTES)
            os.fdatasync(file)
            cost.waits_seconds.append(time.perf_counter() - began)
    os.close(file)
    return cost


def acceptances_of(listed: Sequence[Order]) -> list[Part]:
    """Return what the journal makes of orders."""
    return [
        Part(content=order, events=(acceptance_event(order),), position=position)
        for position, order in enumerate(listed, 1)
    ]


def parts_of(outcomes: Sequence[SymbolOutcome], *, first_position: int) -> list[Part]:
    """Return what the journal makes of outcomes of one event each."""
    return [
        Part(content=one, events=one.events, position=position)
        for position, one in enumerate(outcomes, first_position)
    ]


def _statements(rows: Rows) -> _Steps:
    """Return plain statements for the rows, with the values as SQLite stores them."""
    steps = (
        (orders, "OR ABORT", rows.orders),
        (fulfilled_order_splits, "OR ABORT", rows.splits),
        (order_events, "OR ABORT", rows.events),
        (symbol_gates, "OR REPLACE", list(rows.gates.values())),
        (taken_liquidity, "OR REPLACE", list(rows.taken.values())),
    )
    return [
        (
            _insert(how, table.name, listed[0]),
            [tuple(_stored(value) for value in row.values()) for row in listed],
        )
        for table, how, listed in steps
        if listed
    ]


def _insert(how: str, table: str, columns: Collection[str]) -> str:
    places = ", ".join("?" for _ in columns)
    return f"INSERT {how} INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - ours


def _stored(value: object) -> object:
    if isinstance(value, Decimal):
        return format_amount(value)
    return format_instant(value) if isinstance(value, datetime) else value


def _configure(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for setting in _SETTINGS:
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()


class _StoredOrder:
    """A class for the ORM to map."""


class _StoredEvent:
    """Another one."""


@functools.cache
def _mapped() -> tuple[type[_StoredOrder], type[_StoredEvent]]:
    mapper = registry()
    mapper.map_imperatively(_StoredOrder, orders)
    mapper.map_imperatively(_StoredEvent, order_events)
    return _StoredOrder, _StoredEvent
