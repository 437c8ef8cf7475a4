"""The connections that read."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.storage import readers as readers_module
from app.storage.address import DatabaseAddress
from app.storage.readers import READERS_MAX, Readers, SqliteReaders, make_readers
from tests.support.databases import KINDS, scratch_postgresql, sqlite_url
from tests.support.waiting import WAIT_SECONDS_MAX, eventually


@pytest.fixture(params=KINDS)
async def readers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Readers]:
    """Give readers of each kind."""
    async with AsyncExitStack() as stack:
        (tmp_path / "a.db").touch()
        url = sqlite_url(tmp_path / "a.db")
        if request.param == "postgresql":
            url = await stack.enter_async_context(scratch_postgresql())
        readers = make_readers(DatabaseAddress.parse(url))
        yield readers
        await readers.close()


@pytest.fixture
async def sqlite_readers(tmp_path: Path) -> AsyncIterator[SqliteReaders]:
    """Give readers of an SQLite file."""
    (tmp_path / "a.db").touch()
    readers = SqliteReaders(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")))
    yield readers
    await readers.close()


def one(connection: Connection) -> object:
    """Read a one."""
    return connection.exec_driver_sql("SELECT 1").scalar_one()


async def test_many_read_at_once_and_each_gets_its_own(readers: Readers) -> None:
    """More than there are connections: the others queue."""
    numbers = range(5 * READERS_MAX)

    def read(number: int) -> object:
        return readers.run(
            lambda connection: connection.exec_driver_sql(f"SELECT {number}").scalar_one()
        )

    found = await asyncio.gather(*(read(number) for number in numbers))  # type: ignore[call-overload]

    assert found == list(numbers)


async def test_what_fails_leaves_the_connections_usable(readers: Readers) -> None:
    """As often as there are connections and more."""
    for _ in range(READERS_MAX + 1):
        with pytest.raises(DBAPIError):
            await readers.run(lambda connection: connection.exec_driver_sql("SELECT nothing"))

    assert await readers.run(one) == 1


async def test_a_canceled_read_leaves_the_others_alone(readers: Readers) -> None:
    """Whoever asked may go."""
    canceled = [asyncio.create_task(readers.run(one)) for _ in range(2 * READERS_MAX)]
    await asyncio.sleep(0)
    for task in canceled:
        task.cancel()
    await asyncio.wait(canceled)

    assert await readers.run(one) == 1


async def test_a_read_that_waits_too_long_is_refused(
    sqlite_readers: SqliteReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are not disturbed."""
    monkeypatch.setattr(readers_module, "READER_WAIT_SECONDS", 0)
    may_end = threading.Event()
    slow = [
        asyncio.create_task(sqlite_readers.run(lambda _: may_end.wait(60)))
        for _ in range(READERS_MAX)
    ]
    await asyncio.sleep(0)

    with pytest.raises(PoolTimeoutError):
        await sqlite_readers.run(one)

    may_end.set()
    assert all(await asyncio.gather(*slow))
    assert await sqlite_readers.run(one) == 1


async def test_a_canceled_read_keeps_its_connection_until_it_ends(
    sqlite_readers: SqliteReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread reads on, so that who comes next waits no longer than he would for any other."""
    monkeypatch.setattr(readers_module, "READER_WAIT_SECONDS", 0)
    may_end = threading.Event()
    slow = [
        asyncio.create_task(sqlite_readers.run(lambda _: may_end.wait(60)))
        for _ in range(READERS_MAX)
    ]
    await asyncio.sleep(0)
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)

    with pytest.raises(PoolTimeoutError):
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await sqlite_readers.run(one)

    may_end.set()
    await eventually(lambda: not sqlite_readers._free.locked())
    assert await sqlite_readers.run(one) == 1


async def test_closing_waits_for_reads_under_way(sqlite_readers: SqliteReaders) -> None:
    """No connection is taken from under a read."""
    may_end = threading.Event()
    slow = asyncio.create_task(
        sqlite_readers.run(lambda connection: may_end.wait(60) and one(connection))
    )
    await asyncio.sleep(0)
    closing = asyncio.create_task(sqlite_readers.close())
    await asyncio.sleep(0)
    may_end.set()

    await closing

    assert await slow == 1
