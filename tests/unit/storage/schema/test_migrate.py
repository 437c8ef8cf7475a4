"""Migration of the schema, and the messages when it is impossible."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.domain.errors import StartupError
from app.storage.schema.migrate import migrate, migrations_folder, revisions
from tests.support.databases import KINDS, scratch_postgresql, sqlite_url

NEWEST = revisions()[-1]
KERNEL_FOLDER = Path("/proc/self")
KERNEL_FOLDER_EXISTS = KERNEL_FOLDER.is_dir()
UNREACHABLE = "postgresql+asyncpg://postgres:secret@127.0.0.1:1/papertape"


async def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    """An empty file gets the newest revision, and a second call changes nothing."""
    path = tmp_path / "50% papertape.db"

    reached = [await migrate(sqlite_url(path)), await migrate(sqlite_url(path))]

    assert reached == [NEWEST, NEWEST]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM order_overview").fetchone() == (0,)


async def test_an_empty_server_database_becomes_ours() -> None:
    """An empty PostgreSQL database gets the newest revision."""
    async with scratch_postgresql() as url:
        assert [await migrate(url), await migrate(url)] == [NEWEST, NEWEST]


@pytest.mark.parametrize("kind", KINDS)
async def test_several_at_once_do_it_once(kind: str, tmp_path: Path) -> None:
    """Of several processes one migrates, and the others wait for it."""

    async def all_at_once(url: str) -> list[str]:
        return await asyncio.gather(*(migrate(url) for _ in range(3)))

    if kind == "sqlite":
        revisions = await all_at_once(sqlite_url(tmp_path / "a.db"))
    else:
        async with scratch_postgresql() as url:
            revisions = await all_at_once(url)

    assert revisions == [NEWEST] * 3


async def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A text file is refused and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("bought 5 LTC today\n" * 100)

    with pytest.raises(StartupError, match=r"notes.txt is not an SQLite database; name another"):
        await migrate(sqlite_url(path))

    assert path.read_text().startswith("bought 5 LTC today\n")


async def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """A database with an unknown revision is refused and not changed."""
    path = tmp_path / "a.db"
    await migrate(sqlite_url(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '20991231'")
        connection.commit()

    with pytest.raises(StartupError, match=r"of a newer release \(revision 20991231\); run that"):
        await migrate(sqlite_url(path))


async def test_foreign_tables_are_not_changed(tmp_path: Path) -> None:
    """A database with foreign tables of the same name is refused and not changed."""
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE symbol_gates (color TEXT)")

    with pytest.raises(StartupError, match="cannot be used: table symbol_gates already exists"):
        await migrate(sqlite_url(path))

    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("symbol_gates",)]


async def test_a_folder_that_takes_no_files_is_named(tmp_path: Path) -> None:
    """The message names a folder in which no user may create files, as in /proc."""
    place = KERNEL_FOLDER if KERNEL_FOLDER_EXISTS else tmp_path / "missing"

    with pytest.raises(StartupError, match=r"permissions of the file and its folder|no folder"):
        await migrate(sqlite_url(place / "a.db"))


async def test_a_server_that_is_not_there_is_named() -> None:
    """The message names host and port of an unreachable server, without the password."""
    with pytest.raises(
        StartupError, match=r"PostgreSQL at 127.0.0.1:1 cannot be reached"
    ) as caught:
        await migrate(UNREACHABLE)

    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_revisions_are_named_after_their_files() -> None:
    """The name of the newest file is the newest revision, so a start reads no file."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    scripts = ScriptDirectory.from_config(config)

    in_order = [script.revision for script in scripts.walk_revisions()][::-1]

    assert revisions() == in_order
