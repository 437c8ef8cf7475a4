"""Tests of ``app.cli.maintenance``; ``storage`` and ``contract`` test the work itself."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from app.auditing.audit_report import EXAMPLES_MAX, Invariant
from app.cli.maintenance import (
    audit_database,
    back_up_database,
    prune_database,
    read_before,
    verify_database,
)
from app.recording.service.recording_folder import recordings_in
from tests.support.builders import ACCEPTED_AT
from tests.support.databases import sqlite_url
from tests.support.recorded_history import OPEN, history
from tests.support.recorded_history import id_of as id_of_recorded
from tests.support.sound_database import FILLED, ORDERS_TOTAL, fill_soundly, id_of
from tests.unit.cli.conftest import Printed

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return the path of a sound database."""
    path = tmp_path / "papertape.db"
    await fill_soundly(sqlite_url(path))
    return path


def spoil(path: Path, *statements: str) -> None:
    """Change a database directly, without its constraints."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


async def test_a_sound_database_gives_one_line_per_invariant(path: Path, printed: Printed) -> None:
    """The last line is the verdict; without a terminal nothing else is printed."""
    assert await audit_database(str(path), as_json=False)

    *lines, verdict = printed.out.splitlines()
    assert len(lines) == len(Invariant)
    assert "          ok            17 rows  the positions of an order's events rise" in lines
    assert verdict == f"{path} with {ORDERS_TOTAL} orders is sound"
    assert printed.err == ""


async def test_violations_name_their_order(path: Path, printed: Printed) -> None:
    """Each violation is one line after the invariants."""
    spoil(path, "UPDATE orders SET limit_price = '99.98' WHERE acceptance_number = 1")

    assert not await audit_database(str(path), as_json=False)

    lines = printed.out.splitlines()
    assert "  1 violated             6 rows  no split is beyond the limit price" in lines
    assert f"limit_price  {id_of(FILLED)}  split 1 at 99.99, BUY limit 99.98" in lines
    assert lines[-1].endswith("orders is not sound: 2 violations")


async def test_many_violations_and_notes_are_counted(path: Path, printed: Printed) -> None:
    """The first ones are printed, the others are counted."""
    spoil(
        path,
        "WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n LIMIT 30)"
        " INSERT INTO taken_liquidity SELECT 'LTCBTC', 'public', 'BUY', i, '1', 12 FROM n",
        "UPDATE symbol_gates SET update_id = 1",
    )

    assert not await audit_database(str(path), as_json=False)

    lines = printed.out.splitlines()
    assert sum(line.startswith("ledger  -  LTCBTC BUY of public at ") for line in lines) == 20
    assert f"and {30 - EXAMPLES_MAX} more violations" in lines
    assert sum(line.startswith("note: the gate of ") for line in lines) == 3


async def test_a_program_reads_the_report_as_json(path: Path, printed: Printed) -> None:
    """The document has everything that the text has; standard output has nothing else."""
    spoil(path, "UPDATE orders SET limit_price = '99.98' WHERE acceptance_number = 1")

    await audit_database(str(path), as_json=True)

    report = json.loads(printed.out)
    assert (report["database"], report["orders"]) == (str(path), ORDERS_TOTAL)
    assert (report["sound"], report["violations_total"]) == (False, 2)
    assert [one["invariant"] for one in report["invariants"]] == list(Invariant)
    assert {
        "invariant": "limit_price",
        "order_id": id_of(FILLED),
        "detail": "split 1 at 99.99, BUY limit 99.98",
    } in report["violations"]
    assert (report["notes"], report["notes_total"]) == ([], 0)


async def test_pruning_prints_the_deleted_numbers(path: Path, printed: Printed) -> None:
    """A dry run prints the same numbers and deletes nothing."""
    for dry_run in (True, False, False):
        before = ACCEPTED_AT + timedelta(days=1)
        await prune_database(sqlite_url(path), before, dry_run=dry_run)

    assert printed.out.splitlines() == [
        "would prune 6 orders, 14 events, 5 splits",
        "pruned 6 orders, 14 events, 5 splits",
        "pruned 0 orders, 0 events, 0 splits",
    ]


async def test_a_copy_is_reported(path: Path, printed: Printed) -> None:
    """The line has the path and the size."""
    copy = path.with_name("copy.db")

    await back_up_database(sqlite_url(path), copy)

    size = f"{copy.stat().st_size:,}"
    assert printed.out == f"copied the database to {copy} ({size} bytes)\n"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-08-08", ACCEPTED_AT.replace(hour=0, minute=0, second=0)),
        ("2024-08-08T23:54:14Z", ACCEPTED_AT),
        ("2024-08-08t23:54:14.000001z", ACCEPTED_AT + timedelta(microseconds=1)),
        ("2024-08-09 01:54:14+02:00", ACCEPTED_AT),
        ("2026-11-24T12:00:00Z", NOW),
    ],
)
def test_a_date_or_an_instant_is_read(text: str, instant: datetime) -> None:
    """A date means its first moment in UTC."""
    assert read_before(text, now=NOW) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-8-8",
        "20240808",
        "2024-W32-4",
        "2024-02-30",
        "2024-08-08T23:54:14",
        "2024-08-08T25:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "٢٠٢٤-٠٨-٠٨",
        "1" * 5000,
    ],
)
def test_a_malformed_date_is_refused(text: str) -> None:
    """One short line explains the format."""
    with pytest.raises(
        typer.BadParameter, match="is not a date: write YYYY-MM-DD, or an"
    ) as refused:
        read_before(text, now=NOW)

    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["2026-11-25", "2026-11-24T12:00:00.000001Z"])
def test_a_future_date_is_refused(text: str) -> None:
    """It is probably a mistake, and every order would be deleted."""
    with pytest.raises(typer.BadParameter, match=f"--before {text} is in the future"):
        read_before(text, now=NOW)


async def test_a_verification_is_one_line(tmp_path: Path, printed: Printed) -> None:
    """The line counts the verified orders and splits."""
    service = await history(tmp_path)
    printed.forget()

    report = await verify_database(str(service.path), [service.recordings], as_json=False)

    assert printed.out == (
        f"14 orders, {report.splits} splits verified by {report.frames} frames in 3 files,"
        " 0 differ, 0 splits of 0 orders not covered\n"
    )


async def test_a_difference_has_both_sides_and_a_gap_its_cause(
    tmp_path: Path, printed: Printed
) -> None:
    """The JSON document has the same facts."""
    service = await history(tmp_path)
    split = f"order_id = '{id_of_recorded(OPEN)}' AND split_number = 1"
    spoil(service.path, f"UPDATE fulfilled_order_splits SET price = '99.4' WHERE {split}")  # noqa: S608 - constants
    files = recordings_in(service.recordings)[1:]
    printed.forget()

    await verify_database(str(service.path), files, as_json=False)

    lines = printed.out.splitlines()
    assert lines[:3] == [
        f"price  {id_of_recorded(OPEN)}  split 1: a split has another price",
        "  in the recording: 3 at 99.5 of 7 displayed by quote 30",
        "  in the database:  3 at 99.4 of 7 displayed by quote 30",
    ]
    assert any(line.endswith(" before the recording begins") for line in lines)
    printed.forget()
    await verify_database(str(service.path), files, as_json=True)
    document = json.loads(printed.out)
    assert (document["verified"], document["differences"][0]["kind"]) == (False, "price")
    assert document["causes"]["before the recording begins"] > 0
