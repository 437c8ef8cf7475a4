"""An audit of an SQLite file: a sound database passes, and each planted violation is found."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.auditing.audit import PROGRESS_ROWS, audit
from app.auditing.audit_report import Invariant
from app.domain.errors import StartupError
from app.storage.schema.migrate import migrate
from tests.support.builders import make_order
from tests.support.databases import open_storage, sqlite_url
from tests.support.planted_violations import PLANTED, Planted
from tests.support.sound_database import ORDERS_TOTAL, damage_table, fill_soundly, filling, id_of


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a sound, closed database that tests do not change."""
    path = tmp_path_factory.mktemp("sound") / "papertape.db"
    asyncio.run(fill_soundly(sqlite_url(path)))
    return path


@pytest.fixture
def path(sound_file: Path, tmp_path: Path) -> Path:
    """Return a copy of the sound file for one test to damage."""
    return Path(shutil.copy(sound_file, tmp_path / "papertape.db"))


@contextmanager
def spoiling(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database with its constraints disabled, as far as SQLite allows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection


def spoil(path: Path, *statements: str) -> None:
    """Change a database with its constraints disabled."""
    with spoiling(path) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


async def test_a_sound_database_is_found_sound(sound_file: Path) -> None:
    """Every invariant is checked and holds, for a path and for a URL."""
    report = await audit(str(sound_file))

    assert report == await audit(sqlite_url(sound_file))
    assert report.is_sound
    assert (report.notes, report.examples, report.violated) == ((), (), frozenset())
    assert (report.database, report.orders) == (str(sound_file), ORDERS_TOTAL)
    assert all(finding.rows for finding in report.findings.values())


def test_an_audit_changes_nothing(path: Path) -> None:
    """The bytes of the file stay the same."""
    before = path.read_bytes()

    asyncio.run(audit(str(path)))

    assert path.read_bytes() == before


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
async def test_a_planted_violation_is_named(path: Path, planted: Planted) -> None:
    """The report names the violated invariant and the order."""
    spoil(path, *planted.statements)

    report = await audit(str(path))

    assert not report.is_sound
    blamed = [one.order_id for one in report.examples if one.invariant is planted.invariant]
    assert (None if planted.number is None else id_of(planted.number)) in blamed


@pytest.mark.parametrize(
    "planted", [one for one in PLANTED if one.is_constrained], ids=lambda planted: planted.name
)
async def test_a_planted_violation_is_forbidden_by_the_schema(path: Path, planted: Planted) -> None:
    """The constraints refuse the violations that the test above plants without them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        *before, last = planted.statements
        for statement in before:
            connection.execute(statement)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(last)


def test_every_invariant_is_violated_by_something_planted() -> None:
    """Each invariant has a planted violation; two have their own tests below."""
    untested = set(Invariant) - {planted.invariant for planted in PLANTED}

    assert untested == {Invariant.INTEGRITY, Invariant.UPDATE_IDS}


async def test_a_broken_index_is_found_by_sqlite_itself(path: Path) -> None:
    """An index without its rows is found by SQLite's integrity check."""
    with spoiling(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        (index,) = connection.execute(
            "DELETE FROM sqlite_master WHERE name = 'orders_by_owner_and_symbol' RETURNING *"
        ).fetchall()
    with spoiling(path) as connection:
        connection.execute("UPDATE orders SET symbol = 'XRPBTC' WHERE status = 'NEW'")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)

    report = await audit(str(path))

    assert Invariant.INTEGRITY in report.violated


async def test_a_damaged_page_ends_the_audit_but_not_its_report(path: Path) -> None:
    """A damaged page is reported, with the findings from all rows that can be read."""
    damage_table(path, "order_events")

    report = await audit(str(path))

    assert Invariant.INTEGRITY in report.violated
    assert any("reading ended early" in one.detail for one in report.examples)


@pytest.mark.parametrize(
    ("statements", "note"),
    [
        (
            [
                "UPDATE fulfilled_order_splits SET update_id = 10 WHERE update_id = 12",
                "UPDATE orders SET departure_update_id = 10 WHERE departure_update_id = 12",
            ],
            "the update ids of LTCBTC fall from 11 to 10: the venue restarted its ids",
        ),
        (
            ["UPDATE symbol_gates SET update_id = 20 WHERE symbol = 'ETHBTC'"],
            (
                "the gate of ETHBTC is 20, below its newest split's update id 21:"
                " the venue restarted its ids"
            ),
        ),
    ],
    ids=["update ids of splits", "gate"],
)
async def test_update_ids_that_fall_are_noted(path: Path, statements: list[str], note: str) -> None:
    """Falling update ids are noted and are no violation: the venue restarted its ids."""
    spoil(path, *statements)

    report = await audit(str(path))

    assert (report.is_sound, report.notes) == (True, (note,))


async def test_a_pruned_database_is_not_asked_for_what_is_gone(path: Path) -> None:
    """A ledger level whose splits were pruned is not compared with them."""
    spoil(
        path,
        "UPDATE taken_liquidity SET price = '99.1' WHERE price = '99.2'",
        "UPDATE event_stream SET last_pruned_position = 1",
    )

    assert (await audit(str(path))).is_sound


async def test_a_service_goes_on_during_an_audit(tmp_path: Path) -> None:
    """Each audit beside a running service reads one snapshot and finds it sound."""
    url = sqlite_url(tmp_path / "papertape.db")
    reports = []
    async with open_storage(url) as storage, filling(storage) as has_accepted:
        for _ in range(5):
            has_accepted.clear()
            await has_accepted.wait()
            reports.append(await audit(url))

    assert [report for report in reports if not report.is_sound] == []
    assert reports[-1].orders > reports[0].orders


async def test_progress_is_reported(tmp_path: Path) -> None:
    """The audit of a large database reports its progress."""
    path = tmp_path / "papertape.db"
    url = sqlite_url(path)
    orders = PROGRESS_ROWS + 1
    async with open_storage(url) as storage:
        numbers = range(1, orders + 1)
        await asyncio.gather(
            *(storage.journal.accept(make_order(number=number)) for number in numbers)
        )
    reports: list[tuple[str, int, int]] = []

    await audit(url, on_progress=lambda *progress: reports.append(progress))

    assert reports == [
        ("pages of the file", 0, 0),
        ("orders", PROGRESS_ROWS, orders),
        ("orders", orders, orders),
    ]


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """One line names the missing database, and no file is created."""
    path = tmp_path / "nowhere.db"

    with pytest.raises(StartupError, match=r"there is no database .*nowhere\.db$"):
        await audit(str(path))

    assert not path.exists()


async def test_a_file_of_another_kind_cannot_be_audited(tmp_path: Path) -> None:
    """One line says that the file is no database."""
    path = tmp_path / "notes.db"
    path.write_text("bought 5 LTC today\n" * 100)

    with pytest.raises(StartupError, match=r"notes\.db is not an SQLite database"):
        await audit(str(path))


async def test_a_foreign_database_cannot_be_audited(tmp_path: Path) -> None:
    """A database without the tables of Papertape is refused."""
    path = tmp_path / "colors.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE colors (name TEXT)")

    with pytest.raises(StartupError, match="holds no orders of Papertape"):
        await audit(str(path))


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("20261124", r"of an older release \(revision 20261124\); bring it up to date with: pap"),
        ("20991231", r"of a newer release \(revision 20991231\); run that release"),
    ],
)
async def test_a_database_of_another_release_cannot_be_audited(
    path: Path, revision: str, message: str
) -> None:
    """A database of another release is refused and not migrated."""
    spoil(path, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608 - constants

    with pytest.raises(StartupError, match=message):
        await audit(str(path))


async def test_a_new_database_is_sound(tmp_path: Path) -> None:
    """A database without orders violates no invariant."""
    url = sqlite_url(tmp_path / "papertape.db")
    await migrate(url)

    report = await audit(url)

    assert report.is_sound
    assert report.orders == 0
