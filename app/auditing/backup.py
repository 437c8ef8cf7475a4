"""Copies a snapshot of an SQLite database; a service may be writing to it.

SQLite's backup API copies page by page and restarts when another connection writes in between
(https://www.sqlite.org/backup.html). Beside a busy service it might never finish. So it copies
within a read transaction and never restarts: "When a read transaction starts, that reader continues
to see an unchanging "snapshot" of the database file" (https://www.sqlite.org/isolation.html, about
the write-ahead log).

The copy gets a new stream name, since it is another database from then on. A client that followed
the events of the original must not resume at a position of the copy.
"""

import asyncio
import contextlib
import errno
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from app.storage.address import DatabaseAddress
from app.storage.failures import MaintenanceError
from app.storage.snapshot import BUSY_SECONDS, address_of, stop_statements_when

PAGES_PER_STEP: Final = 1_000
"""Pages copied between two reports of progress: 4 MB."""

OnProgress = Callable[[int, int], None]
"""Called with the number of copied pages and the total."""

_SIDE_FILES: Final = ("", "-journal", "-wal", "-shm")
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""The errors of a file system without hard links, such as FAT and some network shares."""


async def back_up(database: str, file: Path, *, on_progress: OnProgress | None = None) -> int:
    """Copy the SQLite database to ``file``, which must not exist; return the copy's bytes.

    ``on_progress`` is called from another thread. After a failure or a cancellation there is either
    a whole copy or none.

    Raises:
        StartupError: the database does not exist.
        MaintenanceError: the database cannot be copied there; one line says why.
    """
    address = address_of(database)
    if address.path is None:
        raise MaintenanceError("a PostgreSQL database is backed up with its own pg_dump")
    _check_place(file)
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(_back_up, address, file, on_progress, stopped)
    finally:
        stopped.set()


def _check_place(file: Path) -> None:
    if os.path.lexists(file):
        raise MaintenanceError(f"{file} is there already; name a file that is not")
    if not file.parent.is_dir():
        raise MaintenanceError(f"there is no folder {file.parent}; make it first")


def _back_up(
    address: DatabaseAddress,
    file: Path,
    on_progress: OnProgress | None,
    stopped: threading.Event,
) -> int:
    source = address.path
    assert source is not None, "an SQLite database is a file"
    try:
        with _unfinished(file, like=source) as copy:
            _copy(source, copy, on_progress, stopped)
            _finish_copy(copy, stopped)
            _flush(copy)
            size = copy.stat().st_size
            _give_name(copy, file)
        _flush(file.parent)
    except FileExistsError:
        message = f"{file} was created by another program meanwhile; it is left as it is"
        raise MaintenanceError(message) from None
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise MaintenanceError(f"{source} cannot be copied to {file}: {reason}") from error
    return size


@contextlib.contextmanager
def _unfinished(file: Path, *, like: Path) -> Iterator[Path]:
    """Create an empty file beside ``file`` with the permissions of ``like``; finally delete it."""
    copy = file.with_name(f".{file.name}.{secrets.token_hex(4)}.unfinished")
    mode = like.stat().st_mode & 0o777
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield copy
    finally:
        for suffix in _SIDE_FILES:
            Path(f"{copy}{suffix}").unlink(missing_ok=True)


def _copy(
    source: Path, copy: Path, on_progress: OnProgress | None, stopped: threading.Event
) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        if stopped.is_set():
            raise InterruptedError(errno.EINTR, "it was interrupted")
        if on_progress is not None:
            on_progress(total - remaining, total)

    with (
        closing(_open_read_only(source, stopped)) as reading,
        closing(sqlite3.connect(copy, isolation_level=None)) as writing,
    ):
        # The whole file is flushed at the end; until then no program uses it.
        writing.execute("PRAGMA synchronous = OFF")
        # BEGIN is deferred: "the transaction does not actually start until the database is first
        # accessed" (https://www.sqlite.org/lang_transaction.html), hence the read after it.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reading.backup(writing, pages=PAGES_PER_STEP, progress=report)


def _open_read_only(path: Path, stopped: threading.Event) -> sqlite3.Connection:
    """Open an existing SQLite file; statements fail once ``stopped`` is set."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    stop_statements_when(stopped, connection)
    return connection


def _finish_copy(copy: Path, stopped: threading.Event) -> None:
    """Give the copy its own stream name, and check the integrity of the file."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        stop_statements_when(stopped, connection)
        has_stream = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'event_stream'"
        ).fetchone()
        if has_stream:  # a database of an older release has none; migrating it adds a new one
            connection.execute("UPDATE event_stream SET stream_id = ?", (secrets.token_hex(8),))
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(f"it is damaged ({' '.join(found.split())})")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _give_name(copy: Path, file: Path) -> None:
    """Rename, but never overwrite a file. Raises FileExistsError."""
    try:
        # A hard link fails if the name exists; rename(2) would replace that file.
        os.link(copy, file)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without links, an empty file of our own reserves the name and is then replaced.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            copy.replace(file)
        except OSError:
            file.unlink(missing_ok=True)
            raise


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
