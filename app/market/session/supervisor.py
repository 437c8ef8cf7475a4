"""Keeps one connection alive for many streams: subscribe, seed, and again after each loss.

The order is SUBSCRIBE, its acknowledgment, then a depth snapshot, because a stream brings no
snapshot and a quiet pair may send nothing for half a minute. An earlier snapshot could be older
than the first frame that the service misses.

During a rotation there are two sessions: the present one delivers, the next one stores its frames
(see ``rotation``).
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import structlog

from app.domain.order import Symbol
from app.market.session.lag import LagMeter
from app.market.session.outage import Outage
from app.market.session.rotation import Rotation
from app.market.session.session import SharedParts, VenueSession
from app.market.session.symbol_stream import SymbolStream
from app.market.transport.failure_kinds import ConnectionFailedError, Ending, EndKind
from app.ports import ConnectionState, QuoteListener

_ENDS_OF_ALL: Final = frozenset({EndKind.IDS_WENT_BACK, EndKind.ENDED_BY_US})
"""After these the next session must not take over: the streams begin anew."""

_log = structlog.get_logger()


class SessionSupervisor:
    """Streams on one connection, as many as fit, which lives while somebody listens."""

    def __init__(self, parts: SharedParts) -> None:
        self._parts = parts
        self._timing = parts.timing
        self._counters = parts.counters
        self._outage = Outage(parts.timing, parts.random_source)
        self._refusal: str | None = None
        self._streams: dict[Symbol, SymbolStream] = {}
        self._seeding: dict[SymbolStream, asyncio.Task[None]] = {}
        self._present: VenueSession | None = None
        self._next: VenueSession | None = None
        self._serving: dict[VenueSession, asyncio.Task[None]] = {}
        self._rotation = Rotation(self, parts)
        self._lag = LagMeter(parts.clock)
        self._tasks: asyncio.TaskGroup | None = None
        self._wanted = asyncio.Event()
        self._lost = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._was_connected = False
        self._status_noted = "idle"
        self._since = parts.clock.now()

    @property
    def status(self) -> str:
        """One of the words of ``FeedState``."""
        if self._present is not None:
            return "connected"
        if not self._streams:
            return "idle"
        return "connecting" if self._outage.trouble is None else "down"

    @property
    def cause(self) -> str | None:
        """What is wrong: no connection, a refusal on it, or a symbol without a seed."""
        if not self._streams:
            return None
        seed_troubles = (stream.seed_trouble for stream in self._streams.values())
        return self._outage.trouble or self._refusal or next(filter(None, seed_troubles), None)

    def note_status(self) -> None:
        """Remember since when the connection is as it is; call it after each change."""
        if self.status != self._status_noted:
            self._status_noted = self.status
            self._since = self._parts.clock.now()

    def state(self) -> ConnectionState:
        """Say how the connection is."""
        return ConnectionState(
            status=self.status,
            since=self._since,
            streams=len(self._streams),
            cause=self.cause,
            lag=self._lag.newest,
        )

    @property
    def is_full(self) -> bool:
        """Whether another symbol needs another connection."""
        return len(self._streams) >= self._parts.limits.symbols_max

    @property
    def present(self) -> VenueSession | None:
        """The session that delivers."""
        return self._present

    @property
    def streams(self) -> Mapping[Symbol, SymbolStream]:
        """What somebody listens to."""
        return self._streams

    # --- What somebody listens to -------------------------------------------------------------

    def add(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the symbol's quotes to the listener from now on, and a seed soon."""
        stream = self._streams.get(symbol)
        if stream is None:
            stream = self._streams[symbol] = SymbolStream(
                symbol, self._counters, wanted_since_ns=self._parts.clock.monotonic_ns()
            )
            self._note_change(symbol)
        stream.add(listener)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._wanted.set()
        self._seed_soon(stream)

    def remove(self, symbol: Symbol, listener: QuoteListener) -> bool:
        """Send the listener nothing more; return whether it was the symbol's last one."""
        stream = self._streams[symbol]
        stream.remove(listener)
        if stream.has_listeners:
            return False
        del self._streams[symbol]
        self._stop_seeding(stream)
        self._note_change(symbol)
        if not self._streams:
            self._wanted.clear()
            self._outage.trouble = None
            self._end_when_idle()
        return True

    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the listener a seed soon, unless a newer frame comes first."""
        stream = self._streams[symbol]
        stream.want_confirmation(listener)
        self._seed_soon(stream)

    def _note_change(self, symbol: Symbol) -> None:
        for session in (self._present, self._next):
            if session is not None:
                session.note_change(symbol)

    # --- The connection's life ----------------------------------------------------------------

    async def run(self) -> None:
        """Connect whenever somebody listens, and serve until that ends; never return."""
        while True:
            await self._wanted.wait()
            try:
                await self._outage.wait_for_attempt()
                await self._parts.attempts.acquire()
                session = await self._open(is_keeping=False) if self._streams else None
                if session is not None:
                    await self._serve(session)
            except Exception:  # noqa: BLE001 - the top of a task that must outlive our bugs
                self._note_trouble("an error of our own, see the log")
                _log.exception("venue_connection_broken")

    async def open_next(self) -> VenueSession | None:
        """Open a session that keeps its frames and becomes the present one when that one ends."""
        await self._parts.attempts.acquire()
        session = await self._open(is_keeping=True)
        if session is None or self._present is None:
            if session is not None:  # the present session was lost meanwhile, and all begins anew
                await session.close()
            return None
        self._next = session
        self._begin(session)
        return session

    async def _open(self, *, is_keeping: bool) -> VenueSession | None:
        session = VenueSession(self._parts, self._streams, self, is_keeping=is_keeping)
        try:
            await session.open(open_seconds=self._outage.open_seconds)
        except ConnectionFailedError as error:
            self._counters["connection_failures"] += 1
            self._counters[f"failed_{error.kind}"] += 1
            if error.retry_after_seconds:
                self._parts.attempts.hold(error.retry_after_seconds)
            if self._present is None:
                self._note_trouble(str(error))
            _log.warning(
                "venue_unreachable",
                kind=error.kind.value,
                cause=str(error),
                retry_after_seconds=error.retry_after_seconds,
            )
            return None
        self._counters["connections"] += 1
        _log.info("venue_connected", endpoint=self._parts.endpoint, symbols=len(self._streams))
        self._record("opened", None)
        return session

    async def _serve(self, session: VenueSession) -> None:
        """Subscribe and seed everything on a new session, and serve until none is left."""
        self._counters["reconnects"] += self._was_connected
        self._was_connected = True
        self._lost.clear()
        self._outage.note_connected()
        self._refusal = None
        self._present = session
        self._parts.on_change()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                rotating = tasks.create_task(self._rotation.run())
                try:
                    self._begin(session)
                    if not self._streams and self._idle_timer is None:
                        self._end_when_idle()
                    await self._lost.wait()
                finally:
                    self._end_present(Ending(EndKind.ENDED_BY_US, "we ended the connection"))
                    self._tasks = None
                    rotating.cancel()
        finally:
            sessions, self._serving = list(self._serving), {}
            for one in sessions:
                await one.close()

    def _begin(self, session: VenueSession) -> None:
        assert self._tasks is not None, "sessions live within _serve"
        self._serving = {one: task for one, task in self._serving.items() if not task.done()}
        self._serving[session] = self._tasks.create_task(session.serve())

    def _end_present(self, ending: Ending | None) -> None:
        """Let the next session take over, or tell everybody; without an ending, nobody listens."""
        old, new = self._present, self._next
        if old is None:
            return
        self._present = self._next = None
        self._let_go(old)
        if new is not None and (ending is None or ending.kind in _ENDS_OF_ALL):
            self._let_go(new)
            new = None
        if old.is_finishing and new is not None:
            self._counters["rotations"] += 1
            self._record("rotated", None)
        elif ending is None:
            self._record("closed", None)
        else:
            self._counters[f"lost_{ending.kind}"] += 1
            self._record("lost", ending.cause)
        _log.info(
            "venue_connection_ended",
            kind=None if ending is None else ending.kind.value,
            cause=None if ending is None else ending.cause,
            is_replaced=new is not None,
        )
        self._outage.note_lost(old.opened_at)
        if new is not None:
            is_answered = ending is not None and ending.kind is EndKind.CLOSED_BY_VENUE
            self._take_over(new, is_clean=old.is_finishing and is_answered)
            return
        if ending is not None and self._streams:
            self._note_trouble(ending.cause)
        self._lag.forget()
        for stream in list(self._streams.values()):
            self._stop_seeding(stream)
            stream.begin_anew()
        self._lost.set()
        self._parts.on_change()

    def _take_over(self, new: VenueSession, *, is_clean: bool) -> None:
        """Deliver from the new session what the old one did not.

        Streams that it does not have yet are interrupted. If the old session did not end in order,
        what it missed may have been the last change of a quiet symbol: so a seed confirms each
        stream that did not quote on both, without interrupting it.
        """
        assert self._tasks is not None, "sessions live within _serve"
        assert new.kept is not None, "the next session keeps its frames"
        self._present = new
        self._refusal = None
        for stream in list(self._streams.values()):
            if not new.is_flowing(stream.symbol):
                self._stop_seeding(stream)
                stream.begin_anew()
                continue
            stream.change_connection()
            if not is_clean and not new.kept.has_overlapped(stream):
                self._stop_seeding(stream)  # a seed under way was asked for too early
                stream.want_seeds()
            self._seed_soon(stream)
        self._tasks.create_task(new.deliver_kept())
        self._parts.on_change()

    def _let_go(self, session: VenueSession) -> None:
        session.mute()
        if session in self._serving:
            self._serving[session].cancel()

    def _end_when_idle(self) -> None:
        self._idle_timer = asyncio.get_running_loop().call_later(
            self._timing.idle_seconds, self._end_idle
        )

    def _end_idle(self) -> None:
        self._idle_timer = None
        self._end_present(None)

    def _record(self, what: str, cause: str | None) -> None:
        if self._parts.recorder is not None:
            self._parts.recorder.on_connection(what, cause)

    def _note_trouble(self, cause: str) -> None:
        self._outage.note_trouble(cause)
        self._parts.on_change()

    # --- What the sessions tell ------------------------------------------------------------------

    def on_flowing(self, session: VenueSession, symbols: tuple[Symbol, ...]) -> None:
        """Seed the symbols whose streams flow from now on."""
        if session is self._present:
            if symbols:  # what else was refused is asked for again, and named again
                self._refusal = None
            for symbol in symbols:
                self._seed_soon(self._streams.get(symbol))

    def on_refused(self, session: VenueSession, cause: str) -> None:
        """Show what the venue refused."""
        if session is self._present:
            self._refusal = cause

    def on_distrusted(self, session: VenueSession, stream: SymbolStream) -> None:
        """Get a new quote for the stream."""
        assert session is self._present, "only the present session delivers"
        self._seed_soon(stream)

    def on_venue_time(self, session: VenueSession, venue_ms: int) -> None:
        """Note how far behind the session is that delivers."""
        if session is self._present:
            self._lag.note(venue_ms)

    def on_shutdown_notice(self, session: VenueSession) -> None:
        """Do not wait to be thrown out; a next session that goes away as well is of no use."""
        if session is self._present:
            self._rotation.hurry()
        else:
            session.end(Ending(EndKind.SHUTDOWN, "the venue announced a shutdown"))

    def on_ended(self, session: VenueSession, ending: Ending) -> None:
        """Let the next session take over, or interrupt all listeners at once."""
        if session is self._present:
            self._end_present(ending)
        elif session is self._next:
            self._next = None
            self._let_go(session)
            self._counters[f"lost_{ending.kind}"] += 1
            self._record("lost", ending.cause)
            _log.warning("venue_rotation_failed", kind=ending.kind.value, cause=ending.cause)

    # --- Seeds --------------------------------------------------------------------------------

    def _seed_soon(self, stream: SymbolStream | None) -> None:
        """Get a seed for whoever waits for one, unless that is under way or too early."""
        if stream is None or stream in self._seeding or self._tasks is None:
            return
        if self._present is not None and self._present.is_flowing(stream.symbol):
            self._seeding[stream] = self._tasks.create_task(self._seed(stream))

    async def _seed(self, stream: SymbolStream) -> None:
        try:
            await self._parts.seeder.seed(stream, partial(self._expect_a_frame, stream))
        finally:
            if self._seeding.get(stream) is asyncio.current_task():
                del self._seeding[stream]

    def _stop_seeding(self, stream: SymbolStream) -> None:
        """Forget the task at once: canceled before its first step, it never reaches its end."""
        seeding = self._seeding.pop(stream, None)
        if seeding is not None:
            seeding.cancel()

    def _expect_a_frame(self, stream: SymbolStream) -> None:
        """Depth shows a change: its frame must come soon, or the stream has stalled."""
        asyncio.get_running_loop().call_later(
            self._timing.stall_seconds,
            self._check_stalled,
            self._present,
            stream,
            (stream.last_update_id, stream.distrusted),
        )

    def _check_stalled(
        self, session: VenueSession | None, stream: SymbolStream, before: tuple[int, int]
    ) -> None:
        is_same = session is not None and session is self._present and stream.has_listeners
        if is_same and before == (stream.last_update_id, stream.distrusted):
            assert session is not None, "asked just now"
            cause = f"depth of {stream.symbol} changed, and no frame told it"
            session.end(Ending(EndKind.STALLED, cause))
