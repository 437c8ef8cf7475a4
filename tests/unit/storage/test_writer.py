"""The connection that writes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.storage.address import DatabaseAddress
from app.storage.writer import PostgresqlWriter, SqliteWriter, Writer
from tests.support.databases import KINDS, scratch_postgresql, server_connection, sqlite_url


@pytest.fixture(params=KINDS)
async def writer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Writer]:
    """Give a writer of each kind on a table of numbers."""
    async with AsyncExitStack() as stack:
        url = sqlite_url(tmp_path / "a.db")
        if request.param == "postgresql":
            url = await stack.enter_async_context(scratch_postgresql())
        address = DatabaseAddress.parse(url)
        writer: Writer = SqliteWriter(address) if address.path else PostgresqlWriter(address)
        await writer.transact(run("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
        yield writer
        await writer.close()


def run(*statements: str) -> Callable[[Connection], list[object]]:
    """Make some statements the work of a transaction, which returns the rows of the last one."""

    def work(connection: Connection) -> list[object]:
        *others, last = statements
        for statement in others:
            connection.exec_driver_sql(statement)
        result = connection.exec_driver_sql(last)
        return [tuple(row) for row in result] if result.returns_rows else []

    return work


async def test_a_transaction_is_done_or_undone_as_a_whole(writer: Writer) -> None:
    """What failed leaves nothing behind, and the next one passes."""
    await writer.transact(run("INSERT INTO numbers VALUES (1)"))

    with pytest.raises(DBAPIError):
        await writer.transact(
            run("INSERT INTO numbers VALUES (2)", "INSERT INTO numbers VALUES (1)")
        )

    assert await writer.transact(run("SELECT n FROM numbers")) == [(1,)]


async def test_a_canceled_transaction_leaves_the_next_one_alone(writer: Writer) -> None:
    """Whoever asked may go; the writer stays usable."""
    canceled = asyncio.create_task(writer.transact(run("INSERT INTO numbers VALUES (1)")))
    await asyncio.sleep(0)
    canceled.cancel()
    await asyncio.wait({canceled})

    await writer.transact(run("INSERT INTO numbers VALUES (2)"))

    assert (2,) in await writer.transact(run("SELECT n FROM numbers ORDER BY n"))


async def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    """The settings that durability and the constraints rest on hold on the very connection."""
    writer = SqliteWriter(DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}/a.db"))

    found = [
        await writer.transact(run(f"PRAGMA {name}"))
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    ]

    await writer.close()
    assert found == [[("wal",)], [(2,)], [(1,)], [(1000,)]]


async def test_postgresql_waits_for_the_disk_though_the_server_would_not() -> None:
    """A server that is set to answer early is told otherwise."""
    async with scratch_postgresql() as url:
        address = DatabaseAddress.parse(url)
        async with server_connection(url) as connection:
            name = address.url.database
            await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        writer = PostgresqlWriter(address)

        found = await writer.transact(run("SHOW synchronous_commit"))

        await writer.close()
    assert found == [("on",)]
