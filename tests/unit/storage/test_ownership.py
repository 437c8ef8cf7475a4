"""The lock of a database; the contract tests check its meaning for services."""

import asyncio
from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.ownership import _AdvisoryLock, lock_database
from tests.support.databases import run_on_server, scratch_postgresql, sqlite_url
from tests.support.waiting import eventually


async def test_the_lock_file_names_its_owner(tmp_path: Path) -> None:
    """The lock file is beside the database, and empty after its release."""
    address = DatabaseAddress.parse(sqlite_url(tmp_path / "a.db"))
    lock_file = tmp_path / "a.db.lock"

    lock = await lock_database(address, "pid 7 on a machine named Zoë")

    assert lock_file.read_text() == "pid 7 on a machine named Zoë\n"
    with pytest.raises(StartupError, match="in use by pid 7 on a machine named Zoë; stop that"):
        await lock_database(address, "pid 8")
    await lock.release()
    assert lock_file.read_text() == ""
    await (await lock_database(address, "pid 8")).release()


async def test_an_owner_without_a_name_is_still_an_owner(tmp_path: Path) -> None:
    """A lock counts before its owner has written its name."""
    address = DatabaseAddress.parse(sqlite_url(tmp_path / "a.db"))
    lock = await lock_database(address, "")

    with pytest.raises(StartupError, match="in use by another service; stop that one"):
        await lock_database(address, "pid 8")

    await lock.release()


async def test_a_lock_file_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    """The message names a lock file that cannot be created."""
    (tmp_path / "a.db.lock").mkdir()

    with pytest.raises(
        StartupError, match=r"cannot make the lock file .*a.db.lock: Is a directory"
    ):
        await lock_database(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")), "pid 7")


async def test_the_server_names_the_owner() -> None:
    """The name of the owner is the application name of its session."""
    async with scratch_postgresql() as url:
        address = DatabaseAddress.parse(url)
        lock = await lock_database(address, "pid 7 on a machine")

        with pytest.raises(StartupError, match="in use by pid 7 on a machine; stop that one"):
            await lock_database(address, "pid 8")

        await lock.release()
        await (await lock_database(address, "pid 8")).release()


async def test_the_lock_of_our_former_session_is_waited_for() -> None:
    """The owner waits while the server still holds the lock for the owner's former session."""
    async with scratch_postgresql() as url:
        lock = await lock_database(DatabaseAddress.parse(url), "pid 7")
        assert isinstance(lock, _AdvisoryLock)
        former, lock._connection = lock._connection, None
        assert former is not None
        holder = await lock.take()
        assert holder is not None
        assert (holder.pid, holder.owner) == (lock._pid, "pid 7")
        keeping = asyncio.create_task(lock.keep(0.01))
        await lock._take_again()

        await former.invalidate()
        await former.close()

        await eventually(lambda: lock._connection is not None)
        keeping.cancel()
        await asyncio.wait({keeping})
        await lock.release()
        assert keeping.cancelled()


async def test_a_server_without_connections_is_retried() -> None:
    """The owner retries while the server accepts no connections, and keeps its ownership."""
    async with scratch_postgresql() as url:
        address = DatabaseAddress.parse(url)
        name = address.url.database
        lock = await lock_database(address, "pid 7")
        assert isinstance(lock, _AdvisoryLock)
        await run_on_server(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await run_on_server(f"SELECT pg_terminate_backend({lock._pid})")
        keeping = asyncio.create_task(lock.keep(0.01))
        await eventually(lambda: lock._connection is None)

        await run_on_server(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

        await eventually(lambda: lock._connection is not None)
        keeping.cancel()
        await asyncio.wait({keeping})
        await lock.release()
        assert keeping.cancelled()


async def test_databases_of_one_server_have_locks_of_their_own() -> None:
    """Two services on two databases of one server run side by side."""
    async with scratch_postgresql() as one, scratch_postgresql() as other:
        locks = [await lock_database(DatabaseAddress.parse(url), "pid 7") for url in (one, other)]

        for lock in locks:
            await lock.release()
