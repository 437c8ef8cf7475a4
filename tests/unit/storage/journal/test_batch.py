"""One transaction of the journal, written as a whole or part by part."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.domain.events import SymbolOutcome, acceptance_event
from app.domain.order import Order, Symbol
from app.storage.failures import DATABASE_ERRORS, OwnershipLostError, is_operational
from app.storage.journal.batch import Batch
from app.storage.journal.rows import Part
from tests.support.builders import LTCBTC, make_order
from tests.support.databases import OpenStorage, open_storage, sqlite_url


def acceptance(order: Order, position: int) -> Part:
    """Return the part that accepts an order."""
    return Part(content=order, events=(acceptance_event(order),), position=position)


SOUND = acceptance(make_order(number=1), 1)
BAD = acceptance(make_order("0", number=2), 2)
ALSO_SOUND = acceptance(make_order(number=3), 3)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[OpenStorage]:
    """Open an SQLite database."""
    async with open_storage(sqlite_url(tmp_path / "a.db")) as storage:
        yield storage


def outcome(gate: int, symbol: Symbol = LTCBTC) -> Part:
    """Return a part that moves a gate."""
    return Part(content=SymbolOutcome(symbol=symbol, events=(), ledger_changes=(), gate=gate))


async def accepted(storage: OpenStorage) -> list[tuple[int]]:
    """Return the numbers of the stored orders."""
    return [(row[0],) for row in await storage.rows("SELECT acceptance_number FROM orders")]


async def test_one_bad_part_spoils_the_whole_write(storage: OpenStorage) -> None:
    """A part that cannot be written fails the whole write, before any commit is tried."""
    batch = Batch([SOUND, BAD], storage.database.epoch)

    with pytest.raises(DATABASE_ERRORS, match="quantity_positive"):
        await storage.database.write(batch.write)

    assert not batch.may_be_stored
    assert await accepted(storage) == []


async def test_one_by_one_only_the_bad_part_is_left_out(storage: OpenStorage) -> None:
    """Written one by one, only the bad part is refused, with its cause; all others are written."""
    batch = Batch([SOUND, BAD, ALSO_SOUND], storage.database.epoch)

    await storage.database.write(lambda c: batch.write_one_by_one(c, is_operational))

    assert [one.part for one in batch.refused] == [BAD]
    assert "quantity_positive" in str(batch.refused[0].error)
    assert batch.may_be_stored
    assert await accepted(storage) == [(1,), (3,)]


async def test_what_builds_on_a_refused_outcome_is_refused(storage: OpenStorage) -> None:
    """Later outcomes of the same symbol are refused too; another symbol is not affected."""
    parts = [outcome(1), outcome(-2), outcome(3), outcome(4, Symbol("ETHBTC")), SOUND]
    batch = Batch(parts, storage.database.epoch)

    await storage.database.write(lambda c: batch.write_one_by_one(c, is_operational))

    assert [one.part for one in batch.refused] == parts[1:3]
    assert [one.error is None for one in batch.refused] == [False, True]
    assert await storage.rows("SELECT symbol, update_id FROM symbol_gates ORDER BY 1") == [
        ("ETHBTC", 4),
        ("LTCBTC", 1),
    ]


async def test_trouble_is_no_parts_fault(storage: OpenStorage) -> None:
    """An operational failure in the middle is raised, and no part is refused."""
    await storage.execute("ALTER TABLE orders RENAME TO out_of_reach")
    batch = Batch([outcome(1), SOUND], storage.database.epoch)

    with pytest.raises(DATABASE_ERRORS, match="orders"):
        await storage.database.write(lambda c: batch.write_one_by_one(c, is_operational))

    assert batch.refused == []
    assert await storage.rows("SELECT * FROM symbol_gates") == []


@pytest.mark.parametrize("is_retry", [False, True])
async def test_a_later_epoch_keeps_everything_out(storage: OpenStorage, is_retry: bool) -> None:  # noqa: FBT001 - a case
    """A later epoch stops the transaction before its first row."""
    batch = replace(Batch([SOUND], storage.database.epoch - 1), is_retry=is_retry)

    with pytest.raises(OwnershipLostError, match="the test"):
        await storage.database.write(batch.write)

    assert await accepted(storage) == []


@pytest.mark.parametrize("is_retry", [False, True])
async def test_a_retry_writes_even_if_nothing_is_left(storage: OpenStorage, is_retry: bool) -> None:  # noqa: FBT001 - a case
    """A retry without parts still writes, to show that the database accepts writes again."""
    batch = Batch([], storage.database.epoch, is_retry=is_retry)

    def rows_written(connection: Connection) -> int:
        before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        batch.write(connection)
        after = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        return int(after) - int(before)

    assert await storage.database.write(rows_written) == int(is_retry)
    assert await storage.rows("SELECT epoch FROM service_owner") == [(storage.database.epoch,)]
