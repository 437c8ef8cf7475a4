"""What ``papertape audit``, ``verify``, ``prune`` and ``backup`` say, and show while one waits.

What they do is in ``app.storage`` and ``app.recording.verify``. Results go to the standard output,
progress to a terminal on the standard error, so that a program which reads the one is not disturbed
by the other.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.auditing.audit import audit
from app.auditing.audit_report import AuditReport
from app.auditing.backup import back_up
from app.auditing.prune import Pruned, count_finished, prune
from app.recording.verify.verification import verify
from app.recording.verify.verification_report import SENTENCES, VerificationReport
from app.storage.failures import MaintenanceError

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
"""RFC 3339, section 5.6."""

_Show = Callable[[str, int, int], None]


async def audit_database(database: str, *, as_json: bool) -> bool:
    """Audit a database, say what was found, and return whether it is sound.

    Raises:
        StartupError: it cannot be read.
    """
    with _progress() as show:
        report = await audit(database, on_progress=show)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if as_json:
        console.print(json.dumps(_plain(report), ensure_ascii=False, indent=2))
    else:
        for line in _lines(report):
            console.print(line)
    return report.is_sound


async def verify_database(
    database: str, tapes: Sequence[Path], *, as_json: bool
) -> VerificationReport:
    """Derive a database's splits from recordings, say what was found, and return it.

    Raises:
        StartupError: something cannot be read.
    """
    with _progress() as show:
        report = await verify(database, tapes, on_progress=show)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if as_json:
        told = {"verified": not report.differs and report.is_covered, **asdict(report)}
        console.print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        for line in _verification_lines(report):
            console.print(line)
    return report


async def prune_database(database: str, before: str, *, now: datetime, dry_run: bool) -> None:
    """Delete finished orders and say how many; or say how many would be deleted.

    Raises:
        MaintenanceError: ``before`` is no date, or lies in the future; or the database is busy.
        StartupError: the database cannot be used.
    """
    instant = read_before(before, now=now)
    if dry_run:
        counted = await count_finished(database, instant)
        _say(f"would prune {_amount(counted)}")
        return
    with _progress() as show:
        pruned = await prune(
            database, instant, on_progress=lambda done, total: show("orders", done, total)
        )
    _say(f"pruned {_amount(pruned)}")


async def back_up_database(database: str, file: Path) -> None:
    """Copy an SQLite database and say where it is.

    Raises:
        MaintenanceError: it cannot be copied there.
        StartupError: there is no such database.
    """
    with _progress() as show:
        size = await back_up(
            database, file, on_progress=lambda done, total: show("pages", done, total)
        )
    _say(f"copied the database to {file} ({size:,} bytes)")


def read_before(text: str, *, now: datetime) -> datetime:
    """Read a UTC date, which means its first moment, or an instant.

    Raises:
        MaintenanceError: neither, or it lies in the future.
    """
    instant = _instant(text)
    if instant is None:
        message = (
            f"--before {text[:40]!r} is no date: "
            "write YYYY-MM-DD, or an instant as in 2026-11-23T16:46:37Z"
        )
        raise MaintenanceError(message)
    if instant > now:
        raise MaintenanceError(f"--before {text} is in the future")
    return instant


def _instant(text: str) -> datetime | None:
    """Read a date or an instant; None if there is no such."""
    if _DATE.fullmatch(text):
        text = f"{text}T00:00:00Z"
    elif not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@contextlib.contextmanager
def _progress() -> Iterator[_Show]:
    """Show how far things are, on a terminal; elsewhere show nothing."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total or None)
            progress.update(tasks[step], completed=done)

        yield show


def _lines(report: AuditReport) -> Iterator[str]:
    for finding in report.findings:
        mark = f"{finding.violations:,} violated" if finding.violations else "ok"
        yield f"{mark:>12}  {finding.rows:>12,} rows  {finding.sentence}"
    for violation in report.examples:
        blamed = violation.order_id or "-"
        yield f"{violation.invariant}  {blamed}  {violation.detail}"
    if len(report.examples) < report.violations_total:
        yield f"and {report.violations_total - len(report.examples):,} more violations"
    for note in report.notes:
        yield f"note: {note}"
    if len(report.notes) < report.notes_total:
        yield f"and {report.notes_total - len(report.notes):,} more notes"
    verdict = "sound" if report.is_sound else f"not sound: {report.violations_total:,} violations"
    yield f"{report.database} with {report.orders:,} orders is {verdict}"


def _verification_lines(report: VerificationReport) -> Iterator[str]:
    for one in report.differences:
        yield f"{one.kind}  {one.order_id or '-'}  {one.where}: {SENTENCES[one.kind]}"
        yield f"  by the recording: {one.recorded}"
        yield f"  in the database:  {one.stored}"
    if len(report.differences) < report.differences_total:
        yield f"and {report.differences_total - len(report.differences):,} more differences"
    for cause, count in report.causes.items():
        yield f"not covered: {count:,} {cause}"
    if report.undurable:
        yield f"{report.undurable:,} splits and ends were derived and are not durable"
    yield (
        f"{report.orders:,} orders, {report.splits:,} splits verified"
        f" by {report.frames:,} frames in {_files(report.files)},"
        f" {report.differences_total:,} differ,"
        f" {report.splits_not_covered:,} splits of {report.orders_not_covered:,} orders not covered"
    )


def _plain(report: AuditReport) -> dict[str, object]:
    return {
        "database": report.database,
        "sound": report.is_sound,
        "orders": report.orders,
        "violations_total": report.violations_total,
        "invariants": [
            {
                "invariant": finding.invariant,
                "sentence": finding.sentence,
                "rows": finding.rows,
                "violations": finding.violations,
            }
            for finding in report.findings
        ],
        "violations": [
            {"invariant": one.invariant, "order_id": one.order_id, "detail": one.detail}
            for finding in report.findings
            for one in finding.examples
        ],
        "notes_total": report.notes_total,
        "notes": list(report.notes),
    }


def _amount(pruned: Pruned) -> str:
    return f"{pruned.orders:,} orders, {pruned.events:,} events, {pruned.splits:,} splits"


def _say(line: str) -> None:
    Console(highlight=False, markup=False, soft_wrap=True).print(line)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
