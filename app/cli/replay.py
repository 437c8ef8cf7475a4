"""``papertape replay``: place orders on a tape and print the fills that each would have had.

Standard output depends only on the tape and the orders, byte for byte. Everything else, such as
the duration, goes to standard error.
"""

import contextlib
import sys
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.client.terminal import print_message
from app.cli.replay_results import LIST_BEGIN, json_lines, show_results, warn_of_times_and_faults
from app.domain.errors import StartupError
from app.domain.quote import Quote
from app.market.book_ticker import Drop, FrameReader
from app.ports import Clock
from app.tapes.replay import ReplayOrder, ReplayReport, UnusableFrame, replay
from app.tapes.replay_orders import ORDERS_BYTES_MAX, read_orders
from app.tapes.tape_lines import TapeLine
from app.tapes.tape_reader import TapeError, TapeReader

STANDARD_INPUT: Final = "-"
SYMBOLS_LISTED_MAX: Final = 5
"""The symbols that an error message lists, if the tape lacks them."""

PROGRESS_SECONDS: Final = 5.0
"""The time between two progress lines on a pipe; a terminal shows a bar after one second."""

_BAR_AFTER_SECONDS: Final = 1.0
_LINES_PER_CHECK: Final = 8_192
_NANOSECONDS: Final = 1_000_000_000


def replay_tape(tape: Path, orders: str, *, as_json: bool, out: Path | None, clock: Clock) -> None:
    """Replay a tape and write the results to standard output, or as JSON to ``out``.

    ``orders`` is the name of a file, or ``-`` for standard input.

    Raises:
        StartupError: the tape or the orders are unusable, or ``out`` is not writable.
    """
    _check_out(out, tape, orders)
    replayed = _read_orders(orders)
    reader = TapeReader(tape)
    started_ns = clock.monotonic_ns()
    with contextlib.closing(_watched(reader, clock)) as lines:
        outcome = replay(lines, replayed, parse=partial(_parse, FrameReader()))
    seconds = (clock.monotonic_ns() - started_ns) / _NANOSECONDS
    _refuse_unseen(tape, outcome.report)
    warn_of_times_and_faults(reader, outcome.results, outcome.report)
    if out is not None:
        with _naming(out):
            out.write_bytes(b"".join(json_lines(outcome.results)))
    elif as_json:
        sys.stdout.buffer.writelines(json_lines(outcome.results))
        sys.stdout.buffer.flush()
    if not as_json:
        show_results(outcome, tape)
    frames = outcome.report.frames
    print_message(
        f"{frames} frames in {seconds:.2f} s, {frames / max(seconds, 1e-9):,.0f} a second"
    )


def _parse(frames: FrameReader, frame: bytes, received_ns: int) -> Quote | UnusableFrame:
    """Read a frame as the service does."""
    parsed = frames.read(frame, received_ns)
    if isinstance(parsed, Quote):
        return parsed
    return UnusableFrame(symbol=parsed.symbol if isinstance(parsed, Drop) else None)


def _read_orders(name: str) -> list[ReplayOrder]:
    bytes_max = ORDERS_BYTES_MAX + 1  # one byte above the limit, which read_orders() refuses
    if name == STANDARD_INPUT:
        return read_orders(sys.stdin.buffer.read(bytes_max), "standard input")
    with _naming(name), Path(name).open("rb") as file:
        content = file.read(bytes_max)
    return read_orders(content, name)


def _check_out(out: Path | None, tape: Path, orders: str) -> None:
    """Refuse an ``out`` that would fail after a long replay or overwrite an input."""
    if out is None:
        return
    if not out.parent.is_dir():
        raise StartupError(f"{out}: the folder {out.parent} does not exist")
    if out.is_dir():
        raise StartupError(f"{out}: is a folder")
    inputs = [tape]
    if orders != STANDARD_INPUT:
        inputs.append(Path(orders))
    # samefile() also recognizes links and other spellings of the path.
    if any(one.exists() and out.exists() and out.samefile(one) for one in inputs):
        raise StartupError(f"{out}: is an input of this replay; name another file for the results")
    if not _may_be_replaced(out):
        raise StartupError(f"{out}: exists already and contains no results; name another file")


def _may_be_replaced(out: Path) -> bool:
    """Tell whether the file contains only results: it could be a valuable tape."""
    if not out.is_file():  # missing, or a pipe
        return True
    with _naming(out), out.open("rb") as file:
        return file.read(len(LIST_BEGIN)) in {b"", LIST_BEGIN}


@contextlib.contextmanager
def _naming(file: str | Path) -> Iterator[None]:
    """Turn an error of the operating system into one that names the file."""
    try:
        yield
    except OSError as error:
        raise StartupError(f"{file}: {error.strerror}") from None


def _refuse_unseen(tape: Path, report: ReplayReport) -> None:
    if not report.unseen:
        return
    missing = ", ".join(sorted(report.unseen)[:SYMBOLS_LISTED_MAX])
    seen = ", ".join(sorted(report.symbols)) or "no symbols"
    raise TapeError(tape, 0, f"contains no quote of {missing}; it has {seen}")


def _watched(reader: TapeReader, clock: Clock) -> Generator[TapeLine]:
    """Yield the lines of the tape, and show the progress of a long replay on standard error."""
    is_terminal = sys.stderr.isatty()
    bar: Progress | None = None
    pause_seconds = _BAR_AFTER_SECONDS if is_terminal else PROGRESS_SECONDS
    next_ns = clock.monotonic_ns() + round(pause_seconds * _NANOSECONDS)
    with contextlib.ExitStack() as stack:
        for line in reader:
            if not line.number % _LINES_PER_CHECK and clock.monotonic_ns() >= next_ns:
                if not is_terminal:
                    next_ns = clock.monotonic_ns() + round(PROGRESS_SECONDS * _NANOSECONDS)
                    percent = 100 * reader.bytes_read // max(reader.bytes_total, 1)
                    print_message(f"{percent} % of {reader.path}, line {line.number}")
                else:
                    if bar is None:
                        bar = stack.enter_context(_bar(reader.bytes_total))
                    bar.update(bar.task_ids[0], completed=reader.bytes_read, line=line.number)
            yield line


def _bar(bytes_total: int) -> Progress:
    bar = Progress(
        TextColumn("line {task.fields[line]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # The bar disappears, so that the results follow the command line.
        transient=True,
    )
    bar.add_task("", total=bytes_total, line=0)
    return bar
