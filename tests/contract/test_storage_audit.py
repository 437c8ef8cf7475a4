"""An audit of either database: the same invariants, named in the same words."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.storage.audit import audit
from app.storage.audit_report import Invariant
from tests.support.databases import KINDS, open_storage, scratch_database, server_connection
from tests.support.planted_violations import PLANTED, Planted
from tests.support.sound_database import NEW, ORDERS_TOTAL, fill_soundly, id_of


@pytest.fixture(params=KINDS)
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Give a sound database of each kind."""
    async with scratch_database(request.param, tmp_path) as url:
        await fill_soundly(url)
        yield url


async def test_a_sound_database_is_found_sound(url: str) -> None:
    """Every invariant was looked at and holds; only SQLite has pages of its own to check."""
    report = await audit(url)

    assert report.examples == ()
    assert report.is_sound
    assert (report.notes, report.orders) == ((), ORDERS_TOTAL)
    unseen = {finding.invariant for finding in report.findings if not finding.rows}
    assert unseen == (set() if url.startswith("sqlite") else {Invariant.INTEGRITY})


@pytest.mark.parametrize(
    "planted", [one for one in PLANTED if not one.is_constrained], ids=lambda planted: planted.name
)
async def test_a_planted_violation_is_named(url: str, planted: Planted) -> None:
    """The invariant that does not hold, and the order to blame."""
    async with open_storage(url) as storage:
        for statement in planted.statements:
            await storage.execute(statement)

    report = await audit(url)

    assert not report.is_sound
    blamed = [one.order_id for one in report.examples if one.invariant is planted.invariant]
    assert (None if planted.number is None else id_of(planted.number)) in blamed


async def test_a_row_without_its_order_is_named(tmp_path: Path) -> None:
    """PostgreSQL lets an administrator lift foreign keys."""
    async with scratch_database("postgresql", tmp_path) as url:
        await fill_soundly(url)
        async with server_connection(url) as connection:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(
                f"DELETE FROM orders WHERE order_id = '{id_of(NEW)}'"  # noqa: S608 - a constant
            )

        report = await audit(url)

    assert report.violated == {Invariant.REFERENCES}
    assert [one.order_id for one in report.examples] == [id_of(NEW)]
