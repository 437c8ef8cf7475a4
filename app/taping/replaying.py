"""``papertape replay``: orders on a tape, and what each of them would have got.

The output depends on the tape and the orders alone, byte for byte; whatever does not, such as how
long it took, goes to the standard error.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.client.terminal import make_console, print_table, print_words, tell
from app.domain.amounts import average_price, format_amount
from app.domain.errors import StartupError
from app.domain.quote import Quote
from app.market.book_ticker import Drop, parse_frame
from app.ports import Clock
from app.tapes.lines import TapeLine
from app.tapes.orders import read_orders
from app.tapes.reading import TapeError, TapeReader
from app.tapes.replay import (
    FinalState,
    ReplayOrder,
    ReplayOutcome,
    ReplayReport,
    ReplayResult,
    UnusableFrame,
    replay,
)
from app.tapes.words import count_of

STANDARD_INPUT: Final = "-"
ROWS_SHOWN_MAX: Final = 100
IDS_TOLD_MAX: Final = 5

PROGRESS_SECONDS: Final = 5.0
"""Between two lines on a pipe; a terminal shows a bar from a second on."""

_BAR_AFTER_SECONDS: Final = 1.0
_LINES_PER_LOOK: Final = 8_192
_NANOSECONDS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STYLES: Final = {
    FinalState.FILLED: "green",
    FinalState.EXPIRED_PARTIAL: "yellow",
    FinalState.EXPIRED_UNFILLED: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCommand:
    """What the command line asks for; ``orders`` may be ``-``, the standard input."""

    tape: Path
    orders: str
    as_json: bool
    out: Path | None


def replay_tape(command: ReplayCommand, *, clock: Clock) -> None:
    """Replay, and write the results to the standard output, or as JSON to ``out``.

    Raises:
        StartupError: the tape or the orders cannot be used, or ``out`` cannot be written.
    """
    _check_out(command)
    orders = _read_orders(command.orders)
    reader = TapeReader(command.tape)
    started_ns = clock.monotonic_ns()
    with _ReplayProgress(reader, clock) as progress:
        outcome = replay(progress.watched(), orders, parse=_parse)
    seconds = (clock.monotonic_ns() - started_ns) / _NANOSECONDS
    _refuse_unseen(command.tape, outcome.report)
    _warn(reader, orders, outcome.report)
    if command.out is not None:
        _write(command.out, b"".join(json_lines(outcome.results)))
    elif command.as_json:
        sys.stdout.buffer.writelines(json_lines(outcome.results))
        sys.stdout.buffer.flush()
    if not command.as_json:
        _show(outcome, command.tape)
    frames = outcome.report.frames
    tell(f"{frames} frames in {seconds:.2f} s, {frames / max(seconds, 1e-9):,.0f} a second")


def json_lines(results: Sequence[ReplayResult]) -> Iterator[bytes]:
    """Yield a JSON list of the results, one to a line."""
    for number, result in enumerate(results):
        yield (b",\n" if number else b"[\n") + msgspec.json.encode(_document(result))
    yield b"\n]\n"


def _document(result: ReplayResult) -> dict[str, object]:
    return {
        "id": result.order.order_id,
        "final_state": result.final_state.value,
        "filled_quantity": format_amount(result.filled_quantity),
        "remaining_quantity": format_amount(result.remaining_quantity),
        "total_cost": format_amount(result.total_cost),
        "splits": [
            {
                "update_id": split.update_id,
                "price": format_amount(split.price),
                "quantity": format_amount(split.quantity),
                "ts": split.ts,
            }
            for split in result.splits
        ],
    }


def _parse(frame: bytes, received_ns: int) -> Quote | UnusableFrame:
    """Read a frame as the service does."""
    parsed = parse_frame(frame, received_ns)
    if isinstance(parsed, Quote):
        return parsed
    return UnusableFrame(symbol=parsed.symbol if isinstance(parsed, Drop) else None)


def _read_orders(name: str) -> list[ReplayOrder]:
    if name == STANDARD_INPUT:
        return read_orders(sys.stdin.buffer.read(), "standard input")
    try:
        content = Path(name).read_bytes()
    except OSError as error:
        raise StartupError(f"{name}: {error.strerror}") from None
    return read_orders(content, name)


def _check_out(command: ReplayCommand) -> None:
    """Refuse what would fail, or do harm, only after a long replay."""
    out = command.out
    if out is None:
        return
    if not out.parent.is_dir():
        raise StartupError(f"{out}: there is no folder {out.parent}")
    if out.is_dir():
        raise StartupError(f"{out}: is a folder")
    inputs = [command.tape]
    if command.orders != STANDARD_INPUT:
        inputs.append(Path(command.orders))
    if any(one.exists() and out.exists() and out.samefile(one) for one in inputs):
        raise StartupError(f"{out}: is read by this replay; name another file for the results")


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise StartupError(f"{out}: {error.strerror}") from None


def _refuse_unseen(tape: Path, report: ReplayReport) -> None:
    if not report.unseen:
        return
    missing = ", ".join(sorted(report.unseen)[:IDS_TOLD_MAX])
    seen = ", ".join(sorted(report.symbols)) or "no others"
    raise TapeError(tape, 0, f"holds no quote of {missing}; it has {seen}")


def _warn(reader: TapeReader, orders: Sequence[ReplayOrder], report: ReplayReport) -> None:
    """Say what a reader of the results should know about the tape and the orders' times."""
    if reader.is_cut_short:
        tell(f"{reader.path} ends in the middle; what comes before was replayed")
    if report.quotes_late:
        late = count_of(report.quotes_late, "quote")
        tell(f"{late} with an update id that did not rise, which fill nothing")
    if report.frames_unusable:
        unusable = count_of(report.frames_unusable, "frame")
        tell(f"{unusable} of no use: after each its symbol has no quote until the next one")
    if report.interruptions:
        gaps = count_of(report.interruptions, "gap")
        tell(f"{gaps} in the recording: after each there is no quote until the next one")
    assert report.first_ts is not None, "a symbol was seen"
    first, last = report.first_ts, report.last_ts
    _warn_of(
        [order for order in orders if order.placed_ts < first],
        "placed before the tape begins, to wait for it",
    )
    if not report.has_ended:
        return
    _warn_of(
        [order for order in orders if order.placed_ts > last],
        "placed after the tape ends, and unfilled",
    )
    _warn_of(
        [order for order in orders if order.placed_ts <= last < order.deadline_ts],
        "still had time when the tape ended",
    )


def _warn_of(orders: Sequence[ReplayOrder], what: str) -> None:
    if not orders:
        return
    ids = ", ".join(order.order_id for order in orders[:IDS_TOLD_MAX])
    more = ", …" if len(orders) > IDS_TOLD_MAX else ""
    tell(f"{count_of(len(orders), 'order')} {what}: {ids}{more}")


def _show(outcome: ReplayOutcome, tape: Path) -> None:
    console = make_console()
    print_table(console, _table(outcome.results))
    states = Counter(result.final_state for result in outcome.results)
    ended = ", ".join(f"{states[state]} {state}" for state in FinalState)
    splits = sum(len(result.splits) for result in outcome.results)
    orders = count_of(len(outcome.results), "order")
    print_words(console, f"{orders}: {ended}; {count_of(splits, 'split')}")
    report = outcome.report
    assert report.first_ts is not None, "a symbol was seen"
    span = f"{_instant(report.first_ts)} to {_instant(report.last_ts)}"
    print_words(console, f"{tape}: {count_of(report.frames, 'frame')} read, {span}")


def _table(results: Sequence[ReplayResult]) -> Table:
    table = Table()
    for heading in ("order", "symbol", "side"):
        table.add_column(heading, no_wrap=True)
    for heading in ("size", "price", "filled", "average price", "cost", "splits"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for result in results[:ROWS_SHOWN_MAX]:
        order = result.order
        average = average_price(
            quote_quantity=result.total_cost, filled_quantity=result.filled_quantity
        )
        table.add_row(
            Text(order.order_id),
            order.symbol,
            order.side,
            format_amount(order.quantity),
            format_amount(order.limit_price),
            format_amount(result.filled_quantity),
            "-" if average is None else format_amount(average),
            format_amount(result.total_cost),
            str(len(result.splits)),
            Text(result.final_state, style=_STYLES[result.final_state]),
        )
    if len(results) > ROWS_SHOWN_MAX:
        table.add_row("…", f"{len(results) - ROWS_SHOWN_MAX} more; --json has all of them")
    return table


def _instant(ts: int) -> str:
    return (_EPOCH + timedelta(microseconds=ts)).strftime("%Y-%m-%d %H:%M:%S.%fZ")


class _ReplayProgress:
    """Says on the standard error how far a replay is, if it takes long."""

    def __init__(self, reader: TapeReader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._is_terminal = sys.stderr.isatty()
        self._bar: Progress | None = None
        pause = _BAR_AFTER_SECONDS if self._is_terminal else PROGRESS_SECONDS
        self._next_ns = clock.monotonic_ns() + round(pause * _NANOSECONDS)

    def watched(self) -> Iterator[TapeLine]:
        """Yield the lines of the tape."""
        for line in self._reader:
            if not line.number % _LINES_PER_LOOK:
                self._look(line.number)
            yield line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _look(self, number: int) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns:
            return
        reader = self._reader
        if not self._is_terminal:
            self._next_ns = now_ns + round(PROGRESS_SECONDS * _NANOSECONDS)
            percent = 100 * reader.bytes_read // max(reader.bytes_total, 1)
            tell(f"{percent} % of {reader.path}, line {number}")
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("line {task.fields[line]}"),
                BarColumn(),
                TextColumn("{task.percentage:.0f} %"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("", total=reader.bytes_total, line=number)
        self._bar.update(self._bar.task_ids[0], completed=reader.bytes_read, line=number)
