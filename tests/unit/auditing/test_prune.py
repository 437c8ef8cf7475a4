"""How pruning shares a database; ``tests/contract`` checks which rows it deletes."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, select

from app.auditing import prune as pruning
from app.auditing.prune import BUSY_ATTEMPTS_MAX, Pruned, prune
from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress
from app.storage.connections import Writer, writing_engine
from app.storage.failures import MaintenanceError
from app.storage.schema.tables import orders
from tests.support.builders import ACCEPTED_AT, make_order, make_quote
from tests.support.databases import open_storage, sqlite_url
from tests.support.outcomes import SymbolAtWork
from tests.support.sound_database import CANCELED, fill_soundly, id_of

LATER = ACCEPTED_AT + timedelta(days=1)

_Result = TypeVar("_Result")


class BusyWriter(Writer):
    """A writer whose first transactions meet the lock of another program."""

    def __init__(self, url: str, *, busy: int) -> None:
        address = DatabaseAddress.parse(url)
        super().__init__(address)
        self._engine = writing_engine(address, busy_seconds=0)
        assert address.path is not None
        self.attempts = 0
        self._busy = busy
        self._other = sqlite3.connect(address.path, isolation_level=None)

    async def transact(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run the transaction; the lock is there until it was met often enough."""
        self.attempts += 1
        if self.attempts == 1:
            self._other.execute("BEGIN IMMEDIATE")
        if self.attempts == self._busy + 1:
            self._other.execute("ROLLBACK")
        return await super().transact(work)

    async def close(self) -> None:
        """Close both connections."""
        self._other.close()
        await super().close()


@pytest.mark.parametrize("busy", [2, BUSY_ATTEMPTS_MAX])
async def test_a_busy_database_is_tried_again(tmp_path: Path, busy: int) -> None:
    """A locked database is retried until it is free, for half a minute at most."""
    url = sqlite_url(tmp_path / "a.db")
    await fill_soundly(url)
    async with open_storage(url) as storage:
        batch = await storage.database.read(
            select(orders).where(orders.c.order_id == id_of(CANCELED))
        )
    writer = BusyWriter(url, busy=busy)

    if busy < BUSY_ATTEMPTS_MAX:
        assert (await pruning._delete(writer, batch)) == Pruned(orders=1, events=2)
    else:
        with pytest.raises(MaintenanceError, match="another program keeps the database locked"):
            await pruning._delete(writer, batch)

    await writer.close()
    assert writer.attempts == min(busy + 1, BUSY_ATTEMPTS_MAX)


async def test_a_transaction_is_bounded_by_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders with many splits are deleted few at a time, with a pause after each transaction."""
    monkeypatch.setattr(pruning, "ROWS_PER_TRANSACTION_MAX", 20)
    url = sqlite_url(tmp_path / "a.db")
    work = SymbolAtWork()
    resting = [make_order(3, number=number) for number in (1, 2, 3, 4)]
    async with open_storage(url) as storage:
        for order in resting:
            await storage.journal.accept(order)
            storage.journal.record(work.rest(order))
        for update_id in range(1, 13):
            storage.journal.record(work.meet(make_quote(update_id, ask=(update_id, 1))))
        await storage.journal.settle()
    reports: list[tuple[int, int]] = []

    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    await prune(url, LATER, on_progress=lambda *progress: reports.append(progress), sleep=rest)

    assert len(rests) == len(reports)
    assert all(seconds > 0 for seconds in rests)
    # Four events of each order, counted twice for the splits beside them.
    assert reports == [(3, 4), (4, 4)]


async def test_another_error_is_one_line(tmp_path: Path) -> None:
    """An error of a foreign trigger is named in one line, and no row is deleted."""
    path = tmp_path / "a.db"
    await fill_soundly(sqlite_url(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON orders"
            " BEGIN SELECT RAISE(ABORT, 'orders are kept'); END"
        )

    with pytest.raises(StartupError, match="cannot be used: orders are kept"):
        await prune(str(path), LATER)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT last_pruned_position FROM event_stream").fetchone() == (
            0,
        )


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """One line names the missing database, and no file is created."""
    with pytest.raises(StartupError, match="there is no database"):
        await prune(str(tmp_path / "a.db"), LATER)
