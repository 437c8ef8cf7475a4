"""Tests of ``app.cli.record_progress``."""

from pathlib import Path

from app.cli.record_progress import SYMBOLS_SHOWN_MAX, RecordingProgress
from app.domain.order import Symbol
from app.ports import FeedState
from app.tapes.tape_lines import ReceiptTimes
from app.tapes.tape_recorder import TapeRecorder
from app.tapes.tape_writer import TapeWriter
from tests.support.builders import ACCEPTED_AT, LTCBTC
from tests.support.hand_driven import HandClock
from tests.unit.cli.conftest import Printed

ETHBTC = Symbol("ETHBTC")


def feed_state(status: str = "connected", cause: str | None = None) -> FeedState:
    """Return a feed's state."""
    return FeedState(status=status, cause=cause, since=ACCEPTED_AT, symbols=2, counters={})


class Watched:
    """A recording and its progress with one clock."""

    def __init__(self, folder: Path, *symbols: Symbol) -> None:
        self.clock = HandClock()
        self.progress = RecordingProgress(symbols, self.clock)
        self.writer = TapeWriter(folder / "tape.jsonl", is_compressed=False)
        self.recorder = TapeRecorder(
            self.writer,
            times=ReceiptTimes(epoch_us=1, monotonic_ns=self.clock.monotonic_ns()),
            monotonic_ns=self.clock.monotonic_ns,
            bytes_max=None,
            on_end=lambda: None,
            on_trouble=self.progress.print_message,
        )

    def frames(self, symbol: Symbol, count: int) -> None:
        """Deliver frames."""
        for _ in range(count):
            self.recorder.on_frame(symbol, b"{}", self.clock.monotonic_ns())
        self.recorder.flush()

    def line(self, state: FeedState | None = None) -> str:
        """Return the current progress line."""
        return self.progress._line(self.recorder, state or feed_state())

    def close(self) -> None:
        """Close the tape."""
        self.writer.close()


def test_a_line_counts_in_all_and_rates_since_the_last_line(tmp_path: Path) -> None:
    """The busiest symbol comes first, then the size and the connection."""
    watched = Watched(tmp_path, LTCBTC, ETHBTC)
    watched.frames(LTCBTC, 30)
    watched.frames(ETHBTC, 50)
    watched.clock.advance(10)
    first = watched.line()
    watched.frames(LTCBTC, 10)
    watched.clock.advance(5)
    second = watched.line(feed_state("down", "refused"))
    watched.close()

    assert first == "10 s  ETHBTC 50 (5.0/s)  LTCBTC 30 (3.0/s)  1.5 kB  connected"
    assert second == "15 s  LTCBTC 40 (2.0/s)  ETHBTC 50 (0.0/s)  1.8 kB  down: refused"


def test_the_busiest_symbols_and_the_sum_are_shown(tmp_path: Path) -> None:
    """The line stays short."""
    symbols = [Symbol(f"A{number}") for number in range(40)]
    watched = Watched(tmp_path, *symbols)
    for number, symbol in enumerate(symbols):
        watched.frames(symbol, number)
    watched.clock.advance(1)
    line = watched.line()
    watched.close()

    assert line.count("/s)") == SYMBOLS_SHOWN_MAX + 1
    assert line.startswith("1 s  A39 39 (39.0/s)  A38 38 (38.0/s)")
    assert "  all 40: 780 (780.0/s)  " in line


def test_losses_are_printed_and_counted(tmp_path: Path, printed: Printed) -> None:
    """A loss is printed at once, in every later line, and in the summary."""
    watched = Watched(tmp_path, LTCBTC)
    recorder = watched.recorder
    recorder.on_connection("opened", None)
    watched.frames(LTCBTC, 1)
    recorder.on_connection("lost", "\x1b[31mreset[/]")
    watched.clock.advance(2)
    line = watched.line(feed_state("connecting"))
    watched.progress.show_summary(recorder, tmp_path / "tape.jsonl")
    watched.close()

    assert line.endswith("  connecting  1 loss, 2.0 s without a connection")
    assert printed.err == "papertape: connection lost: \\x1b[31mreset[/]\n"
    assert "tape.jsonl: 1 frame in 2.0 s, " in printed.out
    assert printed.out.endswith("  LTCBTC 1\n  1 connection loss, 2.0 s without a connection\n")
