"""Write the recording of a running service without ever delaying or failing an order.

The feed calls the port ``FeedRecorder`` with its frames, and each ``RecordedMatcher`` calls with
its inputs. All calls are synchronous, so the lines are in the order of the events. Lines are
flushed before an outcome goes to the journal, otherwise within ``FLUSH_SECONDS``.

If the disk fails, recording stops and is retried with a new file, which begins with the state of
every matcher. The new file marks the gap; fills made in the gap cannot be derived.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import structlog

from app.domain.matcher import SymbolMatcher
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.domain.rules import TRADING
from app.ports import Clock, RecordingState, StoredLedger
from app.recording.service.recorded_matcher import RecordedMatcher
from app.recording.service.recording_folder import RecordingFolder
from app.recording.service.recording_notes import (
    AnyNote,
    ConnectionChanged,
    FileBegun,
    FileContinued,
    FrameDropped,
    FrameIgnored,
    FrameRefused,
    OrderRested,
    OrdersExpired,
    OrderUnmet,
    QuoteReceived,
    RecordingEnded,
    SeedReceived,
    StatusChanged,
    SymbolEnded,
)
from app.tapes.tape_lines import ReceiptTimes, frame_line, note_line
from app.tapes.tape_reader import TapeError
from app.tapes.tape_writer import TapeWriter

FLUSH_SECONDS: Final = 0.5
"""The longest time before a line that leads to no outcome is flushed."""

RETRY_SECONDS: Final = 5.0
"""The pause between a failure and the next attempt to begin a file."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDatabase:
    """The database whose orders are recorded.

    Attributes:
        stream_id: Identifies the database.
        epoch: Identifies the process that owns the database.
        acceptance_number: The highest acceptance number when the process became the owner.
    """

    stream_id: str
    epoch: int
    acceptance_number: int


class Recorder:
    """Implements the ports ``FeedRecorder`` and ``MatcherSource``; ``run`` is its one task.

    The owner sets ``is_all_durable`` before ``close``, if the journal wrote every outcome.
    """

    def __init__(
        self, folder: RecordingFolder, database: RecordedDatabase, *, clock: Clock, version: str
    ) -> None:
        self.is_all_durable = False
        self._folder = folder
        self._database = database
        self._clock = clock
        self._version = version
        self._matchers: dict[Symbol, RecordedMatcher] = {}
        self._acceptance_number = database.acceptance_number
        self._files = 0
        self._writer: TapeWriter | None = None
        self._times = ReceiptTimes(epoch_us=0, monotonic_ns=0)
        self._cause: str | None = None
        self._retry_ns = 0
        self._frame: tuple[Symbol, int] | None = None
        self._seed: Quote | None = None
        self._halted: dict[Symbol, str] = {}
        self._lines = self._bytes = self._failures = 0

    def start(self) -> None:
        """Begin the first file.

        Raises:
            StartupError: the folder is not writable.
        """
        self._folder.check()
        self._begin_file(continues=False)

    def state(self) -> RecordingState:
        """Return the state of the recording for metrics and health checks."""
        writer = self._writer
        return RecordingState(
            is_recording=writer is not None,
            cause=self._cause,
            lines=self._lines + (0 if writer is None else writer.lines_written),
            bytes=self._bytes + (0 if writer is None else writer.bytes_written),
            files=self._files,
            files_deleted=self._folder.files_deleted,
            failures=self._failures,
        )

    async def run(self) -> None:
        """Flush regularly, replace full files, and retry after a failure."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001 - the top of a task: orders continue without it
                _log.exception("recorder_failed")
                self._fail(str(error))

    async def tick(self) -> None:
        """Retry after a failure, flush, or begin the next file; never within another call."""
        writer = self._writer
        if writer is None:
            if self._clock.monotonic_ns() >= self._retry_ns:
                self._retry()
            return
        self._resolve_seed()
        self.flush()
        # flush() may have failed and stopped the recording.
        if writer is self._writer and writer.bytes_written >= self._folder.file_bytes_max:
            await self._rotate(writer)

    def close(self) -> None:
        """Write the last note and end the file."""
        self.note(RecordingEnded(is_durable=self.is_all_durable))
        self.flush()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._end_file(writer)

    # The port FeedRecorder.

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """Write a frame unchanged, before its quote reaches a matcher (the hot path)."""
        self._resolve()
        if self._writer is None:
            return
        try:
            line = frame_line(self._times.ts(received_ns), frame, received_ns)
        except ValueError:
            # For example a frame of several lines. note_quote() writes its quote instead.
            return
        self._write(line)
        self._frame = (symbol, received_ns)

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """Note that the feed dropped a frame."""
        self.note(FrameDropped(symbol=symbol, reason=reason, received_ns=received_ns))

    def on_seed(self, seed: Quote) -> None:
        """Keep a depth snapshot until its matcher has applied or refused it."""
        self._resolve()
        self._resolve_seed()
        self._seed = seed

    def on_status(self, symbol: Symbol, status: str) -> None:
        """Note the status of a symbol that has a matcher, now or later."""
        if status == TRADING:
            self._halted.pop(symbol, None)
        else:
            self._halted[symbol] = status
        if symbol in self._matchers:
            self.note(StatusChanged(symbol=symbol, status=status))

    def on_connection(self, what: str, cause: str | None) -> None:
        """Note that a connection was opened, lost, rotated or closed."""
        self.note(ConnectionChanged(what=what, cause=cause))

    # The port MatcherSource.

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Return a recorded matcher that begins with the stored ledger."""
        matcher = RecordedMatcher(symbol, gate=stored.gate, levels=stored.levels, recorder=self)
        self._matchers[symbol] = matcher
        self._note_state(matcher, goes_on=False)
        return matcher

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Note the end of a matcher; ``how`` is explained at ``SymbolEnded``."""
        # A failed matcher may have a successor already, whose entry must stay.
        if self._matchers.get(matcher.symbol) is matcher:
            del self._matchers[matcher.symbol]
            self.note(SymbolEnded(symbol=matcher.symbol, how=how))

    # The inputs of the matchers.

    def note(self, note: AnyNote) -> None:
        """Write a note."""
        self._resolve()
        if isinstance(note, OrderRested | OrderUnmet):
            number = note.order.acceptance_number
            self._acceptance_number = max(self._acceptance_number, number)
        if self._writer is not None:
            self._write(note_line(self._times.ts(self._clock.monotonic_ns()), note))

    def note_quote(self, quote: Quote, *, gate: int) -> None:
        """Note a quote whose frame has no line, and a quote that is refused."""
        # The frame's line already says that the quote is applied.
        if self._frame == (quote.symbol, quote.received_ns):
            self._frame = None
        else:
            self.note(QuoteReceived(quote=quote))
        if quote.update_id <= gate:
            self.note(FrameRefused(symbol=quote.symbol, update_id=quote.update_id, gate=gate))

    def note_seed(self, seed: Quote, *, is_applied: bool) -> None:
        """Note a depth snapshot, applied or refused."""
        if self._seed == seed:
            self._seed = None
        self.note(SeedReceived(quote=seed, is_applied=is_applied))

    def note_expiry(self, symbol: Symbol, now_ns: int) -> None:
        """Note when orders expired, unless the quote before implies it; see ``recording_notes``."""
        # A replay expires orders at each frame by itself.
        if self._frame != (symbol, now_ns):
            self.note(OrdersExpired(symbol=symbol, now_ns=now_ns))

    def flush(self) -> None:
        """Hand all lines to the operating system, so that they survive this process."""
        self._resolve()
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except TapeError as error:
            self._fail(str(error))

    def _resolve(self) -> None:
        """Note that the previous frame reached no matcher, if none has called about it."""
        if self._frame is not None:
            symbol, _ = self._frame
            self._frame = None
            self.note(FrameIgnored(symbol=symbol))

    def _resolve_seed(self) -> None:
        """Note that a seed reached no matcher; called from ``tick`` and before the next seed."""
        # Not from every call, as _resolve() is: the matcher may expire orders before the seed.
        seed, self._seed = self._seed, None
        if seed is not None:
            self.note(SeedReceived(quote=seed, is_applied=None))

    def _write(self, line: bytes) -> None:
        assert self._writer is not None, "there is a file to write to"
        try:
            self._writer.write(line)
        except (TapeError, ValueError) as error:
            self._fail(str(error))

    def _begin_file(self, *, continues: bool) -> None:
        """Begin a file with the state of every matcher, so that it can be replayed alone.

        Raises:
            TapeError: the file cannot be created.
        """
        writer = self._folder.open_next(self._clock.now())
        self._writer = writer
        self._files += 1
        # They belong to the previous file.
        self._frame = self._seed = None
        self._times = ReceiptTimes(
            epoch_us=int(self._clock.now().timestamp() * 1_000_000),
            monotonic_ns=self._clock.monotonic_ns(),
        )
        self.note(
            FileBegun(
                stream_id=self._database.stream_id,
                epoch=self._database.epoch,
                number=self._files,
                continues=continues,
                acceptance_number=self._acceptance_number,
                version=self._version,
            )
        )
        for matcher in self._matchers.values():
            self._note_state(matcher, goes_on=True)
        self.flush()
        _log.info("recording_begun", file=str(writer.path), continues=continues)

    def _note_state(self, matcher: RecordedMatcher, *, goes_on: bool) -> None:
        for note in matcher.state_notes(goes_on=goes_on):
            self.note(note)
        status = self._halted.get(matcher.symbol)
        if status is not None:
            self.note(StatusChanged(symbol=matcher.symbol, status=status))

    async def _rotate(self, full: TapeWriter) -> None:
        """Begin the next file, then close the full one in a thread: closing waits for the disk."""
        self.note(FileContinued())
        self.flush()
        if self._writer is None:
            return
        try:
            self._begin_file(continues=True)
        except TapeError as error:
            self._fail(str(error))
        await asyncio.to_thread(self._end_file, full)

    def _retry(self) -> None:
        try:
            self._begin_file(continues=False)
        except TapeError as error:
            self._fail(str(error))
        if self._writer is not None:
            self._cause = None
            _log.info("recording_resumed")

    def _fail(self, cause: str) -> None:
        """Stop recording; log the first failure of a series."""
        writer, self._writer = self._writer, None
        self._failures += 1
        if self._cause is None:
            # Once per failure, not once per retry.
            _log.error("recording_failed", cause=cause)
        self._cause = cause
        self._retry_ns = self._clock.monotonic_ns() + round(RETRY_SECONDS * 1e9)
        if writer is not None:
            self._end_file(writer)

    def _end_file(self, writer: TapeWriter) -> None:
        with contextlib.suppress(TapeError):
            writer.close()
        self._lines += writer.lines_written
        self._bytes += writer.bytes_written
