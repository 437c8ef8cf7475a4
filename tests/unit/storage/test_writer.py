"""The connection that writes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError

from app.storage.address import SQLITE_SCHEME, DatabaseAddress
from app.storage.writer import FileReplacedError, PostgresqlWriter, SqliteWriter, Writer
from tests.support.databases import KINDS, scratch_postgresql, server_connection, sqlite_url


@pytest.fixture(params=KINDS)
async def writer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Writer]:
    """Give a writer of each kind on a table of numbers."""
    async with AsyncExitStack() as stack:
        (tmp_path / "a.db").touch()
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


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return [path.name for path in folder.iterdir()]


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
    (tmp_path / "a.db").touch()
    writer = SqliteWriter(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))

    found = [
        await writer.transact(run(f"PRAGMA {name}"))
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    ]

    await writer.close()
    assert found == [[("wal",)], [(2,)], [(1,)], [(1000,)]]


@pytest.mark.parametrize("name", ["two words.db", "100%.db", "a%20b.db", "#1?mode=ro"])
async def test_a_file_is_written_under_its_very_name(tmp_path: Path, name: str) -> None:
    """SQLite gets the name as a URI, where some characters mean something else."""
    (tmp_path / name).touch()
    url = URL.create(SQLITE_SCHEME, database=str(tmp_path / name))
    writer = SqliteWriter(DatabaseAddress(url=url, path=tmp_path / name))

    await writer.transact(run("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))

    await writer.close()
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).stat().st_size > 0


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Only a migration begins a database."""
    writer = SqliteWriter(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))

    with pytest.raises(DBAPIError, match="unable to open database file"):
        await writer.transact(run("SELECT 1"))

    await writer.close()
    assert names_in(tmp_path) == []


async def test_a_file_that_appears_later_is_another_one(tmp_path: Path) -> None:
    """Whatever it is, it is not what was opened."""
    writer = SqliteWriter(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))
    (tmp_path / "a.db").touch()

    with pytest.raises(FileReplacedError, match=r"a\.db was deleted or replaced; put"):
        await writer.transact(run("SELECT 1"))

    await writer.close()


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
