"""A database is opened, or one line says why not."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.errors import DatabaseUnavailableError, StartupError
from app.storage.database import Database
from tests.support.builders import make_order
from tests.support.databases import OWNER, VENUE, open_storage, scratch_database, sqlite_url


async def opened(url: str) -> Database:
    """Open a database with the names of the tests."""
    return await Database.open(url, venue=VENUE, owner=OWNER)


async def test_each_owner_has_a_later_epoch(tmp_path: Path) -> None:
    """Each owner has a later epoch, and starts after the stored numbers."""
    url = sqlite_url(tmp_path / "a.db")
    async with open_storage(url) as storage:
        await storage.journal.accept(make_order(number=41))

    database = await opened(url)

    await database.close()
    assert (database.epoch, database.last_acceptance_number, database.last_position) == (2, 41, 1)


async def test_a_refused_start_leaves_the_database_free(tmp_path: Path) -> None:
    """A start that fails at any step releases the lock and the connections."""
    url = sqlite_url(tmp_path / "a.db")
    (tmp_path / "a.db").write_text("not a database, but long enough to be looked at" * 20)
    with pytest.raises(StartupError, match="is not an SQLite database"):
        await opened(url)
    (tmp_path / "a.db").unlink()

    await (await opened(url)).close()


async def test_a_missing_database_is_named(tmp_path: Path) -> None:
    """The message contains the server's own text."""
    async with scratch_database("postgresql", tmp_path) as url:
        missing = f"{url}_missing"

        with pytest.raises(StartupError, match=r"cannot be used: database .* does not exist"):
            await opened(missing)


async def test_reading_connections_only_read(tmp_path: Path) -> None:
    """A write through the reading connections is refused."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        await storage.journal.accept(make_order(number=1))

        with pytest.raises(DatabaseUnavailableError):
            await storage.database.read(text("DELETE FROM orders"))

        assert await storage.rows("SELECT count(*) FROM orders") == [(1,)]


async def test_a_read_that_is_our_mistake_is_not_hidden(tmp_path: Path) -> None:
    """Only an operational error becomes DatabaseUnavailableError; any other is raised as it is."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        with pytest.raises(DBAPIError, match="type 'object' is not supported"):
            await storage.rows("SELECT :value", value=object())
