"""Print the results and the progress of ``papertape audit``, ``verify``, ``prune`` and ``backup``.

The work is done in ``app.auditing`` and ``app.recording.verify``. Results go to standard output.
The progress goes to standard error, and only if that is a terminal.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.auditing.audit import audit
from app.auditing.audit_report import AuditReport
from app.auditing.backup import back_up
from app.auditing.prune import Pruned, count_finished, prune
from app.cli.client.terminal import make_console, print_line
from app.recording.verify.verification import verify
from app.recording.verify.verification_report import VerificationReport

_DATE_CHARACTERS: Final = len("2026-11-23")

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_ShowProgress = Callable[[str, int, int], None]


async def audit_database(database: str, *, as_json: bool) -> bool:
    """Audit a database, print the report, and return whether the database is sound.

    Raises:
        StartupError: the database cannot be read.
    """
    with _progress() as show:
        report = await audit(database, on_progress=show)
    if as_json:
        _print_document(_audit_document(report))
    else:
        _print(_audit_lines(report))
    return report.is_sound


async def verify_database(
    database: str, tapes: Sequence[Path], *, as_json: bool
) -> VerificationReport:
    """Verify a database by its recordings, print the report, and return it.

    Raises:
        StartupError: the database or a file cannot be read.
    """
    with _progress() as show:
        report = await verify(database, tapes, on_progress=show)
    if as_json:
        is_verified = not report.differs and report.is_covered
        _print_document({"verified": is_verified, **asdict(report)})
    else:
        _print(_verification_lines(report))
    return report


async def prune_database(database: str, before: datetime, *, dry_run: bool) -> None:
    """Delete the orders that ended before an instant and print their number, or only count them.

    Raises:
        MaintenanceError: the database is busy.
        StartupError: the database cannot be used.
    """
    if dry_run:
        counted = await count_finished(database, before)
        _print([f"would prune {_counts(counted)}"])
        return
    with _progress() as show:
        pruned = await prune(database, before, on_progress=partial(show, "orders"))
    _print([f"pruned {_counts(pruned)}"])


async def back_up_database(database: str, file: Path) -> None:
    """Copy an SQLite database and print the path of the copy.

    Raises:
        MaintenanceError: the copy cannot be written.
        StartupError: the database does not exist.
    """
    with _progress() as show:
        size = await back_up(database, file, on_progress=partial(show, "pages"))
    _print([f"copied the database to {file} ({size:,} bytes)"])


def read_before(text: str, *, now: datetime) -> datetime:
    """Read an instant, or a UTC date, which means its first moment.

    Raises:
        typer.BadParameter: the text is neither, or is in the future.
    """
    complete = f"{text}T00:00:00Z" if len(text) == _DATE_CHARACTERS else text
    try:
        # RFC 3339, section 5.6, is all that msgspec reads.
        instant = msgspec.convert(complete, _Instant).astimezone(UTC)
    # OverflowError: an offset that leads to a time before the year 1.
    except (msgspec.ValidationError, OverflowError):
        message = (
            f"--before {text[:40]!r} is not a date: "
            "write YYYY-MM-DD, or an instant such as 2026-11-23T16:46:37Z"
        )
        raise typer.BadParameter(message) from None
    if instant > now:
        raise typer.BadParameter(f"--before {text} is in the future")
    return instant


@contextlib.contextmanager
def _progress() -> Iterator[_ShowProgress]:
    """Yield a function that shows progress on a terminal, and nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # A file or a pipe gets no progress bar.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            # A step appears when it begins; a total of 0 means unknown.
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total or None)
            progress.update(tasks[step], completed=done)

        yield show


def _audit_lines(report: AuditReport) -> Iterator[str]:
    for finding in report.findings.values():
        mark = f"{finding.violations:,} violated" if finding.violations else "ok"
        yield f"{mark:>12}  {finding.rows:>12,} rows  {finding.invariant.sentence}"
    for violation in report.examples:
        order_id = violation.order_id or "-"
        yield f"{violation.invariant}  {order_id}  {violation.detail}"
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
        yield f"{one.kind}  {one.order_id or '-'}  {one.where}: {one.kind.sentence}"
        yield f"  in the recording: {one.recorded}"
        yield f"  in the database:  {one.stored}"
    if len(report.differences) < report.differences_total:
        yield f"and {report.differences_total - len(report.differences):,} more differences"
    for cause, count in report.causes.items():
        yield f"not covered: {count:,} {cause}"
    if report.undurable:
        yield f"{report.undurable:,} derived splits and ends are not stored"
    yield (
        f"{report.orders:,} orders, {report.splits:,} splits verified"
        f" by {report.frames:,} frames in {report.files:,} file{'' if report.files == 1 else 's'},"
        f" {report.differences_total:,} differ,"
        f" {report.splits_not_covered:,} splits of {report.orders_not_covered:,} orders not covered"
    )


def _audit_document(report: AuditReport) -> dict[str, object]:
    return {
        "database": report.database,
        "sound": report.is_sound,
        "orders": report.orders,
        "violations_total": report.violations_total,
        "invariants": [
            {
                "invariant": finding.invariant,
                "sentence": finding.invariant.sentence,
                "rows": finding.rows,
                "violations": finding.violations,
            }
            for finding in report.findings.values()
        ],
        "violations": [
            asdict(one) for finding in report.findings.values() for one in finding.examples
        ],
        "notes_total": report.notes_total,
        "notes": list(report.notes),
    }


def _counts(pruned: Pruned) -> str:
    return f"{pruned.orders:,} orders, {pruned.events:,} events, {pruned.splits:,} splits"


def _print(lines: Iterable[str]) -> None:
    console = make_console()
    for line in lines:
        print_line(console, line)


def _print_document(document: Mapping[str, object]) -> None:
    _print([json.dumps(document, ensure_ascii=False, indent=2)])
