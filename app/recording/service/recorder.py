"""Writes the recording, and never stands in the way of an order.

What the feed gets comes in by the port ``FeedRecorder``, what matchers are told by
``RecordedMatcher``, both synchronously, so that the lines stand in the order in which things
happened. Lines are flushed before an outcome goes to the journal, else within ``FLUSH_SECONDS``.

If the disk refuses, recording stops, and is tried again with a new file that begins with the state
of every matcher. The gap between the two is marked; fills of that time cannot be derived again.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import structlog

from app.domain.matcher import SymbolMatcher
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.ports import Clock, RecordingState, StoredLedger
from app.recording.service.recorded_matcher import RecordedMatcher
from app.recording.service.recording_folder import RecordingFolder
from app.recording.service.recording_notes import (
    AnyNote,
    ConnectionChanged,
    FileBegun,
    FileContinued,
    FrameDropped,
    FrameRefused,
    FrameUnheard,
    OrderRested,
    OrdersExpired,
    OrderUnmet,
    QuoteMet,
    RecordingEnded,
    SeedMet,
    SymbolEnded,
)
from app.tapes.tape_lines import ReceiptTimes, frame_line, note_line
from app.tapes.tape_reader import TapeError
from app.tapes.tape_writer import TapeWriter

FLUSH_SECONDS: Final = 0.5
"""How long a line may wait for the operating system when nothing comes of it."""

RETRY_SECONDS: Final = 5.0
"""Pause before a new file is tried after the disk refused one."""

_NS_PER_MICROSECOND: Final = 1_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDatabase:
    """Whose orders are recorded: ``stream_id`` and ``epoch`` name a database and its owner.

    ``acceptance_number`` is the greatest when the owner took it over.
    """

    stream_id: str
    epoch: int
    acceptance_number: int


class Recorder:
    """The ports ``FeedRecorder`` and ``MatcherSource``; ``run`` is its one task.

    Before it is closed, ``is_all_durable`` is to say whether the journal wrote all there was.
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
        self._lines = self._bytes = self._failures = 0

    def start(self) -> None:
        """Begin the first file.

        Raises:
            StartupError: the folder cannot be written to.
        """
        self._folder.check()
        self._begin_file(continues=False)

    def state(self) -> RecordingState:
        """Say how recording goes."""
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
        """Flush, go on to the next file when one is full, and try again after trouble."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.tick()
            except Exception as error:  # noqa: BLE001 - the top of a task: orders go on without
                _log.exception("recorder_failed")
                self._fail(str(error))

    async def tick(self) -> None:
        """Do what is due; between two calls from the feed or a matcher, never within one."""
        writer = self._writer
        if writer is None:
            if self._clock.monotonic_ns() >= self._retry_ns:
                self._try_again()
            return
        self._resolve_seed()
        self.flush()
        if writer is self._writer and writer.bytes_written >= self._folder.file_bytes_max:
            await self._rotate(writer)

    def close(self) -> None:
        """End the recording; everything that was told is in it."""
        self.note(RecordingEnded(is_durable=self.is_all_durable))
        self.flush()
        writer, self._writer = self._writer, None
        if writer is not None:
            self._end_file(writer)

    # --- What the feed tells (port FeedRecorder) ----------------------------------------------

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """Write a frame as it came, before anybody hears of its quote (the hot path)."""
        self._resolve()
        if self._writer is None:
            return
        try:
            line = frame_line(self._times.ts(received_ns), frame, received_ns)
        except ValueError:
            return  # of several lines, say: then its quote is noted, once a matcher is told
        self._write(line)
        self._frame = (symbol, received_ns)

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """Note a frame of no use."""
        self.note(FrameDropped(symbol=symbol, reason=reason, received_ns=received_ns))

    def on_seed(self, seed: Quote) -> None:
        """Keep a depth snapshot until its matcher has said what it did with it."""
        self._resolve()
        self._resolve_seed()
        self._seed = seed

    def on_connection(self, what: str, cause: str | None) -> None:
        """Note what became of a connection."""
        self.note(ConnectionChanged(what=what, cause=cause))

    # --- What fulfillment tells (port MatcherSource) ------------------------------------------

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a symbol's matcher, which begins with what was stored."""
        matcher = RecordedMatcher(symbol, gate=stored.gate, levels=stored.levels, recorder=self)
        self._matchers[symbol] = matcher
        for note in matcher.state_notes(goes_on=False):
            self.note(note)
        return matcher

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Note that a matcher is gone, and how it ended: see ``SymbolEnded``."""
        if self._matchers.get(matcher.symbol) is matcher:
            del self._matchers[matcher.symbol]
            self.note(SymbolEnded(symbol=matcher.symbol, how=how))

    # --- What matchers tell -------------------------------------------------------------------

    def note(self, note: AnyNote) -> None:
        """Write a note."""
        self._resolve()
        if isinstance(note, OrderRested | OrderUnmet):
            number = note.order.acceptance_number
            self._acceptance_number = max(self._acceptance_number, number)
        if self._writer is not None:
            self._write(note_line(self._times.ts(self._clock.monotonic_ns()), note))

    def note_quote(self, quote: Quote, *, gate: int) -> None:
        """Write what the frame's line does not say: that it was refused, or all of it."""
        if self._frame == (quote.symbol, quote.received_ns):
            self._frame = None
        else:
            self.note(QuoteMet(quote=quote))
        if quote.update_id <= gate:
            self.note(FrameRefused(symbol=quote.symbol, update_id=quote.update_id, gate=gate))

    def note_seed(self, seed: Quote, *, is_applied: bool) -> None:
        """Write a depth snapshot with what came of it."""
        if self._seed == seed:
            self._seed = None
        self.note(SeedMet(quote=seed, is_applied=is_applied))

    def note_expiry(self, symbol: Symbol, now_ns: int) -> None:
        """Write at which instant orders ended, unless that is the rule at the quote before."""
        if self._frame != (symbol, now_ns):
            self.note(OrdersExpired(symbol=symbol, now_ns=now_ns))

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        self._resolve()
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except TapeError as error:
            self._fail(str(error))

    def _resolve(self) -> None:
        """Write that the frame before reached no matcher; else it would have said so."""
        if self._frame is not None:
            symbol, _ = self._frame
            self._frame = None
            self.note(FrameUnheard(symbol=symbol))

    def _resolve_seed(self) -> None:
        """Likewise for a seed, but between two calls: its matcher may end orders first."""
        seed, self._seed = self._seed, None
        if seed is not None:
            self.note(SeedMet(quote=seed, is_applied=None))

    def _write(self, line: bytes) -> None:
        assert self._writer is not None, "there is a file to write to"
        try:
            self._writer.write(line)
        except (TapeError, ValueError) as error:
            self._fail(str(error))

    # --- Files --------------------------------------------------------------------------------

    def _begin_file(self, *, continues: bool) -> None:
        """Begin a file with all that is needed to go on from it alone.

        Raises:
            TapeError: it cannot be made.
        """
        writer = self._folder.open_next(self._clock.now())
        self._writer = writer
        self._files += 1
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
            for note in matcher.state_notes(goes_on=True):
                self.note(note)
        self.flush()
        _log.info("recording_begun", file=str(writer.path), continues=continues)

    async def _rotate(self, full: TapeWriter) -> None:
        """Go on in a new file; the full one is ended beside, since that waits for the disk."""
        self.note(FileContinued())
        self.flush()
        if self._writer is None:
            return
        try:
            self._begin_file(continues=True)
        except TapeError as error:
            self._fail(str(error))
        await asyncio.to_thread(self._end_file, full)

    def _try_again(self) -> None:
        try:
            self._begin_file(continues=False)
        except TapeError as error:
            self._fail(str(error))
        if self._writer is not None:
            self._cause = None
            _log.info("recording_resumed")

    def _fail(self, cause: str) -> None:
        """Stop recording, and say so where it begins."""
        writer, self._writer = self._writer, None
        self._failures += 1
        if self._cause is None:
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
