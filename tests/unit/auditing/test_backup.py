"""A copy of a database beside a running service is whole and has its own stream, or is absent."""

import asyncio
import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from app.auditing import backup as backing_up
from app.auditing.audit import audit
from app.auditing.backup import back_up
from app.domain.errors import StartupError
from app.storage.failures import MaintenanceError
from tests.support.builders import make_order
from tests.support.databases import open_storage, sqlite_url
from tests.support.sound_database import (
    NEW,
    ORDERS_TOTAL,
    damage_table,
    fill_soundly,
    filling,
    id_of,
)

REPOSITORY: Final = Path(__file__).parents[3]
LIMITED: Final = """
import resource, sys
from app.cli.main import main
sys.argv = ["papertape", "backup", "copy.db"]
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
main()
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the file of a sound database."""
    path = tmp_path / "papertape.db"
    asyncio.run(fill_soundly(sqlite_url(path)))
    return path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a path for the copy."""
    return tmp_path / "copy.db"


def asked(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Run a query on a database directly, and return its rows."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder, without the original database."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("papertape.db")}


STREAM: Final = "SELECT stream_id FROM event_stream"
EVENTS: Final = "SELECT * FROM order_events ORDER BY position"


async def test_the_copy_is_whole_and_another_database(
    source: Path, tmp_path: Path, copy: Path
) -> None:
    """The copy has all rows and its own stream; the folder has no other new file."""
    size = await back_up(sqlite_url(source), copy)

    assert names_in(tmp_path) == {"copy.db"}
    assert [(size,)] == asked(
        copy, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    )
    assert asked(copy, EVENTS) == asked(source, EVENTS)
    report = await audit(str(copy))
    assert (report.is_sound, report.orders) == (True, ORDERS_TOTAL)


async def test_each_copy_is_a_stream_of_its_own(source: Path, tmp_path: Path) -> None:
    """Two copies have different stream names."""
    copies = [tmp_path / f"copy-{number}.db" for number in range(2)]
    for path in copies:
        await back_up(sqlite_url(source), path)

    streams = {str(asked(path, STREAM)[0][0]) for path in (source, *copies)}
    assert len(streams) == 3
    assert {len(bytes.fromhex(stream)) for stream in streams} == {8}


async def test_a_service_serves_the_copy(source: Path, copy: Path) -> None:
    """A service opens the copy, knows its open orders and accepts more, beside the original."""
    async with open_storage(sqlite_url(source)):
        await back_up(sqlite_url(source), copy)

        async with open_storage(sqlite_url(copy)) as storage:
            symbols = await storage.orders.list_unfinished_symbols()
            found = [await storage.orders.load_unfinished(symbol) for symbol in symbols]
            unfinished = {one.order.order_id for some in found for one in some}
            order = make_order(number=storage.journal.next_acceptance_number())
            await storage.journal.accept(order)

    assert id_of(NEW) in unfinished
    assert order.acceptance_number == ORDERS_TOTAL + 1


async def test_a_copy_made_under_a_busy_service_is_of_one_moment(tmp_path: Path) -> None:
    """All rows of a copy made beside a writing service are consistent."""
    url = sqlite_url(tmp_path / "papertape.db")
    copies = [tmp_path / f"copy-{number}.db" for number in range(3)]
    async with open_storage(url) as storage:
        async with filling(storage) as has_accepted:
            await has_accepted.wait()
            for path in copies:
                await back_up(url, path)
        assert "trouble" not in storage.listener.heard

    for path in copies:
        report = await audit(str(path))
        assert report.examples == ()
        assert report.orders > 0


def writing_after_each_step(
    source: Path, steps: list[tuple[int, int]]
) -> Callable[[int, int], None]:
    """Return a progress callback that writes to the original, as a service does."""

    def write(done: int, total: int) -> None:
        steps.append((done, total))
        if len(steps) <= 10 * total:
            with closing(sqlite3.connect(source)) as connection:
                connection.execute("UPDATE service_owner SET epoch = epoch + 1")
                connection.commit()

    return write


async def test_a_writer_does_not_restart_the_copy(
    source: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is copied once, although a write follows every step."""
    monkeypatch.setattr(backing_up, "PAGES_PER_STEP", 1)
    ((epoch,),) = asked(source, "SELECT epoch FROM service_owner")
    steps: list[tuple[int, int]] = []

    await back_up(sqlite_url(source), copy, on_progress=writing_after_each_step(source, steps))

    total = steps[0][1]
    assert steps == [(done, total) for done in range(1, total + 1)]
    assert asked(copy, "SELECT epoch FROM service_owner") == [(epoch,)]
    assert asked(source, "SELECT epoch FROM service_owner") == [(epoch + total,)]  # type: ignore[operator]  # a number


def test_without_a_read_transaction_the_copy_restarts(source: Path, tmp_path: Path) -> None:
    """Without the read transaction SQLite restarts the copy, so the test above is meaningful."""
    steps: list[tuple[int, int]] = []
    write = writing_after_each_step(source, steps)

    with (
        closing(sqlite3.connect(source)) as reading,
        closing(sqlite3.connect(tmp_path / "copy.db")) as writing,
    ):
        reading.backup(writing, pages=1, progress=lambda _, left, total: write(total - left, total))

    total = steps[0][1]
    assert len(steps) > 10 * total


async def test_a_database_of_an_older_release_is_copied(source: Path, copy: Path) -> None:
    """A database of an older release is copied; migrating the copy adds its stream."""
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            "DROP TABLE event_stream; DROP TABLE client_order_ids;"
            " DROP VIEW order_overview;"
            " UPDATE alembic_version SET version_num = '20261123'"
        )

    await back_up(sqlite_url(source), copy)

    assert asked(copy, EVENTS) == asked(source, EVENTS)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
async def test_what_is_there_is_never_overwritten(source: Path, tmp_path: Path, kind: str) -> None:
    """An existing file, folder or dangling link is refused and kept."""
    copy = tmp_path / "copy.db"
    match kind:
        case "file":
            copy.write_text("mine")
        case "folder":
            copy.mkdir()
        case _:
            copy.symlink_to(tmp_path / "nowhere")

    with pytest.raises(MaintenanceError, match=r"copy\.db is there already; name a file that is"):
        await back_up(sqlite_url(source), copy)

    assert names_in(tmp_path) == {"copy.db"}
    assert kind != "file" or copy.read_text() == "mine"


@pytest.mark.parametrize("has_links", [True, False])
async def test_a_file_that_came_meanwhile_is_never_overwritten(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    """A file that another program creates during the copy is kept."""
    copy = tmp_path / "copy.db"
    if not has_links:
        _take_links_away(monkeypatch)

    def write_theirs(*_: int) -> None:
        copy.write_text("theirs")

    with pytest.raises(MaintenanceError, match=r"copy\.db was created by another program"):
        await back_up(sqlite_url(source), copy, on_progress=write_theirs)

    assert copy.read_text() == "theirs"
    assert names_in(tmp_path) == {"copy.db"}


async def test_a_file_system_without_links_will_do(
    source: Path, tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy also works on a file system without hard links."""
    _take_links_away(monkeypatch)

    await back_up(sqlite_url(source), copy)

    assert names_in(tmp_path) == {"copy.db"}
    assert (await audit(str(copy))).is_sound


def _take_links_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


def test_the_copy_is_for_those_who_may_read_the_original(source: Path, copy: Path) -> None:
    """The copy has the permissions of the original."""
    source.chmod(0o600)

    asyncio.run(back_up(sqlite_url(source), copy))

    assert copy.stat().st_mode & 0o777 == 0o600


async def test_a_canceled_copy_leaves_nothing_behind(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A canceled copy leaves no file."""
    monkeypatch.setattr(backing_up, "PAGES_PER_STEP", 1)
    loop = asyncio.get_running_loop()
    steps: list[int] = []

    def cancel(done: int, _total: int) -> None:
        steps.append(done)
        asyncio.run_coroutine_threadsafe(_cancel(copying), loop).result()

    copying = asyncio.create_task(
        back_up(sqlite_url(source), tmp_path / "copy.db", on_progress=cancel)
    )

    with pytest.raises(asyncio.CancelledError):
        await copying
    await loop.shutdown_default_executor()
    assert len(steps) <= 2
    assert names_in(tmp_path) == set()


async def _cancel(task: asyncio.Task[int]) -> None:
    task.cancel()
    await asyncio.wait({task})


def test_a_full_disk_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    """A full disk, here a limit on the file size, gives one line and leaves no file."""
    assert source.stat().st_size > 50_000

    ended = subprocess.run(  # noqa: S603 - our own interpreter
        # -B: write no bytecode, which the limit would truncate
        [sys.executable, "-B", "-c", LIMITED],
        cwd=tmp_path,
        env={"DATABASE_URL": sqlite_url(source), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "cannot be copied to copy.db: " in ended.stderr
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/proc/self", r"cannot be copied to /proc/self/copy\.db: |there is no folder"),
        ("nowhere", r"there is no folder .*nowhere; make it first"),
    ],
)
async def test_a_folder_that_takes_no_files_is_named(
    source: Path, tmp_path: Path, folder: str, message: str
) -> None:
    """The message names a folder that is missing, or in which no user may create files."""
    with pytest.raises(MaintenanceError, match=message):
        await back_up(sqlite_url(source), tmp_path / folder / "copy.db")

    assert names_in(tmp_path) == set()


async def test_a_damaged_database_is_not_passed_off_as_a_copy(source: Path, tmp_path: Path) -> None:
    """A damaged database is refused, since its copy could not be restored."""
    damage_table(source, "order_events")

    with pytest.raises(MaintenanceError, match=r"cannot be copied to .*: .*malformed|damaged"):
        await back_up(sqlite_url(source), tmp_path / "copy.db")

    assert names_in(tmp_path) == set()


async def test_postgresql_is_refused(tmp_path: Path) -> None:
    """One line names pg_dump for a PostgreSQL database."""
    with pytest.raises(MaintenanceError, match="with its own pg_dump"):
        await back_up("postgresql+asyncpg://postgres@127.0.0.1/test", tmp_path / "copy.db")


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """One line names the missing database, and no file is created."""
    with pytest.raises(StartupError, match="there is no database"):
        await back_up(sqlite_url(tmp_path / "papertape.db"), tmp_path / "copy.db")

    assert names_in(tmp_path) == set()
