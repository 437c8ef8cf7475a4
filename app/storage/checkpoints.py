"""Copies SQLite's write-ahead log into the database from beside the connection that writes.

SQLite leaves that to whoever commits once the log has a thousand pages: such a commit takes several
times as long, and all who wait for it are the tail. Here a thread does it while commits go on; a
passive checkpoint has neither a writer nor a reader wait. The log begins anew only at a commit that
finds all of it copied, and under load none may: so from ``LOG_PAGES_MAX`` on the commits copy what
the thread has not, which is little by then, and the log stays bounded.

While somebody reads one moment for long (a backup, an audit), nothing that was written since can be
copied, and the log grows as it must; its file shrinks again once the log begins anew.
"""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import SQLAlchemyError

PAGE_BYTES: Final = 4_096
LOG_PAGES_MAX: Final = 8_000
"""Pages of the log from which on a commit copies them itself: 32 MB."""

COMMITS_BETWEEN: Final = 100
ROWS_BETWEEN: Final = 4_000
"""A checkpoint is due after so many of either: both fill about a thousand pages of the log."""

_log = structlog.get_logger()


class Checkpoints:
    """A thread with a connection of its own; all methods are for the thread that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database-checkpoint")
        self._connection: PoolProxiedConnection | None = None
        self._under_way: Future[None] | None = None
        self._commits = self._rows = 0
        # It starts now: were it refused later, a commit that is on disk would seem to have failed.
        self.close()

    def note_commit(self, rows_in_all: int) -> None:
        """Begin a checkpoint if one is due.

        ``rows_in_all`` is how many rows the writing connection has changed since it was opened.
        """
        self._commits += 1
        if self._commits < COMMITS_BETWEEN and rows_in_all - self._rows < ROWS_BETWEEN:
            return
        if self._under_way is None or self._under_way.done():
            self._commits, self._rows = 0, rows_in_all
            self._under_way = self._thread.submit(self._copy)

    def close(self) -> None:
        """Let go of the connection, after the checkpoint that is under way; ready for another."""
        self._thread.submit(self._disconnect).result()
        self._commits = self._rows = 0

    def end(self) -> None:
        """Let go of the thread as well."""
        self._thread.shutdown()

    def _copy(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            self._connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, SQLAlchemyError) as error:
            # Nothing is lost: the log keeps it all, and the commits will copy it.
            _log.warning("checkpoint_failed", error=str(error))
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
