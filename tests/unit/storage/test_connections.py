"""The writing connection and the reading connections."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.util import await_only

from app.storage import connections
from app.storage.address import SQLITE_SCHEME, DatabaseAddress
from app.storage.connections import LOG_BYTES_MAX, READERS_MAX, FileReplacedError, Readers, Writer
from tests.support.databases import KINDS, scratch_postgresql, server_connection, sqlite_url
from tests.support.waiting import eventually


@pytest.fixture(params=KINDS)
async def writer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Writer]:
    """Yield a writer of each kind, with a table of numbers."""
    async with AsyncExitStack() as stack:
        (tmp_path / "a.db").touch()
        url = sqlite_url(tmp_path / "a.db")
        if request.param == "postgresql":
            url = await stack.enter_async_context(scratch_postgresql())
        address = DatabaseAddress.parse(url)
        writer = Writer(address)
        await writer.transact(run("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
        yield writer
        await writer.close()


def run(*statements: str) -> Callable[[Connection], list[object]]:
    """Return a transaction of some statements, which returns the rows of the last one."""

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
    """A failed transaction stores nothing, and the next one succeeds."""
    await writer.transact(run("INSERT INTO numbers VALUES (1)"))

    with pytest.raises(DBAPIError):
        await writer.transact(
            run("INSERT INTO numbers VALUES (2)", "INSERT INTO numbers VALUES (1)")
        )

    assert await writer.transact(run("SELECT n FROM numbers")) == [(1,)]


async def test_a_canceled_transaction_leaves_the_next_one_alone(writer: Writer) -> None:
    """After a canceled transaction the writer stays usable."""
    canceled = asyncio.create_task(writer.transact(run("INSERT INTO numbers VALUES (1)")))
    await asyncio.sleep(0)
    canceled.cancel()
    await asyncio.wait({canceled})

    await writer.transact(run("INSERT INTO numbers VALUES (2)"))

    assert (2,) in await writer.transact(run("SELECT n FROM numbers ORDER BY n"))


async def test_a_canceled_transaction_releases_the_lock_at_once(tmp_path: Path) -> None:
    """A cursor that stays alive, as in a traceback, does not hold the lock."""
    file = tmp_path / "a.db"
    file.touch()
    writer = Writer(DatabaseAddress.parse(sqlite_url(file)))
    await writer.transact(run("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))
    kept = []

    def work(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        cursor = connection.connection.cursor()
        cursor.execute("SELECT n FROM numbers")
        kept.append(cursor)
        connection.exec_driver_sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)"
            " SELECT max(i) FROM n"
        )

    working = asyncio.create_task(writer.transact(work))
    await eventually(lambda: kept)
    working.cancel()
    await asyncio.wait({working})

    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
    await writer.close()


async def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    """The writing connection has the settings that durability and constraints require."""
    (tmp_path / "a.db").touch()
    writer = Writer(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))

    found = [
        await writer.transact(run(f"PRAGMA {name}"))
        for name in (
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "busy_timeout",
            "journal_size_limit",
        )
    ]

    await writer.close()
    assert found == [[("wal",)], [(2,)], [(1,)], [(1000,)], [(LOG_BYTES_MAX,)]]


@pytest.mark.parametrize("name", ["two words.db", "100%.db", "a%20b.db", "#1?mode=ro"])
async def test_a_file_is_written_under_its_very_name(tmp_path: Path, name: str) -> None:
    """Characters with a meaning in a URI are plain characters in a file name."""
    (tmp_path / name).touch()
    url = URL.create(SQLITE_SCHEME, database=str(tmp_path / name))
    writer = Writer(DatabaseAddress(url=url, path=tmp_path / name))

    await writer.transact(run("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"))

    await writer.close()
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).stat().st_size > 0


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A writer creates no file; only a migration does."""
    writer = Writer(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))

    with pytest.raises(DBAPIError, match="unable to open database file"):
        await writer.transact(run("SELECT 1"))

    await writer.close()
    assert names_in(tmp_path) == []


async def test_a_file_that_appears_later_is_another_one(tmp_path: Path) -> None:
    """A file that appears after the start is not taken for the database."""
    writer = Writer(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))
    (tmp_path / "a.db").touch()

    with pytest.raises(FileReplacedError, match=r"a\.db was deleted or replaced; put"):
        await writer.transact(run("SELECT 1"))

    await writer.close()


async def test_postgresql_waits_for_the_disk_though_the_server_would_not() -> None:
    """A commit waits for the disk even if the server is configured otherwise."""
    async with scratch_postgresql() as url:
        address = DatabaseAddress.parse(url)
        async with server_connection(url) as connection:
            name = address.url.database
            await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        writer = Writer(address)

        found = await writer.transact(run("SHOW synchronous_commit"))

        await writer.close()
    assert found == [("on",)]


@pytest.fixture(params=KINDS)
async def readers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Readers]:
    """Yield readers of each kind."""
    async with AsyncExitStack() as stack:
        (tmp_path / "a.db").touch()
        url = sqlite_url(tmp_path / "a.db")
        if request.param == "postgresql":
            url = await stack.enter_async_context(scratch_postgresql())
        readers = Readers(DatabaseAddress.parse(url))
        yield readers
        await readers.close()


def one(connection: Connection) -> object:
    """Read the number one."""
    return connection.exec_driver_sql("SELECT 1").scalar_one()


async def test_many_read_at_once_and_each_gets_its_own(readers: Readers) -> None:
    """More reads than connections wait their turn, and each gets its own result."""
    numbers = range(5 * READERS_MAX)

    def read(number: int) -> object:
        return readers.run(
            lambda connection: connection.exec_driver_sql(f"SELECT {number}").scalar_one()
        )

    found = await asyncio.gather(*(read(number) for number in numbers))  # type: ignore[call-overload]

    assert found == list(numbers)


async def test_what_fails_leaves_the_connections_usable(readers: Readers) -> None:
    """More failures than connections leave every connection usable."""
    for _ in range(READERS_MAX + 1):
        with pytest.raises(DBAPIError):
            await readers.run(lambda connection: connection.exec_driver_sql("SELECT nothing"))

    assert await readers.run(one) == 1


async def test_a_canceled_read_leaves_the_others_alone(readers: Readers) -> None:
    """A canceled read does not disturb other reads."""
    canceled = [asyncio.create_task(readers.run(one)) for _ in range(2 * READERS_MAX)]
    await asyncio.sleep(0)
    for task in canceled:
        task.cancel()
    await asyncio.wait(canceled)

    assert await readers.run(one) == 1


async def test_a_read_that_waits_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read without a free connection is refused in time; other reads continue."""
    monkeypatch.setattr(connections, "READER_WAIT_SECONDS", 0.05)
    (tmp_path / "a.db").touch()
    readers = Readers(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))
    may_end = asyncio.Event()
    waiting = []

    def wait(connection: Connection) -> bool:
        waiting.append(connection)
        return bool(await_only(may_end.wait()))

    slow = [asyncio.create_task(readers.run(wait)) for _ in range(READERS_MAX)]
    await eventually(lambda: len(waiting) == READERS_MAX)

    with pytest.raises(PoolTimeoutError):
        await readers.run(one)

    may_end.set()
    assert all(await asyncio.gather(*slow))
    assert await readers.run(one) == 1
    await readers.close()


async def test_readers_of_sqlite_cannot_write(tmp_path: Path) -> None:
    """A reading connection refuses every write."""
    (tmp_path / "a.db").touch()
    readers = Readers(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))

    with pytest.raises(DBAPIError, match="readonly database"):
        await readers.run(lambda connection: connection.exec_driver_sql("CREATE TABLE a (b)"))

    await readers.close()


async def test_the_log_that_grew_during_a_long_read_shrinks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write-ahead log shrinks again after a long read, such as a backup or an audit."""
    settings = (*connections._WRITING_SETTINGS, "journal_size_limit = 400000")
    monkeypatch.setattr(connections, "_WRITING_SETTINGS", settings)
    (tmp_path / "a.db").touch()
    writer = Writer(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))
    await writer.transact(run("CREATE TABLE pages (page BLOB)"))
    add_pages = run("INSERT INTO pages VALUES (zeroblob(400000))")
    log = tmp_path / "a.db-wal"
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM pages").fetchone()
        for _ in range(50):
            await writer.transact(add_pages)
        size_while_reading = log.stat().st_size

    for _ in range(30):
        await writer.transact(add_pages)

    size = log.stat().st_size
    await writer.close()
    assert size_while_reading > 20_000_000
    assert size < 10_000_000
    assert not log.exists()
