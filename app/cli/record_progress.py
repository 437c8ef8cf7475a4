"""The progress of a recording: one live line on a terminal, a line every 5 s on a pipe."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Never

from rich.live import Live
from rich.text import Text

from app.cli.client.sentences import count_of
from app.cli.client.terminal import make_console, print_line
from app.domain.order import Symbol
from app.ports import Clock, FeedState
from app.tapes.tape_reader import printable
from app.tapes.tape_recorder import TapeRecorder

SYMBOLS_SHOWN_MAX: Final = 6
"""The busiest symbols are shown, followed by the sum of all."""

TERMINAL_SECONDS: Final = 1.0
PIPE_SECONDS: Final = 5.0

_NANOSECONDS: Final = 1_000_000_000
_KILOBYTE: Final = 1_000


class RecordingProgress:
    """Prints the messages and the progress of a recording on standard error."""

    def __init__(self, symbols: Sequence[Symbol], clock: Clock) -> None:
        self._symbols = symbols
        self._clock = clock
        self._console = make_console(stderr=True)
        self._started_ns = clock.monotonic_ns()
        self._shown_ns = self._started_ns
        self._shown_frames: dict[Symbol, int] = {}

    def print_message(self, text: str) -> None:
        """Print a message at once."""
        print_line(self._console, f"papertape: {printable(text)}")

    async def run(self, recorder: TapeRecorder, state: Callable[[], FeedState]) -> Never:
        """Show the progress and the state of the feed until canceled."""
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(PIPE_SECONDS)
                self.print_message(self._line(recorder, state()))
        with Live(Text("…"), console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                await asyncio.sleep(TERMINAL_SECONDS)
                live.update(Text(self._line(recorder, state()), overflow="ellipsis", no_wrap=True))
                live.refresh()

    def show_summary(self, recorder: TapeRecorder, out: Path) -> None:
        """Print a summary of the recording on standard output."""
        seconds = self._seconds_since(self._started_ns)
        ending = "; the file has reached its maximum size" if recorder.is_full else ""
        if recorder.failure is not None:
            ending = "; the last frames could not be written"
        total = f"{count_of(recorder.frames, 'frame')} in {seconds:.1f} s"
        lines = [f"{out}: {total}, {recorder.bytes_written} bytes{ending}"]
        lines += [
            f"  {symbol} {recorder.frames_by_symbol.get(symbol, 0)}" for symbol in self._symbols
        ]
        if recorder.losses:
            gaps = count_of(recorder.losses, "connection loss", plural="connection losses")
            lines.append(f"  {gaps}, {recorder.gap_seconds:.1f} s without a connection")
        if recorder.frames_dropped:
            dropped = count_of(recorder.frames_dropped, "unusable frame")
            lines.append(f"  {dropped}, not written")
        print("\n".join(lines))  # noqa: T201 - the command's output

    def _line(self, recorder: TapeRecorder, state: FeedState) -> str:
        """Describe the current state; rates are averages since the last line."""
        # At least a millisecond, to avoid a division by zero.
        seconds = max(self._seconds_since(self._shown_ns), 1e-3)
        new_by_symbol = {
            symbol: recorder.frames_by_symbol.get(symbol, 0) - self._shown_frames.get(symbol, 0)
            for symbol in self._symbols
        }
        busiest = sorted(self._symbols, key=lambda symbol: -new_by_symbol[symbol])
        parts = [f"{self._seconds_since(self._started_ns):.0f} s"]
        parts += [
            f"{symbol} {recorder.frames_by_symbol.get(symbol, 0)}"
            f" ({new_by_symbol[symbol] / seconds:.1f}/s)"
            for symbol in busiest[:SYMBOLS_SHOWN_MAX]
        ]
        if len(busiest) > SYMBOLS_SHOWN_MAX:
            rate = sum(new_by_symbol.values()) / seconds
            parts.append(f"all {len(busiest)}: {recorder.frames} ({rate:.1f}/s)")
        parts.append(f"{recorder.bytes_written / _KILOBYTE:.1f} kB")
        parts.append(state.status if state.cause is None else f"{state.status}: {state.cause}")
        if recorder.losses:
            losses = count_of(recorder.losses, "loss", plural="losses")
            parts.append(f"{losses}, {recorder.gap_seconds:.1f} s without a connection")
        self._shown_ns = self._clock.monotonic_ns()
        self._shown_frames = dict(recorder.frames_by_symbol)
        return printable("  ".join(parts))

    def _seconds_since(self, instant_ns: int) -> float:
        return (self._clock.monotonic_ns() - instant_ns) / _NANOSECONDS
