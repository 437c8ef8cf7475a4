"""Replay a recording and compare the derived orders with one snapshot of a database.

A recording is always ahead of its database, so the database may lack the newest results of each
matcher. The same holds after a crash or a failed database. A result that is older than a stored
result of the same matcher may never be missing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.recording.service.recording_notes import (
    AnyNote,
    FrameIgnored,
    FrameRefused,
    Held,
    OrderRested,
    OrderUnmet,
    QuoteReceived,
    RecordingEnded,
    StatusChanged,
    SymbolEnded,
    SymbolState,
)
from app.recording.verify.order_bookkeeping import OrderBookkeeping
from app.recording.verify.recording_reader import (
    CUT_OFF,
    FileBoundary,
    Recording,
    find_files,
    open_recording,
)
from app.recording.verify.session_replay import Ending, MatcherState, SymbolSession, symbol_of
from app.recording.verify.verification_report import Kind, VerificationReport
from app.storage.order_lookup import OrderLookup, look_up
from app.tapes.tape_lines import TapeLine

OnProgress = Callable[[str, int, int], None]
"""Called with what is read, the number read so far, and the total (0 if unknown)."""


async def verify(
    database: str, tapes: Sequence[Path], *, on_progress: OnProgress | None = None
) -> VerificationReport:
    """Derive every split from recordings and compare; a service may be running meanwhile.

    Args:
        database: A URL, or the path of an SQLite file.
        tapes: Files or folders.
        on_progress: Called every 10,000 lines; for SQLite from another thread.

    Raises:
        StartupError: the database or a file cannot be read, or they do not belong together.
    """

    def work(lookup: OrderLookup) -> VerificationReport:
        # The snapshot exists by now, so the files read from here on are ahead of it.
        files = open_recording(find_files(tapes), lookup.stream_id)
        recording = Recording(files)
        is_over = bool(files) and sizes.get(files[-1].path) == files[-1].size
        report = VerificationReport(database=database, files=len(files))
        verification = Verification(lookup, report, is_over=is_over)
        for done, line in enumerate(recording):
            verification.add_line(line)
            if on_progress is not None and done % 10_000 == 0:
                on_progress("lines", done, 0)
        verification.finish()
        report.frames = recording.frames
        return report

    sizes = {path: path.stat().st_size for path in find_files(tapes) if path.exists()}
    return await look_up(database, work)


class Verification:
    """Consumes the lines of a recording in order, and adds its findings to a report.

    ``is_over`` says that the recording did not grow after the snapshot of the database. Memory
    depends on the open orders and on the differences, not on the length of the recording.
    """

    def __init__(self, lookup: OrderLookup, report: VerificationReport, *, is_over: bool) -> None:
        self._report = report
        self._reader = FrameReader()
        self._orders = OrderBookkeeping(lookup, report)
        self._sessions: dict[Symbol, SymbolSession] = {}
        self._ended: dict[Symbol, SymbolSession] = {}
        self._stopped: list[SymbolSession] = []
        self._is_over = is_over
        self._state: MatcherState | None = None
        self._frame: Quote | None = None
        self._refused: str | None = None
        self._has_ended = False

    def add_line(self, line: FileBoundary | AnyNote | TapeLine) -> None:
        """Process the next line."""
        self._has_ended = isinstance(line, RecordingEnded)
        if isinstance(line, FileBoundary):
            self._apply_frame()
            self._refused = None  # the note about it may have been cut off
            self._begin_file(line)
        elif isinstance(line, TapeLine):
            self._apply_frame()
            self._check_refusal(None)
            self._frame = self._quote_of(line)
        else:
            self._add_note(line)

    def finish(self) -> None:
        """Compare the remaining orders, and report the stored ones that the recording lacks."""
        self._apply_frame()
        if self._has_ended and not self._is_over:
            for session in self._stopped:
                session.is_durable = False  # the snapshot may be older than the last commit
        for session in self._sessions.values():
            session.ending = Ending.CRASHED  # or it still runs, and its last lines are not written
        self._orders.finish(was_cut_off=not self._has_ended)

    def _add_note(self, note: AnyNote) -> None:
        if isinstance(note, FrameIgnored):
            self._frame = None
            return
        self._apply_frame()
        self._check_refusal(note)
        if isinstance(note, SymbolState):
            self._state = MatcherState(note)
        elif self._state is None or not self._state.add(note):
            self._apply_note(note)
            return
        if self._state.is_complete:
            self._begin(self._state)

    def _apply_frame(self) -> None:
        """Apply the previous frame: no note said that the matcher did not receive it."""
        quote, self._frame = self._frame, None
        if quote is not None:
            self._apply_note(QuoteReceived(quote=quote))

    def _apply_note(self, note: AnyNote) -> None:
        if isinstance(note, SymbolEnded):
            self._end(note.symbol, note.how)
            return
        if isinstance(note, RecordingEnded):
            self._end_all(note)
            return
        symbol = symbol_of(note)
        session = None if symbol is None else self._sessions.get(symbol)
        if session is None:
            return
        if isinstance(note, QuoteReceived) and note.quote.update_id <= session.matcher.gate:
            # The next line must say so.
            self._refused = f"{note.quote.update_id} refused at {session.matcher.gate}"
        try:
            if isinstance(note, OrderRested | OrderUnmet):
                self._orders.add_order(note, session)
            # A matcher may be held before its orders come.
            elif not isinstance(note, Held | StatusChanged):
                self._orders.settle_predecessors(session)
            steps = session.apply(note)
        except (AssertionError, ArithmeticError) as error:
            self._stop_following(session, error)
        else:
            self._orders.add(session, steps)

    def _begin(self, state: MatcherState) -> None:
        self._state = None
        note = state.note
        session = self._sessions.get(note.symbol)
        if session is not None and note.goes_on:
            difference = state.difference_from(session)
            if difference is not None:
                recorded, replayed = difference
                where = f"{note.symbol} at the beginning of a file"
                self._report.differ(Kind.STATE, None, where, recorded=recorded, stored=replayed)
            return
        if session is not None:
            self._end(note.symbol, Ending.CRASHED)
        try:
            session = SymbolSession(state)
        except (AssertionError, ArithmeticError) as error:
            where = f"the recorded state of {note.symbol}"
            self._report.differ(Kind.STATE, None, where, recorded=error, stored="-")
            return
        if not note.goes_on:
            self._check_ledger(session)
        self._sessions[note.symbol] = session
        for rested in state.rested:
            self._orders.add_order(rested, session)

    def _end(self, symbol: Symbol, ending: str) -> None:
        session = self._sessions.pop(symbol, None)
        if session is None:
            return
        session.ending = ending
        self._orders.end(session)
        session.release_memory()
        self._ended[symbol] = session
        if ending == Ending.STOPPED:
            self._stopped.append(session)

    def _end_all(self, note: RecordingEnded) -> None:
        for symbol in list(self._sessions):
            self._end(symbol, Ending.STOPPED)
        for session in self._stopped:
            session.is_durable = note.is_durable

    def _check_ledger(self, session: SymbolSession) -> None:
        """Check that a session begins with the ledger that the session before it left."""
        before = self._ended.pop(session.symbol, None)
        if before is None:
            return
        known, found = before.ledger_history, session.ledger_history
        is_as_left = True
        if before.ending == Ending.ENDED or before.is_durable:
            is_as_left = known.newest() == found.newest()
        elif before.ending == Ending.CRASHED and not before.is_before_a_gap:
            # A higher gate belongs to a version from after the end of the recording.
            is_recorded = known.is_complete and found.gate <= known.gate
            is_as_left = not is_recorded or known.includes(found)
        if not is_as_left:
            where = f"{session.symbol} at the beginning of a session"
            self._report.differ(
                Kind.LEDGER, None, where, recorded=known.newest(), stored=found.newest()
            )
        known.clear()

    def _check_refusal(self, note: AnyNote | None) -> None:
        """Check that a refusal is noted after a refused quote, and after no other."""
        recorded, replayed = "applied", self._refused or "applied"
        self._refused = None
        if isinstance(note, FrameRefused):
            if note.symbol not in self._sessions:
                return
            recorded = f"{note.update_id} refused at {note.gate}"
        if recorded != replayed:
            where = "a refused quote"
            self._report.differ(Kind.STATE, None, where, recorded=recorded, stored=replayed)

    def _begin_file(self, boundary: FileBoundary) -> None:
        """End the sessions that the next file does not continue."""
        self._state = None
        self._orders.begin_file(boundary)
        if boundary.cause is None and not boundary.is_restart:
            return
        if boundary.is_restart:
            self._stopped.clear()
        was_followed = boundary.cause in {None, CUT_OFF}
        for symbol, session in list(self._sessions.items()):
            # An unrecorded process may have resumed the orders; a gap within a process did not.
            session.is_before_a_gap = boundary.is_restart and not was_followed
            self._end(symbol, Ending.CRASHED if was_followed else Ending.GAP)
        if boundary.cause == CUT_OFF:
            for session in self._ended.values():
                # An ended symbol may have begun again, unrecorded, before the crash.
                session.ending, session.is_durable = Ending.CRASHED, False
        elif boundary.cause is not None:
            self._ended.clear()  # in a gap a ledger may change unrecorded

    def _quote_of(self, line: TapeLine) -> Quote | None:
        if line.data is None or line.received_ns is None:
            return None
        parsed = self._reader.read(line.data, line.received_ns)
        return parsed if isinstance(parsed, Quote) else None

    def _stop_following(self, session: SymbolSession, error: Exception) -> None:
        """Report a recording that cannot be replayed further, and end its session."""
        where = f"{session.symbol}, input {session.inputs}"
        cause = str(error) or type(error).__name__
        self._report.differ(Kind.STATE, None, where, recorded=cause, stored="-")
        self._end(session.symbol, Ending.GAP)
        self._refused = None
