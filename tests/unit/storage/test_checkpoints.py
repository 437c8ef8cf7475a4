"""The write-ahead log is copied from beside the commits, and stays bounded."""

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.storage import checkpoints, writer
from app.storage.address import DatabaseAddress
from app.storage.checkpoints import COMMITS_BETWEEN, PAGE_BYTES, ROWS_BETWEEN
from app.storage.writer import SqliteWriter
from tests.support.databases import sqlite_url
from tests.support.waiting import eventually

FULL = 2
"""The value of PRAGMA synchronous."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give an empty file."""
    (tmp_path / "a.db").touch()
    return tmp_path / "a.db"


async def open_writer(file: Path) -> SqliteWriter:
    """Open a writer on a table of pages."""
    opened = SqliteWriter(DatabaseAddress.parse(sqlite_url(file)))
    await opened.transact(lambda c: c.exec_driver_sql("CREATE TABLE pages (page BLOB)").close())
    return opened


def add_pages(connection: Connection) -> None:
    """Fill about ten pages of the log."""
    connection.exec_driver_sql("INSERT INTO pages VALUES (zeroblob(40000))")


def add_rows(connection: Connection) -> None:
    """Change as many rows as make a checkpoint due."""
    connection.exec_driver_sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO pages SELECT zeroblob(100) FROM n",
        (ROWS_BETWEEN,),
    )


async def test_after_some_commits_the_log_is_copied(file: Path) -> None:
    """Long before the commits would do it themselves."""
    opened = await open_writer(file)
    for _ in range(COMMITS_BETWEEN):
        await opened.transact(add_pages)

    await eventually(lambda: file.stat().st_size >= COMMITS_BETWEEN * 30_000)

    await opened.close()


async def test_after_many_rows_the_log_is_copied(file: Path) -> None:
    """Few commits may have filled it."""
    opened = await open_writer(file)
    await opened.transact(add_rows)

    await eventually(lambda: file.stat().st_size >= ROWS_BETWEEN * 100)

    await opened.close()


async def test_the_log_stays_bounded_though_nobody_copies_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits do it themselves from some size on."""
    monkeypatch.setattr(writer, "LOG_PAGES_MAX", 50)
    monkeypatch.setattr(checkpoints, "COMMITS_BETWEEN", 10**9)
    opened = await open_writer(file)

    for _ in range(100):
        await opened.transact(add_pages)

    size = file.with_name("a.db-wal").stat().st_size
    await opened.close()
    assert size <= 100 * PAGE_BYTES


async def test_what_the_log_grew_by_during_a_long_read_is_given_back(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup or an audit that takes an hour must not leave gigabytes behind."""
    monkeypatch.setattr(writer, "LOG_PAGES_MAX", 50)
    opened = await open_writer(file)
    log = file.with_name("a.db-wal")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM pages").fetchone()
        for _ in range(100):
            await opened.transact(add_pages)
        size_while_reading = log.stat().st_size

    for _ in range(20):
        await opened.transact(add_pages)

    size = log.stat().st_size
    await opened.close()
    assert size_while_reading > 500 * PAGE_BYTES
    assert size <= 100 * PAGE_BYTES
    assert not log.exists()


async def test_each_connection_waits_for_the_disk(file: Path) -> None:
    """The one that copies the log as well: it must be on disk before it begins anew."""
    opened = await open_writer(file)
    for _ in range(COMMITS_BETWEEN):
        await opened.transact(add_pages)
    await eventually(lambda: opened._checkpoints._connection is not None)

    def synchronous() -> object:
        copying = opened._checkpoints._connection
        assert copying is not None
        return copying.cursor().execute("PRAGMA synchronous").fetchone()

    of_copies = await asyncio.wrap_future(opened._checkpoints._thread.submit(synchronous))
    of_commits = await opened.transact(lambda c: c.exec_driver_sql("PRAGMA synchronous").one())

    await opened.close()
    assert of_copies == of_commits == (FULL,)


async def test_no_commit_needs_a_thread_that_cannot_be_had(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk would seem to have failed, where processes and threads are limited."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    opened = await open_writer(file)
    monkeypatch.setattr(threading.Thread, "start", refuse)

    for _ in range(COMMITS_BETWEEN):
        await opened.transact(add_pages)

    await eventually(lambda: file.stat().st_size >= COMMITS_BETWEEN * 30_000)
    await opened.close()


async def test_a_checkpoint_that_fails_fails_nothing_else(file: Path) -> None:
    """Its connection is made anew."""
    opened = await open_writer(file)
    engine = opened._checkpoints._engine
    broken = engine.raw_connection()
    broken.driver_connection.close()  # type: ignore[union-attr]  # there is one
    opened._checkpoints._connection = broken

    for _ in range(COMMITS_BETWEEN):
        await opened.transact(add_pages)
    await eventually(lambda: opened._checkpoints._connection is None)
    for _ in range(COMMITS_BETWEEN):
        await opened.transact(add_pages)

    await eventually(lambda: file.stat().st_size >= COMMITS_BETWEEN * 30_000)
    await opened.close()
