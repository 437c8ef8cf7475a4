"""Write the frames of a feed to a tape; the ``FeedRecorder`` of `papertape record`.

The methods never raise, so a full disk cannot stop the feed. The first failure ends the recording,
is kept in ``failure``, and calls ``on_end``.
"""

from collections.abc import Callable
from typing import Final

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.tapes.tape_lines import ReceiptTimes, frame_line, note_line
from app.tapes.tape_notes import CONNECTION_LOST, ConnectionNote, DropNote
from app.tapes.tape_reader import TapeError
from app.tapes.tape_writer import TapeWriter

CAUSE_CHARACTERS_MAX: Final = 300

_OPENED: Final = "opened"
_NANOSECONDS: Final = 1_000_000_000


class TapeRecorder:
    """A running recording.

    Counts the frames by symbol, the dropped frames, and the connection losses with their duration.

    Args:
        writer: The tape; the caller closes it.
        times: Converts receipts to ``ts``.
        monotonic_ns: The monotonic clock.
        bytes_max: The recording ends at this file size, plus at most one flush; None for no limit.
        on_end: Called when the recording ends by itself.
        on_trouble: Called with a sentence for the first dropped frame, and for each loss and
            return of the connection.
    """

    def __init__(
        self,
        writer: TapeWriter,
        *,
        times: ReceiptTimes,
        monotonic_ns: Callable[[], int],
        bytes_max: int | None,
        on_end: Callable[[], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self.frames_by_symbol: dict[Symbol, int] = {}
        self.frames_dropped = 0
        self.losses = 0
        self.failure: TapeError | None = None
        self.is_full = False
        self._writer = writer
        self._times = times
        self._monotonic_ns = monotonic_ns
        self._bytes_max = bytes_max
        self._on_end = on_end
        self._on_trouble = on_trouble
        self._has_ended = False
        self._was_connected = False
        self._lost_at_ns: int | None = None
        self._gap_ns = 0

    @property
    def frames(self) -> int:
        """The number of frames written."""
        return sum(self.frames_by_symbol.values())

    @property
    def bytes_written(self) -> int:
        """The size of the file."""
        return self._writer.bytes_written

    @property
    def gap_seconds(self) -> float:
        """The seconds without a connection, including a loss that still lasts."""
        lasting_ns = 0 if self._lost_at_ns is None else self._monotonic_ns() - self._lost_at_ns
        return (self._gap_ns + lasting_ns) / _NANOSECONDS

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """Write a frame unchanged."""
        if self._has_ended:
            return
        if self._lost_at_ns is not None:  # a second connection already delivers frames
            self._end_gap(self._monotonic_ns())
        try:
            line = frame_line(self._times.ts(received_ns), frame)
        except ValueError as error:
            self.on_drop(symbol, str(error), received_ns)
            return
        self._write(line)
        if self.failure is None:
            self.frames_by_symbol[symbol] = self.frames_by_symbol.get(symbol, 0) + 1

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """Note that the feed dropped a frame."""
        if self._has_ended:
            return
        self.frames_dropped += 1
        # A faulty venue could drop thousands of frames; the summary counts them.
        if self.frames_dropped == 1:
            self._on_trouble(f"a frame was dropped and is missing on the tape: {reason}")
        note = DropNote(symbol=symbol, reason=reason[:CAUSE_CHARACTERS_MAX])
        self._write(note_line(self._times.ts(received_ns), note))

    def on_seed(self, seed: Quote) -> None:
        """Ignore a depth snapshot: it is not a frame of the stream."""

    def on_connection(self, what: str, cause: str | None) -> None:
        """Note a change of the connection, except its first opening."""
        if self._has_ended:
            return
        now_ns = self._monotonic_ns()
        is_first, self._was_connected = not self._was_connected, True
        if what == _OPENED:
            # Every recording begins with an opened connection.
            if is_first:
                return
            self._end_gap(now_ns)
        elif what == CONNECTION_LOST:
            self.losses += 1
            self._lost_at_ns = now_ns
            self._on_trouble(f"connection lost: {cause}")
        note = ConnectionNote(
            what=what, cause=None if cause is None else cause[:CAUSE_CHARACTERS_MAX]
        )
        self._write(note_line(self._times.ts(now_ns), note))

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        if self._has_ended:
            return
        try:
            self._writer.flush()
        except TapeError as error:
            self._fail(error)
        self._end_if_full()

    def end(self) -> None:
        """Stop writing before the caller closes the connection, which is not a loss."""
        self._has_ended = True

    def _end_gap(self, now_ns: int) -> None:
        if self._lost_at_ns is not None:
            gap_ns = now_ns - self._lost_at_ns
            self._gap_ns += gap_ns
            self._lost_at_ns = None
            self._on_trouble(f"reconnected after {gap_ns / _NANOSECONDS:.1f} s")

    def _write(self, line: bytes) -> None:
        try:
            self._writer.write(line)
        except TapeError as error:
            self._fail(error)
        else:
            self._end_if_full()

    def _end_if_full(self) -> None:
        if self._bytes_max is not None and self._writer.bytes_written >= self._bytes_max:
            self.is_full = True
            self.end()
            self._on_end()

    def _fail(self, error: TapeError) -> None:
        self.failure = error
        self.end()
        self._on_end()
