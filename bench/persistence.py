"""The cost to make orders durable.

The journal commits in groups all entries that gathered while the commit before ran. Two other ways
use the same disk, tables, constraints and settings (write-ahead log, a commit waits for the disk):
a session of SQLAlchemy per order, and as the floor ready rows through sqlite3's ``executemany`` in
groups, without listeners and without conversions. CPU includes all threads of the process. The
clients are coroutines of the same process, so the figures include their cost.

    python -m bench.persistence
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.domain.amounts import format_amount
from app.domain.events import acceptance_event
from app.domain.order import Order, Symbol
from app.storage.address import SQLITE_SCHEME
from app.storage.journal.rows import Part, Rows
from app.storage.schema.column_types import format_instant
from app.storage.schema.migrate import migrate
from app.storage.schema.tables import (
    order_events,
    orders,
)
from bench.harness.measuring import Cost, measured, sync_seconds
from bench.harness.orders import ACCEPTED_AT, buy_order
from bench.harness.report import Result, Section, Table, amount, compared, main, method_of, tell
from bench.harness.service_parts import running_journal

ROUNDS: Final = 2
"""Of each way the round with the least CPU counts: a disturbance makes a round dearer."""

IN_FLIGHT: Final = {1: 300, 64: 5_000, 1_000: 10_000}
"""Clients that each place one order after the other, and how many orders in all."""

GROUP: Final = 64
SINGLY: Final = 300
"""Orders that are committed one by one."""

SESSIONS_MIN: Final = 6.0

SYMBOL: Final = Symbol("LTCBTC")
_LIFETIME: Final = timedelta(seconds=60)
_SETTINGS: Final = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")

_Statements = list[tuple[str, list[tuple[object, ...]]]]
"""Statements in their order, each with its rows."""


def measure() -> Section:
    """Measure all ways, round by round, so that a disturbance meets all of them."""
    costs: dict[str, list[Cost]] = {}
    for number in range(1, ROUNDS + 1):
        tell(f"round {number} of {ROUNDS}")
        for name, cost in _round().items():
            costs.setdefault(name, []).append(cost)
    best = {name: min(some, key=lambda one: one.cpu_seconds) for name, some in costs.items()}
    with tempfile.TemporaryDirectory() as folder:
        sync = sync_seconds(Path(folder))
    return Section(
        name="persistence",
        title="Persistence",
        method=method_of(__doc__),
        results=(_orders_result(best, sync),),
        tables=(_orders_table(best),),
    )


def _round() -> dict[str, Cost]:
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        singly, many = make_orders(SINGLY), make_orders(max(IN_FLIGHT.values()))
        costs["session"] = asyncio.run(session_per_order(folder / "session.db", singly))
        some = many[: IN_FLIGHT[GROUP]]
        costs["raw"] = sqlite3_in_groups(folder / "raw.db", some, group=GROUP)
        for in_flight, total in IN_FLIGHT.items():
            url = url_of(folder / f"{in_flight}.db")
            costs[f"ours {in_flight}"] = asyncio.run(
                journal_accepts(url, many[:total], in_flight=in_flight)
            )
    return costs


def _orders_result(costs: dict[str, Cost], sync: float) -> Result:
    ours, session = costs[f"ours {GROUP}"], costs["session"]
    return compared(
        f"Durable orders, {GROUP} in flight",
        "orders/s",
        {
            "the journal": ours.per_second,
            "a session per order": session.per_second,
            "ready rows in groups": costs["raw"].per_second,
        },
        ratio=ours.per_second / session.per_second,
        ratio_of="a session per order",
        at_least=SESSIONS_MIN,
        note=f"The disk takes {1e3 * sync:.2f} ms to make a page durable.",
    )


def _orders_table(costs: dict[str, Cost]) -> Table:
    names = {
        "session": "SQLAlchemy session per order, one by one",
        "raw": f"sqlite3, ready rows in groups of {GROUP}",
        **{f"ours {number}": f"the journal, {number:,} in flight" for number in IN_FLIGHT},
    }
    return Table(
        title="Durable orders",
        headings=("how", "µs of CPU per order", "orders/s", "p50, ms", "p99, ms"),
        rows=tuple(
            (
                title,
                amount(costs[name].cpu_microseconds),
                amount(costs[name].per_second),
                *(_wait(costs[name], share) for share in (0.5, 0.99)),
            )
            for name, title in names.items()
        ),
    )


def _wait(cost: Cost, share: float) -> str:
    return amount(cost.wait_milliseconds(share)) if cost.waits_seconds else "-"


def make_orders(total: int) -> list[Order]:
    """Make orders, each a microsecond after the one before."""
    return [
        buy_order(
            number,
            symbol=SYMBOL,
            limit_price=Decimal("100.25"),
            accepted_at=ACCEPTED_AT + timedelta(microseconds=number),
            expires_at=ACCEPTED_AT + _LIFETIME,
        )
        for number in range(1, total + 1)
    ]


def url_of(file: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"{SQLITE_SCHEME}:///{file}"


async def journal_accepts(url: str, placed: Sequence[Order], *, in_flight: int) -> Cost:
    """Let ``in_flight`` clients place one order after the other in the journal."""
    waiting = iter(placed)
    async with running_journal(url) as journal:
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


async def session_per_order(file: Path, placed: Sequence[Order]) -> Cost:
    """Insert an order and its event in a session of SQLAlchemy, and commit, one after the other."""
    await migrate(url_of(file))
    engine = create_async_engine(url_of(file))
    _configure(engine.sync_engine)
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    rows = [Rows([part]) for part in acceptances_of(placed)]
    with measured(len(rows)) as cost:
        for one in rows:
            began = time.perf_counter()
            async with session_of() as session:
                await session.execute(orders.insert(), one.orders)
                await session.execute(order_events.insert(), one.events)
                await session.commit()
            cost.waits_seconds.append(time.perf_counter() - began)
    await engine.dispose()
    return cost


def sqlite3_in_groups(file: Path, placed: Sequence[Order], *, group: int) -> Cost:
    """Write ready rows of orders in groups with ``executemany``, in this thread."""
    asyncio.run(migrate(url_of(file)))
    parts = acceptances_of(placed)
    groups = [
        _statements(Rows(parts[start : start + group])) for start in range(0, len(parts), group)
    ]
    connection = sqlite3.connect(file, isolation_level=None)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}").fetchall()
    with measured(len(parts)) as cost:
        for statements in groups:
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in statements:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
    connection.close()
    return cost


def acceptances_of(listed: Sequence[Order]) -> list[Part]:
    """Return the journal's entries of accepted orders."""
    return [
        Part(content=order, events=(acceptance_event(order),), position=position)
        for position, order in enumerate(listed, 1)
    ]


def _statements(rows: Rows) -> _Statements:
    """Return plain statements for the rows, with the values as SQLite stores them."""
    return [
        (
            _insert(table.name, listed[0]),
            [tuple(_stored(value) for value in row.values()) for row in listed],
        )
        for table, listed in ((orders, rows.orders), (order_events, rows.events))
    ]


def _insert(table: str, columns: Collection[str]) -> str:
    places = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - ours


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


if __name__ == "__main__":
    main(measure)
