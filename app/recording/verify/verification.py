"""Leads through a recording and holds what follows from it against one moment of a database.

The database is read as of a moment before the recording's end, and a recording is always ahead of
its database; so what was derived and is not stored yet must be a tail of each matcher's time. The
same holds where a crash, or a database that failed, ended a matcher before its time: what it did
last may be lost, but nothing that came before something durable.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.recording.service.recording_notes import (
    AnyNote,
    FrameRefused,
    FrameUnheard,
    Held,
    OrderRested,
    OrderUnmet,
    QuoteMet,
    RecordingEnded,
    SymbolEnded,
    SymbolState,
)
from app.recording.verify.order_bookkeeping import OrderBookkeeping
from app.recording.verify.recording_reader import Recording, Seam, find_files, open_recording
from app.recording.verify.session_replay import GatheredState, SymbolSession, symbol_of
from app.recording.verify.verification_report import Findings, Kind, VerificationReport
from app.storage.order_lookup import OrderLookup, look_up
from app.tapes.tape_lines import TapeLine

OnProgress = Callable[[str, int, int], None]
"""Told what is being read, how many of them were, and how many there are (0 if unknown)."""

_ENDED_ORDERLY = "ended"


async def verify(
    database: str, tapes: Sequence[Path], *, on_progress: OnProgress | None = None
) -> VerificationReport:
    """Derive every split from the recordings and compare; a service may be running on both.

    ``tapes`` are files or folders; ``database`` is a URL, or the path of an SQLite file.
    ``on_progress`` is called from another thread, for SQLite.

    Raises:
        StartupError: the database or a file cannot be read, or they do not belong together.
    """

    def work(lookup: OrderLookup) -> VerificationReport:
        # The moment of the database is fixed by now; the recording read from here on is ahead.
        files = open_recording(find_files(tapes), lookup.stream_id)
        recording = Recording(files)
        is_over = bool(files) and sizes.get(files[-1].path) == files[-1].size
        verification = Verification(lookup, is_over=is_over)
        for done, item in enumerate(recording):
            verification.take(item)
            if on_progress is not None and done % 10_000 == 0:
                on_progress("lines", done, 0)
        return verification.finish().report(database, files=len(files), frames=recording.frames)

    sizes = {path: path.stat().st_size for path in find_files(tapes) if path.exists()}
    return await look_up(database, work)


class Verification:
    """Takes the lines of a recording in turn; ``finish`` gives what was found.

    ``is_over`` says that nothing was added to it after the moment of the database. Memory depends
    on the orders that are open, and on what differs, not on the recording's length.
    """

    def __init__(self, lookup: OrderLookup, *, is_over: bool) -> None:
        self._findings = Findings()
        self._reader = FrameReader()
        self._orders = OrderBookkeeping(lookup, self._findings)
        self._sessions: dict[Symbol, SymbolSession] = {}
        self._ended: dict[Symbol, SymbolSession] = {}
        self._stopped: list[SymbolSession] = []
        self._is_over = is_over
        self._gathered: GatheredState | None = None
        self._frame: Quote | None = None
        self._refused: Quote | None = None
        self._has_ended = False

    def take(self, item: Seam | AnyNote | TapeLine) -> None:
        """Take the next line."""
        self._has_ended = isinstance(item, RecordingEnded)
        if isinstance(item, Seam):
            self._take_frame()
            self._refused = None  # or what followed it was cut off
            self._cross(item)
        elif isinstance(item, TapeLine):
            self._take_frame()
            self._check_refusal(None)
            self._frame = self._quote_of(item)
        else:
            self._take_note(item)

    def finish(self) -> Findings:
        """Compare what is left, and look for orders that the recording does not know."""
        self._take_frame()
        if self._has_ended and not self._is_over:
            for session in self._stopped:
                session.is_durable = False  # by now, but perhaps not at the database's moment
        for session in self._sessions.values():
            session.how = "crashed"  # or it goes on, and what came last is in no file yet
        self._orders.finish(was_cut_off=not self._has_ended)
        return self._findings

    def _take_note(self, note: AnyNote) -> None:
        gathered = self._gathered
        if gathered is not None and gathered.take(note):
            if gathered.is_complete:
                self._begin(gathered)
            return
        if isinstance(note, FrameUnheard):
            self._frame = None
            return
        self._take_frame()
        self._check_refusal(note)
        match note:
            case SymbolState():
                self._gathered = GatheredState(note)
                if self._gathered.is_complete:
                    self._begin(self._gathered)
            case SymbolEnded():
                self._end(note.symbol, note.how)
            case RecordingEnded():
                self._end_all(note)
            case _:
                self._give(note)

    def _take_frame(self) -> None:
        """Give the frame before to its matcher: nothing said that it was not."""
        quote, self._frame = self._frame, None
        session = None if quote is None else self._sessions.get(quote.symbol)
        if quote is None or session is None:
            return
        self._expect_refusal(quote, session)
        try:
            steps = session.meet(quote)
        except (AssertionError, ArithmeticError) as error:
            self._give_up(session, error)
            return
        self._orders.settle_before(session)
        self._orders.add(session, steps)

    def _give(self, note: AnyNote) -> None:
        symbol = symbol_of(note)
        session = None if symbol is None else self._sessions.get(symbol)
        if session is None:
            return
        if isinstance(note, QuoteMet):
            self._expect_refusal(note.quote, session)
        try:
            if isinstance(note, OrderRested | OrderUnmet):
                self._orders.take_up(note, session)
            elif not isinstance(note, Held):  # a matcher may be held before its orders come
                self._orders.settle_before(session)
            steps = session.apply(note)
        except (AssertionError, ArithmeticError) as error:
            self._give_up(session, error)
            return
        self._orders.add(session, steps)

    def _begin(self, gathered: GatheredState) -> None:
        self._gathered = None
        note = gathered.note
        session = self._sessions.get(note.symbol)
        if session is not None and note.goes_on:
            contradiction = gathered.contradiction(session)
            if contradiction is not None:
                told, found = contradiction
                where = f"{note.symbol} at the beginning of a file"
                self._findings.differ(Kind.STATE, None, where, recorded=told, stored=found)
            return
        if session is not None:
            self._end(note.symbol, "crashed")
        try:
            session = SymbolSession(gathered)
        except (AssertionError, ArithmeticError) as error:
            where = f"{note.symbol} as it is recorded"
            self._findings.differ(Kind.STATE, None, where, recorded=error, stored="-")
            return
        if not note.goes_on:
            self._check_ledger(session)
        self._sessions[note.symbol] = session
        self._orders.begin(session, gathered.rested)

    def _end(self, symbol: Symbol, how: str) -> None:
        session = self._sessions.pop(symbol, None)
        if session is None:
            return
        session.how = how
        self._orders.end(session)
        session.let_go()
        self._ended[symbol] = session
        if how == "stopped":
            self._stopped.append(session)

    def _end_all(self, note: RecordingEnded) -> None:
        for symbol in list(self._sessions):
            self._end(symbol, "stopped")
        for session in self._stopped:
            session.is_durable = note.is_durable

    def _check_ledger(self, session: SymbolSession) -> None:
        """See that a symbol begins with the ledger that its matcher before left durable."""
        before = self._ended.pop(session.symbol, None)
        if before is None:
            return
        known, found = before.stored, session.stored
        told = known.told()
        if before.how == _ENDED_ORDERLY or before.is_durable:
            if told != found.told():
                self._blame_ledger(session, told)
        elif before.how == "crashed" and not before.is_before_a_gap:
            # Beyond the gate it may have come after the recording's end.
            may_be_judged = known.is_whole and found.gate <= known.gate
            if may_be_judged and not known.has_been(found):
                self._blame_ledger(session, told)
        known.forget()

    def _blame_ledger(self, session: SymbolSession, told: object) -> None:
        where = f"{session.symbol} when it was taken up"
        found = session.stored.told()
        self._findings.differ(Kind.LEDGER, None, where, recorded=told, stored=found)

    def _expect_refusal(self, quote: Quote, session: SymbolSession) -> None:
        """Remember a quote that is refused: the next line has to say so."""
        if quote.update_id <= session.matcher.gate:
            self._refused = quote

    def _check_refusal(self, note: AnyNote | None) -> None:
        """See that the line behind a quote says whether it was refused, and at which gate."""
        refused, self._refused = self._refused, None
        told, found = "applied", "applied"
        if isinstance(note, FrameRefused):
            session = self._sessions.get(note.symbol)
            if session is None:
                return
            told = f"{note.update_id} refused at {note.gate}"
        if refused is not None:
            session = self._sessions.get(refused.symbol)
            if session is None:
                return
            found = f"{refused.update_id} refused at {session.matcher.gate}"
        if told != found:
            where = "a quote that was refused, or was not"
            self._findings.differ(Kind.STATE, None, where, recorded=told, stored=found)

    def _cross(self, seam: Seam) -> None:
        """Go on to another file."""
        self._gathered = None
        self._orders.cross(seam)
        if seam.is_seamless:
            return
        if seam.is_restart:
            self._stopped.clear()
        how = "crashed" if seam.is_crash or seam.cause is None else "gap"
        for symbol in list(self._sessions):
            self._end(symbol, how)
        if seam.is_crash:
            for session in self._ended.values():
                session.how, session.is_durable = "crashed", False  # and it may have come again
        elif seam.cause is not None:
            self._ended.clear()

    def _quote_of(self, line: TapeLine) -> Quote | None:
        if line.data is None or line.received_ns is None:
            return None
        parsed = self._reader.read(line.data, line.received_ns)
        return parsed if isinstance(parsed, Quote) else None

    def _give_up(self, session: SymbolSession, error: Exception) -> None:
        """Lose sight of a symbol whose recording cannot be followed."""
        where = f"{session.symbol}, input {session.inputs}"
        told = str(error) or type(error).__name__
        self._findings.differ(Kind.STATE, None, where, recorded=told, stored="-")
        self._end(session.symbol, "gap")
