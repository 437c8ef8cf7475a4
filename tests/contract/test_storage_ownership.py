"""A database has one service and one venue, the same on SQLite and on PostgreSQL."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from app.domain.errors import JournalUnavailableError, StartupError
from app.domain.events import SymbolOutcome
from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, Side
from app.ports import StoredLedger, StoredRules
from app.storage.database import Database
from app.storage.failures import OwnershipLostError
from app.storage.schema.migrate import migrate
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order
from tests.support.databases import (
    KINDS,
    OWNER,
    VENUE,
    open_storage,
    run_storage,
    scratch_database,
    scratch_postgresql,
    server_connection,
    sqlite_url,
)
from tests.support.waiting import eventually_true

REPOSITORY = Path(__file__).parents[2]


@asynccontextmanager
async def another_service(url: str, owner: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run another service as a separate process, and kill it afterwards."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.database_holder", url, owner),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def said(running: asyncio.subprocess.Process) -> str:
    """Return the next line that a process prints."""
    assert running.stdout is not None
    return (await running.stdout.readline()).decode().strip()


@pytest.mark.parametrize("kind", KINDS)
async def test_of_services_started_at_once_on_a_new_database_one_serves(
    kind: str, tmp_path: Path
) -> None:
    """Of several services one serves, and the others name it; kill -9 leaves no lock behind."""
    async with contextlib.AsyncExitStack() as stack:
        url = sqlite_url(tmp_path / "papertape.db")
        if kind == "postgresql":
            url = await stack.enter_async_context(scratch_postgresql())
        owners = ("the first", "the second")
        services = [
            await stack.enter_async_context(another_service(url, owner)) for owner in owners
        ]

        revisions = {await said(service) for service in services}
        words = [await said(service) for service in services]

        assert revisions == {await migrate(url)}
        serving = words.index("open")
        refusal = f"in use by {owners[serving]}; stop that one"
        assert refusal in words[1 - serving]
        with pytest.raises(StartupError, match=refusal):
            await Database.open(url, venue=VENUE, owner=OWNER)

        services[serving].kill()

        await services[serving].wait()
        await eventually_true(partial(opens, url))


async def opens(url: str) -> bool:
    """Open a database; return False while its last owner still holds the lock."""
    try:
        database = await Database.open(url, venue=VENUE, owner=OWNER)
    except StartupError:
        return False
    await database.close()
    return True


async def test_a_database_keeps_to_its_venue(url: str) -> None:
    """Simulated orders never meet real quotes: the venue of the first order stays."""
    async with open_storage(url) as storage:
        await storage.journal.accept(make_order(number=1))

    with pytest.raises(StartupError, match="of the venue simulator and VENUE is binance; name"):
        await Database.open(url, venue="binance", owner=OWNER)

    async with open_storage(url) as storage:
        assert await storage.rows("SELECT venue, epoch, owner FROM service_owner") == [
            (VENUE, 2, OWNER)
        ]


async def test_a_database_without_orders_changes_its_venue(url: str) -> None:
    """A database without orders may change its venue, and starts without ledger and gates."""
    level = TakenLevel(owner=PUBLIC, side=Side.BUY, price=Decimal(100), quantity=Decimal(1))
    async with open_storage(url) as storage:
        await storage.orders.save_trading_rules(StoredRules(rules=(), fetched_at=ACCEPTED_AT))
        storage.journal.record(
            SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(level,), gate=7)
        )
        await storage.journal.settle()

    database = await Database.open(url, venue="binance", owner=OWNER)

    async with run_storage(database) as storage:
        assert await storage.rows("SELECT venue, epoch FROM service_owner") == [("binance", 2)]
        assert await storage.orders.load_trading_rules() is None
        assert await storage.orders.load_ledger(LTCBTC) == StoredLedger(gate=0, levels=())
        assert await storage.rows("SELECT * FROM taken_liquidity") == []
        await storage.journal.accept(make_order(number=1))
    with pytest.raises(StartupError, match="of the venue binance and VENUE is simulator; name"):
        await Database.open(url, venue=VENUE, owner=OWNER)


async def test_a_lost_lock_is_taken_again(tmp_path: Path) -> None:
    """After the server ended its session, the owner takes the lock again."""
    async with scratch_database("postgresql", tmp_path) as url:
        database = await Database.open(url, venue=VENUE, owner="the first")
        former = await end_lock_session(url)
        keeping = asyncio.create_task(database.keep_lock(check_seconds=0.01))

        await eventually_true(partial(is_locked_by_another_than, url, former))

        with pytest.raises(StartupError, match="in use by the first; stop that one"):
            await Database.open(url, venue=VENUE, owner="the second")
        keeping.cancel()
        await asyncio.wait({keeping})
        await database.close()
        assert keeping.cancelled()


async def test_a_service_that_lost_its_lock_stops(tmp_path: Path) -> None:
    """A service that lost its lock to another one stops: two would serve the same orders."""
    async with scratch_database("postgresql", tmp_path) as url:
        database = await Database.open(url, venue=VENUE, owner="the first")
        await end_lock_session(url)
        another = await Database.open(url, venue=VENUE, owner="the second")

        with pytest.raises(OwnershipLostError, match="taken over by the second"):
            await database.keep_lock(check_seconds=0.01)

        await another.close()
        await database.close()


async def test_a_lock_that_lasts_as_long_as_the_process_needs_no_watch(tmp_path: Path) -> None:
    """Watching a file lock returns at once, since the lock cannot be lost."""
    async with open_storage(sqlite_url(tmp_path / "papertape.db")) as storage:
        await storage.database.keep_lock()


LOCK_SESSIONS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def end_lock_session(url: str) -> int:
    """End the session that holds the owner's lock, as an administrator or a proxy may."""
    async with server_connection(url) as connection:
        pid = int(await connection.fetchval(LOCK_SESSIONS))
        await connection.execute("SELECT pg_terminate_backend($1, 300000)", pid)
        return pid


async def is_locked_by_another_than(url: str, former: int) -> bool:
    """Whether another session holds the owner's lock now."""
    async with server_connection(url) as connection:
        return await connection.fetchval(LOCK_SESSIONS) not in {None, former}


async def test_a_replaced_service_writes_no_more(url: str) -> None:
    """A journal that finds a later epoch ends, and refuses all orders it has not written."""
    async with open_storage(url) as storage:
        await storage.journal.accept(make_order(number=1))
        await storage.execute("UPDATE service_owner SET epoch = epoch + 1, owner = 'the next one'")

        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=2))

        await asyncio.wait({storage.task})
        with pytest.raises(OwnershipLostError, match="taken over by the next one"):
            storage.task.result()
        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=3))
        storage.journal.record(SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=1))
        with pytest.raises(JournalUnavailableError):
            await storage.journal.settle()
        assert not storage.journal.is_writable
        assert await storage.rows("SELECT acceptance_number FROM orders") == [(1,)]


async def test_a_database_without_its_owners_row_is_not_written(url: str) -> None:
    """A journal ends if the row of the owner was deleted under it."""
    async with open_storage(url) as storage:
        await storage.execute("DELETE FROM service_owner")

        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=1))

        await asyncio.wait({storage.task})
        assert isinstance(storage.task.exception(), OwnershipLostError)
