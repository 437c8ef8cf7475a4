"""Keep one connection alive for many streams: subscribe, seed, and repeat both after each loss.

The order is SUBSCRIBE, its acknowledgment, then a depth snapshot. A snapshot is needed because a
stream starts without one, and a quiet pair may send nothing for half a minute. A snapshot from
before the acknowledgment could be older than the first missed frame.

During a rotation there are two sessions: the current one delivers, the next one buffers its frames
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

_RESTARTING_ENDS: Final = frozenset({EndKind.IDS_WENT_BACK, EndKind.ENDED_BY_US})
"""After these the next session must not take over: the streams restart without update ids."""

_log = structlog.get_logger()


class SessionSupervisor:
    """Up to ``symbols_max`` streams on one connection, open while there are listeners."""

    def __init__(self, parts: SharedParts) -> None:
        self._parts = parts
        self._timing = parts.timing
        self._counters = parts.counters
        self._outage = Outage(parts.timing, parts.random_source)
        self._refusal: str | None = None
        self._streams: dict[Symbol, SymbolStream] = {}
        self._seeding: dict[SymbolStream, asyncio.Task[None]] = {}
        self._current: VenueSession | None = None
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
        """One of the values of ``FeedState.status``."""
        if self._current is not None:
            return "connected"
        if not self._streams:
            return "idle"
        return "connecting" if self._outage.cause is None else "down"

    @property
    def cause(self) -> str | None:
        """What is wrong: no connection, a refused message, or a symbol without a seed."""
        if not self._streams:
            return None
        seed_errors = (stream.seed_error for stream in self._streams.values())
        return self._outage.cause or self._refusal or next(filter(None, seed_errors), None)

    def note_status(self) -> None:
        """Record the time of a changed status; call it after each change."""
        if self.status != self._status_noted:
            self._status_noted = self.status
            self._since = self._parts.clock.now()

    def state(self) -> ConnectionState:
        """Return the connection's state."""
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
    def current(self) -> VenueSession | None:
        """The session that delivers; None once it is lost, which cancels the rotation."""
        return self._current

    @property
    def streams(self) -> Mapping[Symbol, SymbolStream]:
        """The streams with listeners."""
        return self._streams

    def add(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the symbol's quotes to the listener from now on, and a seed soon."""
        stream = self._streams.get(symbol)
        if stream is None:
            stream = self._streams[symbol] = SymbolStream(
                symbol, self._counters, wanted_since_ns=self._parts.clock.monotonic_ns()
            )
            self._note_change(symbol)
        stream.add(listener)
        if self._idle_timer is not None:  # a new listener came in time
            self._idle_timer.cancel()
            self._idle_timer = None
        self._wanted.set()
        self._start_seeding(stream)

    def remove(self, symbol: Symbol, listener: QuoteListener) -> bool:
        """Stop sending to the listener; return whether it was the symbol's last one."""
        stream = self._streams[symbol]
        stream.remove(listener)
        if stream.has_listeners:
            return False
        del self._streams[symbol]
        self._stop_seeding(stream)
        self._note_change(symbol)
        if not self._streams:
            self._wanted.clear()
            self._outage.cause = None
            self._end_when_idle()
        return True

    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the listener a seed soon, unless a newer frame arrives first."""
        stream = self._streams[symbol]
        stream.request_confirmation(listener)
        self._start_seeding(stream)

    def _note_change(self, symbol: Symbol) -> None:
        for session in (self._current, self._next):
            if session is not None:
                session.note_change(symbol)

    async def run(self) -> None:
        """Connect whenever there are listeners, and serve until none is left; never return."""
        while True:
            await self._wanted.wait()
            try:
                await self._outage.wait_for_attempt()
                await self._parts.attempts.acquire()
                session = await self._open(is_buffering=False) if self._streams else None
                if session is not None:
                    await self._serve(session)
            except Exception:  # noqa: BLE001 - the top of a task that must outlive our bugs
                self._note_failure("an error of our own, see the log")
                _log.exception("venue_connection_broken")

    async def open_next_session(self) -> VenueSession | None:
        """Open a buffering session, which becomes current when the current one ends.

        Return None if that failed.
        """
        await self._parts.attempts.acquire()
        session = await self._open(is_buffering=True)
        if session is None or self._current is None:
            if session is not None:  # the current session was lost, so ``run`` reconnects
                await session.close()
            return None
        self._next = session
        self._start_serving(session)
        return session

    async def _open(self, *, is_buffering: bool) -> VenueSession | None:
        session = VenueSession(self._parts, self._streams, self, is_buffering=is_buffering)
        try:
            await session.open(open_seconds=self._outage.open_seconds)
        except ConnectionFailedError as error:
            self._counters["connection_failures"] += 1
            self._counters[f"failed_{error.kind}"] += 1
            if error.retry_after_seconds:  # the venue bans an address that continues
                self._parts.attempts.hold(error.retry_after_seconds)
            if self._current is None:  # a failed rotation is no outage
                self._note_failure(str(error))
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
        """Subscribe and seed all symbols on a new session, and serve until none is left."""
        self._counters["reconnects"] += self._was_connected
        self._was_connected = True
        self._lost.clear()
        self._outage.note_connected()
        self._refusal = None
        self._current = session
        self._parts.on_change()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                rotating = tasks.create_task(self._rotation.run())
                try:
                    self._start_serving(session)
                    if not self._streams and self._idle_timer is None:
                        self._end_when_idle()
                    await self._lost.wait()
                finally:
                    self._end_current(Ending(EndKind.ENDED_BY_US, "we ended the connection"))
                    self._tasks = None
                    rotating.cancel()
        finally:
            # A ``serve`` canceled before its first step has not closed its connection.
            sessions, self._serving = list(self._serving), {}
            for serving in sessions:
                await serving.close()

    def _start_serving(self, session: VenueSession) -> None:
        assert self._tasks is not None, "sessions live within _serve"
        self._serving = {one: task for one, task in self._serving.items() if not task.done()}
        self._serving[session] = self._tasks.create_task(session.serve())

    def _end_current(self, ending: Ending | None) -> None:
        """Let the next session take over, or interrupt all listeners.

        Without an ending, the connection is closed because there are no listeners.
        """
        old, new = self._current, self._next
        if old is None:
            return
        self._current = self._next = None
        self._drop(old)
        if new is not None and (ending is None or ending.kind in _RESTARTING_ENDS):
            self._drop(new)
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
            self._note_failure(ending.cause)
        self._lag.forget()
        # A copy, because an interrupted listener may unsubscribe.
        for stream in list(self._streams.values()):
            self._stop_seeding(stream)
            stream.restart()
        self._lost.set()
        self._parts.on_change()

    def _take_over(self, new: VenueSession, *, is_clean: bool) -> None:
        """Deliver from the new session the frames that the old one did not deliver.

        Streams that the new session does not have yet are interrupted. If the old session did not
        close properly, it may have missed the last change of a quiet symbol. So a seed confirms
        each stream without a quote on both sessions, without interrupting it.
        """
        assert self._tasks is not None, "sessions live within _serve"
        assert new.buffer is not None, "the next session buffers its frames"
        self._current = new
        self._refusal = None
        for stream in list(self._streams.values()):
            if not new.is_flowing(stream.symbol):
                self._stop_seeding(stream)
                stream.restart()
                continue
            stream.change_connection()
            if not is_clean and not new.buffer.has_overlapped(stream):
                self._stop_seeding(stream)  # a seed requested before the loss may be outdated
                stream.request_seeds()
            self._start_seeding(stream)
        self._tasks.create_task(new.deliver_buffered())
        self._parts.on_change()

    def _drop(self, session: VenueSession) -> None:
        session.mute()
        if session in self._serving:
            self._serving[session].cancel()

    def _end_when_idle(self) -> None:
        self._idle_timer = asyncio.get_running_loop().call_later(
            self._timing.idle_seconds, self._end_idle
        )

    def _end_idle(self) -> None:
        self._idle_timer = None
        self._end_current(None)

    def _record(self, what: str, cause: str | None) -> None:
        if self._parts.recorder is not None:
            self._parts.recorder.on_connection(what, cause)

    def _note_failure(self, cause: str) -> None:
        self._outage.note_failure(cause)
        self._parts.on_change()

    def on_flowing(self, session: VenueSession, symbols: tuple[Symbol, ...]) -> None:
        """Seed the symbols: the venue acknowledged their streams."""
        if session is self._current:
            if symbols:  # a symbol that is refused again sets it again
                self._refusal = None
            for symbol in symbols:
                self._start_seeding(self._streams.get(symbol))

    def on_refused(self, session: VenueSession, cause: str) -> None:
        """Show the refusal as the cause; the control message will be retried."""
        if session is self._current:
            self._refusal = cause

    def on_distrusted(self, session: VenueSession, stream: SymbolStream) -> None:
        """Seed the stream again: a malformed frame made its quote worthless."""
        assert session is self._current, "only the current session delivers"
        self._start_seeding(stream)

    def on_venue_time(self, session: VenueSession, venue_ms: int) -> None:
        """Note the lag of a session that delivers, from a frame that was just read."""
        if session is self._current:
            self._lag.note(venue_ms)

    def on_shutdown_notice(self, session: VenueSession) -> None:
        """Rotate now; a next session that will close, too, is replaced by another one."""
        if session is self._current:
            self._rotation.rotate_now()
        else:
            session.end(Ending(EndKind.SHUTDOWN, "the venue announced a shutdown"))

    def on_ended(self, session: VenueSession, ending: Ending) -> None:
        """Let the next session take over, or interrupt all listeners; called once a session."""
        if session is self._current:
            self._end_current(ending)
        elif session is self._next:
            self._next = None
            self._drop(session)
            self._counters[f"lost_{ending.kind}"] += 1
            self._record("lost", ending.cause)
            _log.warning("venue_rotation_failed", kind=ending.kind.value, cause=ending.cause)

    def _start_seeding(self, stream: SymbolStream | None) -> None:
        """Seed the stream's waiting listeners, unless it is being seeded or does not flow yet."""
        if stream is None or stream in self._seeding or self._tasks is None:
            return
        if self._current is not None and self._current.is_flowing(stream.symbol):
            self._seeding[stream] = self._tasks.create_task(self._seed(stream))

    async def _seed(self, stream: SymbolStream) -> None:
        try:
            await self._parts.seeder.seed(stream, partial(self._expect_frame, stream))
        finally:
            if self._seeding.get(stream) is asyncio.current_task():
                del self._seeding[stream]

    def _stop_seeding(self, stream: SymbolStream) -> None:
        """Cancel the task and forget it: canceled before its first step, it runs no ``finally``."""
        seeding = self._seeding.pop(stream, None)
        if seeding is not None:
            seeding.cancel()

    def _expect_frame(self, stream: SymbolStream) -> None:
        """Require a frame soon after depth showed a change; else the stream has stalled."""
        asyncio.get_running_loop().call_later(
            self._timing.stall_seconds,
            self._check_stalled,
            self._current,
            stream,
            (stream.last_update_id, stream.distrusted),
        )

    def _check_stalled(
        self, session: VenueSession | None, stream: SymbolStream, before: tuple[int, int]
    ) -> None:
        is_same = session is not None and session is self._current and stream.has_listeners
        if is_same and before == (stream.last_update_id, stream.distrusted):
            assert session is not None, "checked above"
            cause = f"depth of {stream.symbol} changed, and no frame told it"
            session.end(Ending(EndKind.STALLED, cause))
