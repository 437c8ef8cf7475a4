"""While the database accepts no writes, no data is lost, doubled or invented."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.errors import DatabaseUnavailableError, JournalUnavailableError
from app.domain.events import SymbolOutcome
from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, OrderStatus, Side
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.support.databases import (
    OpenStorage,
    open_storage,
    scratch_database,
    server_connection,
    sqlite_url,
)
from tests.support.outcomes import SymbolAtWork
from tests.support.waiting import eventually, eventually_true

ORDER = make_order(8, number=1)


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Run a journal on an SQLite file."""
    async with open_storage(sqlite_url(tmp_path / "papertape.db")) as storage:
        yield storage


@pytest.fixture
async def postgresql_url(tmp_path: Path) -> AsyncIterator[str]:
    """Yield the URL of an empty PostgreSQL database."""
    async with scratch_database("postgresql", tmp_path) as url:
        yield url


@pytest.fixture
async def on_postgresql(postgresql_url: str) -> AsyncIterator[OpenStorage]:
    """Run a journal on PostgreSQL."""
    async with open_storage(postgresql_url) as storage:
        yield storage


@asynccontextmanager
async def lock_of_another_program(path: Path) -> AsyncIterator[None]:
    """Hold the write lock of an SQLite file, as ``sqlite3`` does after BEGIN IMMEDIATE."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def read_only(storage: OpenStorage) -> AsyncIterator[None]:
    """Make the present writing connection read-only, but not the next one: SQLITE_READONLY."""
    await storage.execute("PRAGMA query_only = ON")
    yield


@asynccontextmanager
async def full_disk(storage: OpenStorage) -> AsyncIterator[None]:
    """Keep the file from growing, through the writing connection: SQLITE_FULL."""
    [(pages,)] = await storage.rows("PRAGMA page_count")
    await storage.execute(f"PRAGMA max_page_count = {pages}")
    yield


@asynccontextmanager
async def file_deleted(folder: Path) -> AsyncIterator[None]:
    """Delete the file, check that no process creates a new one, and restore it."""
    (folder / "aside.db").hardlink_to(folder / "papertape.db")
    (folder / "papertape.db").unlink()
    yield
    assert not (folder / "papertape.db").exists()
    (folder / "aside.db").rename(folder / "papertape.db")


@asynccontextmanager
async def file_replaced(folder: Path) -> AsyncIterator[None]:
    """Replace the file by a copy for a while, as when a backup is restored."""
    (folder / "papertape.db").rename(folder / "aside.db")
    shutil.copy(folder / "aside.db", folder / "papertape.db")
    yield
    (folder / "aside.db").rename(folder / "papertape.db")


@asynccontextmanager
async def session_ended_in_a_transaction(url: str) -> AsyncIterator[None]:
    """Block the writer in a transaction, end its session, and block the next session too."""
    async with server_connection(url) as blocking, server_connection(url) as ending:
        transaction = blocking.transaction()
        await transaction.start()
        await blocking.execute("LOCK TABLE symbol_gates IN ACCESS EXCLUSIVE MODE")

        async def end_the_waiting_session() -> bool:
            return bool(
                await ending.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )

        ended = asyncio.create_task(eventually_true(end_the_waiting_session))
        yield
        await ended
        await transaction.rollback()


async def check_that_trouble_passes(
    storage: OpenStorage, fault: AbstractAsyncContextManager[None]
) -> None:
    """Record fills and accept orders while writes fail, then let writes succeed."""
    work = SymbolAtWork()
    await storage.journal.accept(ORDER)
    work.rest(ORDER)
    async with fault:
        accepting = asyncio.create_task(storage.journal.accept(make_order(number=2)))
        storage.journal.record(work.meet(make_quote(11, ask=("99.99", 5))))
        with pytest.raises(JournalUnavailableError):
            await accepting
        assert not storage.journal.is_writable
        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=3))
        storage.journal.record(work.meet(make_quote(12, ask=("99.5", 5))))
        assert storage.listener.heard == ["0001/1", "trouble"]

    await storage.journal.settle()

    assert storage.listener.heard == ["0001/1", "trouble", "0001/2", "recovery", "0001/3"]
    assert storage.journal.is_writable
    await storage.journal.accept(make_order(number=4))
    found = await storage.orders.find(PUBLIC, ORDER.order_id)
    assert found is not None
    assert (found.status, found.splits_total) == (OrderStatus.FILLED, 2)
    assert await storage.rows("SELECT acceptance_number FROM orders ORDER BY 1") == [(1,), (4,)]
    assert await storage.rows("SELECT count(*) FROM order_events") == [(4,)]
    state = storage.journal.state()
    assert (state.is_writable, state.waiting, state.events, state.refused_parts) == (True, 0, 4, 0)
    assert state.failures >= 1
    assert 1 <= state.commits <= 4


async def test_a_lock_of_another_program_is_waited_for(
    on_sqlite: OpenStorage, tmp_path: Path
) -> None:
    """While the file is locked, orders are refused and never executed; fills are written later."""
    await check_that_trouble_passes(on_sqlite, lock_of_another_program(tmp_path / "papertape.db"))


@pytest.mark.parametrize("fault", [file_deleted, file_replaced])
async def test_nothing_is_written_to_a_file_that_was_deleted_or_replaced(
    on_sqlite: OpenStorage,
    tmp_path: Path,
    fault: Callable[[Path], AbstractAsyncContextManager[None]],
) -> None:
    """A missing or other file gets no writes; once the file is back, fills are written."""
    await check_that_trouble_passes(on_sqlite, fault(tmp_path))


async def test_a_read_does_not_create_a_deleted_file(
    on_sqlite: OpenStorage, tmp_path: Path
) -> None:
    """A read creates no empty file, which would look like a database without orders."""
    async with file_deleted(tmp_path):
        with pytest.raises(DatabaseUnavailableError):
            await on_sqlite.orders.find(PUBLIC, ORDER.order_id)


async def test_a_session_that_ends_in_a_transaction_is_replaced(
    on_postgresql: OpenStorage, postgresql_url: str
) -> None:
    """Nothing is lost when the server ends the writer's session within a transaction."""
    await check_that_trouble_passes(on_postgresql, session_ended_in_a_transaction(postgresql_url))


@pytest.mark.parametrize("fault", [full_disk, read_only])
async def test_a_disk_that_takes_nothing_is_waited_for(
    on_sqlite: OpenStorage, fault: Callable[[OpenStorage], AbstractAsyncContextManager[None]]
) -> None:
    """An outcome that failed on a full or read-only disk is written later."""
    levels = tuple(
        TakenLevel(owner=PUBLIC, side=Side.BUY, price=Decimal(number), quantity=Decimal(1))
        for number in range(1, 5_001)
    )
    async with fault(on_sqlite):
        on_sqlite.journal.record(
            SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=levels, gate=1)
        )
        await eventually(lambda: "trouble" in on_sqlite.listener.heard)

    await on_sqlite.journal.settle()

    assert on_sqlite.listener.heard == ["trouble", "recovery"]
    assert len((await on_sqlite.orders.load_ledger(LTCBTC)).levels) == len(levels)


async def test_sessions_that_end_while_idle_are_replaced(
    on_postgresql: OpenStorage, postgresql_url: str
) -> None:
    """After a restart of the server, reads succeed at once and the journal continues."""
    work = SymbolAtWork()
    await on_postgresql.journal.accept(ORDER)
    work.rest(ORDER)
    async with server_connection(postgresql_url) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 300000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    found = await on_postgresql.orders.find(PUBLIC, ORDER.order_id)
    on_postgresql.journal.record(work.meet(make_quote(11, ask=("99.99", 8))))
    await on_postgresql.journal.settle()

    assert found is not None
    assert on_postgresql.listener.heard == ["0001/1", "trouble", "0001/2", "recovery"]


async def test_a_read_that_the_database_does_not_answer_says_so(on_sqlite: OpenStorage) -> None:
    """A failed read raises DatabaseUnavailableError and does not say that the order is unknown."""
    await on_sqlite.execute("ALTER TABLE orders RENAME TO out_of_reach")

    with pytest.raises(DatabaseUnavailableError):
        await on_sqlite.orders.find(PUBLIC, ORDER.order_id)
