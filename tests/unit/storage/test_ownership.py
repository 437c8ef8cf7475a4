"""The lock that says who owns a database; the contract tests have its meaning for services."""

from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.ownership import lock_database
from tests.support.databases import scratch_postgresql, sqlite_url


async def test_the_lock_file_names_its_owner(tmp_path: Path) -> None:
    """It stands beside the database, and is empty once nobody owns it."""
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
    """Between lock and name there is a moment."""
    address = DatabaseAddress.parse(sqlite_url(tmp_path / "a.db"))
    lock = await lock_database(address, "")

    with pytest.raises(StartupError, match="in use by another service; stop that one"):
        await lock_database(address, "pid 8")

    await lock.release()


async def test_a_lock_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Something else has its name."""
    (tmp_path / "a.db.lock").mkdir()

    with pytest.raises(
        StartupError, match=r"cannot make the lock file .*a.db.lock: Is a directory"
    ):
        await lock_database(DatabaseAddress.parse(sqlite_url(tmp_path / "a.db")), "pid 7")


async def test_the_server_names_the_owner() -> None:
    """The name is the session's, as whoever looks at the server sees it."""
    async with scratch_postgresql() as url:
        address = DatabaseAddress.parse(url)
        lock = await lock_database(address, "pid 7 on a machine")

        with pytest.raises(StartupError, match="in use by pid 7 on a machine; stop that one"):
            await lock_database(address, "pid 8")

        await lock.release()
        await (await lock_database(address, "pid 8")).release()


async def test_databases_of_one_server_have_locks_of_their_own() -> None:
    """Two services on two databases do not meet."""
    async with scratch_postgresql() as one, scratch_postgresql() as other:
        locks = [await lock_database(DatabaseAddress.parse(url), "pid 7") for url in (one, other)]

        for lock in locks:
            await lock.release()
