"""What it costs to make orders and splits durable, and to read orders back.

The journal commits in groups whatever is there while the commit before it runs. Beside it, on the
same disk and with the same tables, constraints and settings (write-ahead log, a commit waits for
the disk): a session of SQLAlchemy per order, a commit per order through aiosqlite, and as the floor
ready rows through sqlite3's ``executemany`` in groups, with nobody to tell and nothing to convert.
CPU is that of the whole process, all threads; a database server's own is not in it. The clients are
coroutines of the same process: what they cost is in the figures.

    python -m bench.persistence
"""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from app.domain.events import SymbolOutcome
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Order, OrderId, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.fulfillment.outcome import step_events
from app.ports import OrderQuery
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders
from bench.persistence_ways import (
    Cost,
    accept_all,
    acceptances_of,
    aiosqlite_per_order,
    fsync_waits,
    measured,
    parts_of,
    record_all,
    session_per_order,
    sqlite3_in_groups,
    url_of,
    with_journal,
)
from bench.report import Figure, Result, Section, Table, amount, main, tell

POSTGRESQL: Final = os.environ.get(
    "BENCH_POSTGRES_URL", "postgresql+asyncpg://postgres@127.0.0.1:5432/test"
)
"""The server beside which another database is made for the time of the benchmark."""

SYMBOL: Final = Symbol("LTCBTC")
AT: Final = datetime(2026, 11, 25, tzinfo=UTC)
ROUNDS: Final = 2
"""Of each way the round with least CPU counts: whatever disturbs it makes it slower."""

IN_FLIGHT: Final = {1: 300, 64: 5_000, 1_000: 10_000}
"""Clients that each place one order after the other, and how many orders in all."""

SINGLY: Final = 300
"""Orders that are committed one by one."""

SPLITS_PER_ORDER: Final = 177
"""Splits of an order of 20 times the displayed size, as seen on a real tape."""

ORDERS_WITH_SPLITS: Final = 30
READS: Final = 500
READ_PAGE: Final = 20
SESSIONS_GOAL: Final = 6.0


def make_orders(total: int, *, quantity: int = 1) -> list[Order]:
    """Make buy orders whose ids rise as those of a service do."""
    return [
        Order(
            order_id=OrderId(f"019ac000-0000-7000-8000-{number:012d}"),
            acceptance_number=number,
            owner=PUBLIC,
            client_order_id=None,
            symbol=SYMBOL,
            side=Side.BUY,
            time_in_force=TimeInForce.GTD,
            quantity=Decimal(quantity),
            limit_price=Decimal("100.25"),
            accepted_at=AT + timedelta(microseconds=number),
            expires_at=AT + timedelta(seconds=60),
        )
        for number in range(1, total + 1)
    ]


def make_outcomes(placed: Sequence[Order]) -> list[SymbolOutcome]:
    """Fill the orders one after the other, each by as many quotes as its quantity."""
    matcher = SymbolMatcher(SYMBOL)
    outcomes = []
    update_ids = count(1)
    for order in placed:
        matcher.rest(order, deadline_ns=2**62)
        for _ in range(int(order.quantity)):
            update_id = next(update_ids)
            steps = matcher.apply_quote(_quote(update_id))
            outcomes.append(
                SymbolOutcome(
                    symbol=SYMBOL,
                    events=tuple(step_events(steps, AT + timedelta(seconds=1))),
                    ledger_changes=tuple(matcher.drain_ledger_changes()),
                    gate=matcher.gate,
                )
            )
    assert all(len(one.events) == 1 for one in outcomes), "one split per quote"
    return outcomes


def _quote(update_id: int) -> Quote:
    """Make a quote that shows one unit more than the one before it, at the same price."""
    return Quote(
        symbol=SYMBOL,
        update_id=update_id,
        bid_price=Decimal("99.00"),
        bid_quantity=Decimal(1),
        ask_price=Decimal("100.00"),
        ask_quantity=Decimal(update_id),
        received_ns=update_id,
    )


def measure() -> Section:
    """Measure orders, splits and reads, round by round, so that all are disturbed alike."""
    costs: dict[str, list[Cost]] = {}
    for number in range(1, ROUNDS + 1):
        tell(f"round {number} of {ROUNDS}")
        for name, cost in _round().items():
            costs.setdefault(name, []).append(cost)
    best = {name: min(some, key=lambda one: one.cpu_seconds) for name, some in costs.items()}
    server = asyncio.run(_postgresql())
    return Section(
        name="persistence",
        title="Persistence",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(_orders_result(best), _splits_result(best), _reads_result(best)),
        tables=(_orders_table({**best, **server}, costs), _reads_table(best)),
    )


def _round() -> dict[str, Cost]:
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs["disk"] = fsync_waits(folder)
        singly, many = make_orders(SINGLY), make_orders(max(IN_FLIGHT.values()))
        costs["session"] = asyncio.run(session_per_order(folder / "session.db", singly))
        costs["aiosqlite"] = asyncio.run(aiosqlite_per_order(folder / "aiosqlite.db", singly))
        for group, total in IN_FLIGHT.items():
            parts = acceptances_of(many[:total])
            file = folder / f"raw {group}.db"
            costs[f"raw {group}"] = sqlite3_in_groups(file, parts, group=group, total=total)
            costs[f"ours {group}"] = asyncio.run(
                _accept(url_of(folder / f"ours {group}.db"), many[:total], group)
            )
        costs |= _split_costs(folder)
        costs |= asyncio.run(_read_costs(folder / "ours 64.db"))
    return costs


async def _accept(url: str, placed: Sequence[Order], in_flight: int) -> Cost:
    async def work(journal: GroupCommitJournal, _: Database) -> Cost:
        return await accept_all(journal, placed, in_flight=in_flight)

    return await with_journal(url, work)


def _split_costs(folder: Path) -> dict[str, Cost]:
    placed = make_orders(ORDERS_WITH_SPLITS, quantity=SPLITS_PER_ORDER)
    outcomes = make_outcomes(placed)

    async def work(journal: GroupCommitJournal, _: Database) -> Cost:
        return await record_all(journal, placed, outcomes)

    ours = asyncio.run(with_journal(url_of(folder / "splits.db"), work))
    # The raw rows stand after those of the acceptances, which are written first and not counted.
    parts = parts_of(outcomes, first_position=len(placed) + 1)
    raw = sqlite3_in_groups(
        folder / "raw splits.db",
        parts,
        before=acceptances_of(placed),
        group=5_000,
        total=len(outcomes),
    )
    return {"splits": ours, "raw splits": raw}


async def _read_costs(file: Path) -> dict[str, Cost]:
    ids = [order.order_id for order in make_orders(READS)]
    page = OrderQuery(
        owner=PUBLIC, symbol=None, status=None, client_order_id=None, before=None, limit=READ_PAGE
    )

    async def find(_: GroupCommitJournal, database: Database) -> Cost:
        stored = StoredOrders(database, _)
        with measured(READS) as cost:
            for order_id in ids:
                assert await stored.find(PUBLIC, order_id)
        return cost

    async def list_page(_: GroupCommitJournal, database: Database) -> Cost:
        stored = StoredOrders(database, _)
        with measured(READS) as cost:
            for _number in range(READS):
                assert len(await stored.list_orders(page)) == READ_PAGE
        return cost

    costs = {
        "find": await with_journal(url_of(file), find),
        "page": await with_journal(url_of(file), list_page),
    }
    connection = sqlite3.connect(file)
    one = "SELECT * FROM orders WHERE order_id = ? AND owner = ?"
    newest = "SELECT * FROM orders WHERE owner = ? ORDER BY acceptance_number DESC LIMIT ?"
    with measured(READS) as costs["raw find"]:
        for order_id in ids:
            connection.execute(one, (order_id, PUBLIC)).fetchall()
    with measured(READS) as costs["raw page"]:
        for _number in range(READS):
            connection.execute(newest, (PUBLIC, READ_PAGE)).fetchall()
    connection.close()
    return costs


async def _postgresql() -> dict[str, Cost]:
    """Measure on a database of its own; nothing if there is no server."""
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types

    server = make_url(POSTGRESQL)
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"papertape_bench_{os.getpid()}"
    try:
        connection = await asyncpg.connect(plain, timeout=5)
    except (OSError, asyncpg.PostgresError) as error:
        tell(f"PostgreSQL is left out: {error}")
        return {}
    costs: dict[str, Cost] = {}
    try:
        for in_flight, total in IN_FLIGHT.items():
            await connection.execute(f"CREATE DATABASE {name}")
            url = server.set(database=name).render_as_string(hide_password=False)
            costs[f"PostgreSQL {in_flight}"] = await _accept(
                url, make_orders(total // 2), in_flight
            )
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.close()
    return costs


def _orders_result(costs: dict[str, Cost]) -> Result:
    ours, session = costs["ours 64"], costs["session"]
    ratio = ours.per_second / session.per_second
    return Result(
        what="Durable orders, 64 in flight",
        ours=Figure(of="the journal", value=ours.per_second, unit="orders/s"),
        beside=(
            Figure(of="a session per order", value=session.per_second, unit="orders/s"),
            Figure(
                of="a commit per order, aiosqlite",
                value=costs["aiosqlite"].per_second,
                unit="orders/s",
            ),
            Figure(of="ready rows in groups", value=costs["raw 64"].per_second, unit="orders/s"),
        ),
        ratio=ratio,
        ratio_of="of a session per order",
        goal=f"at least {SESSIONS_GOAL:.0f}x",
        holds=ratio >= SESSIONS_GOAL,
        note=(
            f"The disk takes {costs['disk'].wait_milliseconds(0.5):.2f} ms to make 4 KiB durable "
            f"(99 of 100 within {costs['disk'].wait_milliseconds(0.99):.2f} ms)."
        ),
    )


def _splits_result(costs: dict[str, Cost]) -> Result:
    ours, raw = costs["splits"], costs["raw splits"]
    return Result(
        what=f"Durable splits, orders of {SPLITS_PER_ORDER} each",
        ours=Figure(of="the journal", value=ours.cpu_microseconds, unit="µs of CPU per split"),
        beside=(
            Figure(
                of="ready rows in groups of 5,000",
                value=raw.cpu_microseconds,
                unit="µs of CPU per split",
            ),
            Figure(of="the journal", value=ours.per_second, unit="splits/s"),
            Figure(of="ready rows", value=raw.per_second, unit="splits/s"),
        ),
        ratio=ours.cpu_microseconds / raw.cpu_microseconds,
        ratio_of="of ready rows",
    )


def _reads_result(costs: dict[str, Cost]) -> Result:
    ours, raw = costs["find"], costs["raw find"]
    return Result(
        what="Reading one order",
        ours=Figure(of="the reader", value=ours.cpu_microseconds, unit="µs of CPU"),
        beside=(Figure(of="sqlite3 in this thread", value=raw.cpu_microseconds, unit="µs of CPU"),),
        ratio=ours.cpu_microseconds / raw.cpu_microseconds,
        ratio_of="of sqlite3, which only fetches",
        note="Ours goes to a thread and back, and makes an order of the row.",
    )


def _orders_table(costs: dict[str, Cost], rounds: dict[str, list[Cost]]) -> Table:
    names = {
        "session": "SQLAlchemy session per order, one by one",
        "aiosqlite": "aiosqlite commit per order, one by one",
        **{f"raw {group}": f"sqlite3, ready rows in groups of {group:,}" for group in IN_FLIGHT},
        **{f"ours {number}": f"the journal, {number:,} in flight" for number in IN_FLIGHT},
        **{f"PostgreSQL {n}": f"the journal on PostgreSQL, {n:,} in flight" for n in IN_FLIGHT},
    }
    rows = []
    for name, title in names.items():
        if name not in costs:
            continue
        cost = costs[name]
        some = rounds.get(name, [cost])
        rows.append(
            (
                title,
                amount(cost.cpu_microseconds),
                amount(cost.per_second),
                *(_least_wait(some, fraction) for fraction in (0.5, 0.99)),
            )
        )
    is_left_out = not any(name.startswith("PostgreSQL") for name in costs)
    return Table(
        title="Durable orders",
        headings=("how", "µs of CPU per order", "orders/s", "p50, ms", "p99, ms"),
        rows=tuple(rows),
        note="There is no PostgreSQL server here; it is left out." if is_left_out else "",
    )


def _least_wait(rounds: Sequence[Cost], fraction: float) -> str:
    """Return the least of what this fraction waited, in milliseconds."""
    if not rounds[0].waits_seconds:
        return "-"
    return amount(min(cost.wait_milliseconds(fraction) for cost in rounds))


def _reads_table(costs: dict[str, Cost]) -> Table:
    names = {
        "find": "one order",
        "raw find": "one order, sqlite3 in this thread",
        "page": f"a page of {READ_PAGE}",
        "raw page": f"a page of {READ_PAGE}, sqlite3 in this thread",
    }
    return Table(
        title="Reads from SQLite, one after the other",
        headings=("what", "µs of CPU", "reads/s"),
        rows=tuple(
            (title, amount(costs[name].cpu_microseconds), amount(costs[name].per_second))
            for name, title in names.items()
        ),
    )


if __name__ == "__main__":
    main(measure)
