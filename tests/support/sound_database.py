"""A database with sound orders of every kind, closed and open."""

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from app.domain.order import Order, Owner, Side, Symbol, TimeInForce
from app.storage.schema.tables import METADATA
from tests.support.builders import ACCEPTED_AT, make_order, make_quote
from tests.support.databases import (
    OpenStorage,
    open_storage,
    scratch_database,
    server_connection,
    sqlite_url,
)
from tests.support.outcomes import TICK, SymbolAtWork

ETHBTC: Final = Symbol("ETHBTC")
BNBBTC: Final = Symbol("BNBBTC")
ALICE: Final = Owner("alice")

FILLED: Final = 1
EXPIRED_PARTLY: Final = 2
ANOTHER_OWNERS: Final = 3
EXPIRED_EMPTY: Final = 4
FILL_OR_KILL: Final = 5
CANCELED: Final = 6
OPEN: Final = 7
NEW: Final = 8

ORDERS_TOTAL: Final = 8

_rows: Final[dict[str, Sequence[tuple[Any, ...]]]] = {}
"""The rows of the first sound PostgreSQL database, by table."""


def id_of(number: int) -> str:
    """Return the id of one of the orders named above."""
    return make_order(number=number).order_id


@asynccontextmanager
async def sound_database(kind: str, folder: Path, template: Path) -> AsyncIterator[str]:
    """Yield the URL of a database with the orders named above.

    Only the first database of each kind is filled by ``fill_soundly``, which is slow; the others
    are copies. ``template`` is the path of the SQLite file to copy, which is created once.
    """
    if kind == "sqlite":
        if not template.exists():  # noqa: ASYNC240 - a local file
            await fill_soundly(sqlite_url(template))
        path = folder / "papertape.db"
        shutil.copyfile(template, path)
        yield sqlite_url(path)
        return
    async with scratch_database(kind, folder) as url:
        if _rows:
            await _copy_rows(url)
        else:
            await fill_soundly(url)
            async with server_connection(url) as connection:
                for table in METADATA.tables.values():
                    _rows[table.name] = await connection.fetch(f"SELECT * FROM {table.name}")  # noqa: S608 - a name of ours
        yield url


async def _copy_rows(url: str) -> None:
    async with server_connection(url) as connection, connection.transaction():
        # All rows together are sound, so foreign keys need no check after each table.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM event_stream")
        for name, rows in _rows.items():
            await connection.copy_records_to_table(name, records=rows)


async def fill_soundly(url: str) -> None:
    """Store the orders named above in an empty database with the real matcher and journal.

    The first four meet LTCBTC, where 99.99 x 5 is asked (quote 11), then 99.5 x 4 (quote 12), and
    99.2 x 6 is bid.
    """
    async with open_storage(url) as storage:
        work = SymbolAtWork()
        resting = [
            make_order(8, number=FILLED),
            make_order(20, number=EXPIRED_PARTLY, limit_price="99.9", timeout_seconds=1),
            replace(
                make_order(5, number=ANOTHER_OWNERS, side=Side.SELL, limit_price=99, owner=ALICE),
                client_order_id="mine-1",
            ),
            make_order(5, number=EXPIRED_EMPTY, limit_price=50, timeout_seconds=1),
        ]
        await _accept(storage, *resting)
        for order in resting:
            storage.journal.record(work.rest(order))
        for quote in (
            make_quote(11, ask=("99.99", 5), bid=("99.2", 6)),
            make_quote(12, ask=("99.5", 4), bid=("99.2", 6)),
        ):
            storage.journal.record(work.meet(quote))
        storage.journal.record(work.expire())

        await _fill_or_kill(storage)
        canceled = make_order(3, number=CANCELED, symbol=ETHBTC, limit_price=1)
        await _accept(storage, canceled)
        ether = SymbolAtWork(ETHBTC, since=ACCEPTED_AT + timedelta(seconds=2) - 2 * TICK)
        storage.journal.record(ether.rest(canceled))
        storage.journal.record(ether.cancel(canceled))

        await _leave_open(storage)
        await storage.journal.settle()
        assert storage.listener.transactions, "the journal wrote"
        assert not [word for word in storage.listener.heard if word.startswith(("refused", "tr"))]


async def _accept(storage: OpenStorage, *orders: Order) -> None:
    for order in orders:
        await storage.journal.accept(order)


async def _fill_or_kill(storage: OpenStorage) -> None:
    """Fill a FOK order completely with the first quote."""
    work = SymbolAtWork(BNBBTC)
    order = replace(
        make_order("0.5", number=FILL_OR_KILL, symbol=BNBBTC), time_in_force=TimeInForce.FOK
    )
    await _accept(storage, order)
    storage.journal.record(work.rest(order))
    storage.journal.record(work.meet(make_quote(31, symbol=BNBBTC)))


async def _leave_open(storage: OpenStorage) -> None:
    """Leave one partly filled order and one new order open."""
    work = SymbolAtWork(ETHBTC)
    partly = make_order(10, number=OPEN, symbol=ETHBTC, limit_price="0.04")
    await _accept(storage, partly, make_order(1, number=NEW, symbol=ETHBTC, limit_price="0.01"))
    storage.journal.record(work.rest(partly))
    storage.journal.record(
        work.meet(make_quote(21, symbol=ETHBTC, ask=("0.03", "2.5"), bid=("0.02", 1)))
    )


@asynccontextmanager
async def filling(storage: OpenStorage) -> AsyncIterator[asyncio.Event]:
    """Accept and fill orders meanwhile; each acceptance sets the event."""
    work = SymbolAtWork()
    has_accepted = asyncio.Event()
    is_over = False

    async def fill() -> None:
        for number in itertools.count(1):
            order = make_order(1, number=number)
            await storage.journal.accept(order)
            has_accepted.set()
            storage.journal.record(work.rest(order))
            storage.journal.record(work.meet(make_quote(number, ask=(number % 90 + 1, 2))))
            if is_over:
                return

    async with asyncio.TaskGroup() as group:
        task = group.create_task(fill())
        yield has_accepted
        assert not task.done()
        is_over = True


def damage_table(path: Path, name: str) -> None:
    """Overwrite the first page of a table in a closed SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        statement = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(statement, (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
