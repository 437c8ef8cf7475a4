"""An audit checks the same invariants on both databases, with the same descriptions."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.auditing.audit import audit
from app.auditing.audit_report import Invariant
from tests.support.databases import KINDS, server_connection
from tests.support.planted_violations import PLANTED, Planted
from tests.support.sound_database import NEW, ORDERS_TOTAL, id_of, sound_database


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the SQLite file with a sound database that the tests share."""
    return tmp_path_factory.mktemp("sound") / "template.db"


@pytest.fixture(params=KINDS)
async def url(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> AsyncIterator[str]:
    """Yield a sound database of each kind."""
    async with sound_database(request.param, tmp_path, template) as url:
        yield url


async def plant(url: str, statements: Sequence[str]) -> None:
    """Change a database directly, with its constraints enabled."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(make_url(url).database))) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            for statement in statements:
                connection.execute(statement)
        return
    async with server_connection(url) as connection, connection.transaction():
        for statement in statements:
            await connection.execute(statement)


async def test_a_sound_database_is_found_sound(url: str) -> None:
    """Every invariant is checked and holds; only SQLite has pages to check."""
    report = await audit(url)

    assert report.examples == ()
    assert report.is_sound
    assert (report.notes, report.orders) == ((), ORDERS_TOTAL)
    unseen = {finding.invariant for finding in report.findings.values() if not finding.rows}
    assert unseen == (set() if url.startswith("sqlite") else {Invariant.INTEGRITY})


@pytest.mark.parametrize(
    "planted", [one for one in PLANTED if not one.is_constrained], ids=lambda planted: planted.name
)
async def test_a_planted_violation_is_named(url: str, planted: Planted) -> None:
    """The report names the violated invariant and the order."""
    await plant(url, planted.statements)

    report = await audit(url)

    assert not report.is_sound
    blamed = [one.order_id for one in report.examples if one.invariant is planted.invariant]
    assert (None if planted.number is None else id_of(planted.number)) in blamed


async def test_a_row_without_its_order_is_named(tmp_path: Path, template: Path) -> None:
    """A row without its order is found: PostgreSQL lets an administrator disable foreign keys."""
    async with sound_database("postgresql", tmp_path, template) as url:
        async with server_connection(url) as connection:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(
                f"DELETE FROM orders WHERE order_id = '{id_of(NEW)}'"  # noqa: S608 - a constant
            )

        report = await audit(url)

    assert report.violated == {Invariant.REFERENCES}
    assert [one.order_id for one in report.examples] == [id_of(NEW)]
