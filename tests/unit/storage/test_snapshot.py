"""A snapshot of a database, read beside the service."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.domain.errors import StartupError
from app.storage.schema.migrate import migrate
from app.storage.snapshot import address_of, read_snapshot
from tests.support.builders import make_order
from tests.support.databases import (
    KINDS,
    open_storage,
    scratch_database,
    sqlite_url,
)

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def orders_in(connection: Connection) -> int:
    """Count the orders."""
    return connection.scalar(text("SELECT count(*) FROM orders")) or 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_stays_as_it_was_begun(kind: str, tmp_path: Path) -> None:
    """A snapshot does not see later commits, and no writer waits for it."""
    async with scratch_database(kind, tmp_path) as url, open_storage(url) as storage:
        await storage.journal.accept(make_order(number=1))
        is_begun = asyncio.Event()
        counted: list[int] = []
        more = 0

        def count_until_there_are_more(connection: Connection) -> None:
            counted.append(orders_in(connection))
            is_begun.set()
            while not more:  # each statement lets the test continue
                counted.append(orders_in(connection))
            counted.append(orders_in(connection))

        reading = asyncio.create_task(read_snapshot(address_of(url), count_until_there_are_more))
        await is_begun.wait()
        await storage.journal.accept(make_order(number=2))
        more = 1
        await reading

        assert set(counted) == {1}
        assert await read_snapshot(address_of(url), orders_in) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_takes_no_writes(kind: str, tmp_path: Path) -> None:
    """A write in a snapshot is refused."""

    def write(connection: Connection) -> None:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            connection.execute(text("DELETE FROM orders"))

    async with scratch_database(kind, tmp_path) as url:
        await migrate(url)
        await read_snapshot(address_of(url), write)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_canceled_read_interrupts_its_statement(kind: str, tmp_path: Path) -> None:
    """Cancellation, as by Ctrl-C, ends a statement that would never return."""
    endless = ENDLESS if kind == "sqlite" else "SELECT pg_sleep(3600)"
    has_begun = asyncio.Event()

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        has_begun.set()
        connection.execute(text(endless))

    async with scratch_database(kind, tmp_path) as url:
        await migrate(url)
        reading = asyncio.create_task(read_snapshot(address_of(url), work))
        await has_begun.wait()
        await asyncio.sleep(0.05)
        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await reading


def test_a_database_is_named_by_url_or_path(tmp_path: Path) -> None:
    """A path may contain any characters, also those with a meaning in a URL."""
    path = tmp_path / "50% of it? #1.db"
    path.touch()

    assert address_of(str(path)).path == path
    assert str(address_of(str(path))) == str(path)
    assert address_of("postgresql+asyncpg://me@there/orders").path is None
    with pytest.raises(StartupError, match="begins with mysql, which is not supported"):
        address_of("mysql://there/orders")


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """A path that is not a file is refused."""
    with pytest.raises(StartupError, match="there is no database"):
        address_of(str(tmp_path))


async def test_a_server_that_is_not_there_is_named() -> None:
    """The message names host and port, without the password."""
    address = address_of("postgresql+asyncpg://postgres:secret@127.0.0.1:1/papertape")

    with pytest.raises(StartupError, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be reached"):
        await read_snapshot(address, orders_in)


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """The message names a file that disappears between the check and the read."""
    path = tmp_path / "a.db"
    path.touch()
    address = address_of(sqlite_url(path))
    path.unlink()

    with pytest.raises(StartupError, match=r"a\.db cannot be read; check the permissions"):
        await read_snapshot(address, orders_in)
