"""Keeps one connection alive for many streams: subscribe, seed, and again after each loss.

In this order, since a stream brings no snapshot and a quiet pair may say nothing for half a minute:
SUBSCRIBE, its acknowledgment, a depth snapshot. A snapshot asked for earlier could be older than
the first frame that we miss.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import Acknowledgment, Drop, ParsedFrame, ShutdownNotice, parse_frame
from app.market.connection import (
    ConnectionFailedError,
    Keepalive,
    VenueConnection,
    open_connection,
)
from app.market.pacing import Backoff, SlidingWindow
from app.market.seeding import Seeder
from app.market.streams import STREAMS_MAX, StreamRequests, SymbolStream
from app.ports import Clock, ConnectionState, FeedRecorder, QuoteListener

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How long the feed waits for what.

    Pauses between attempts to connect are counted from start to start and double from
    ``pause_seconds_first``. In the first minute of an outage they stay at or below
    ``early_pause_seconds_max``, so an attempt may not last longer than that either.
    """

    open_seconds_early: float = 4.5
    open_seconds: float = 10.0
    pause_seconds_first: float = 0.1
    early_pause_seconds_max: float = 5.0
    pause_seconds_max: float = 20.0
    early_seconds: float = 60.0
    # A connection that ends sooner is no recovery: the pauses go on growing.
    stable_seconds: float = 10.0
    acknowledgment_seconds_max: float = 5.0
    # Before what the venue refused is asked for again.
    refusal_seconds: float = 5.0
    # A dead connection shows within the sum of both; each ping counts as a control message.
    ping_interval_seconds: float = 5.0
    ping_timeout_seconds: float = 5.0
    # Fulfillment lingers by itself; this only spares a reconnect between two symbols.
    idle_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedParts:
    """What all connections of a feed have in common.

    ``tls`` says whom to trust, None at a ``ws:`` endpoint. ``attempts`` bounds the attempts to
    connect of all of them together. ``on_change`` is called when a connection's status or cause may
    have changed. ``recorder`` is None where nothing is recorded.
    """

    endpoint: str
    tls: ssl.SSLContext | None
    seeder: Seeder
    clock: Clock
    random_source: random.Random
    timing: FeedTiming
    attempts: SlidingWindow
    counters: Counter[str]
    on_change: Callable[[], None]
    recorder: FeedRecorder | None = None


class SharedConnection:
    """Up to 1,024 streams on one connection, which lives while somebody listens."""

    def __init__(self, parts: SharedParts) -> None:
        self._parts = parts
        self._timing = parts.timing
        self._counters = parts.counters
        self._trouble: str | None = None
        self._refusal: str | None = None
        self._streams: dict[Symbol, SymbolStream] = {}
        self._seeding: dict[SymbolStream, asyncio.Task[None]] = {}
        self._requests = StreamRequests(self._streams)
        self._connection: VenueConnection | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._wanted = asyncio.Event()
        self._lost = asyncio.Event()
        self._work = asyncio.Event()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._backoff = Backoff(parts.random_source, first_seconds=parts.timing.pause_seconds_first)
        self._next_attempt_at = 0.0
        self._trouble_since: float | None = None
        self._connected_at = 0.0
        self._was_connected = False
        self._status_noted = "idle"
        self._since = parts.clock.now()

    @property
    def status(self) -> str:
        """One of the words of ``FeedState``."""
        if self._connection is not None:
            return "connected"
        if not self._streams:
            return "idle"
        return "connecting" if self._trouble is None else "down"

    @property
    def cause(self) -> str | None:
        """What is wrong: no connection, a refusal on it, or a symbol without a seed."""
        if not self._streams:
            return None
        seed_troubles = (stream.seed_trouble for stream in self._streams.values())
        return self._trouble or self._refusal or next(filter(None, seed_troubles), None)

    def note_status(self) -> None:
        """Remember since when the connection is as it is; call it after each change."""
        if self.status != self._status_noted:
            self._status_noted = self.status
            self._since = self._parts.clock.now()

    def state(self) -> ConnectionState:
        """Say how the connection is."""
        return ConnectionState(
            status=self.status, since=self._since, streams=len(self._streams), cause=self.cause
        )

    @property
    def is_full(self) -> bool:
        """Whether another symbol needs another connection."""
        return len(self._streams) >= STREAMS_MAX

    def add(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the symbol's quotes to the listener from now on, and a seed soon."""
        stream = self._streams.get(symbol)
        if stream is None:
            stream = self._streams[symbol] = SymbolStream(symbol, self._counters)
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
            self._trouble = None
            self._end_when_idle()
        return True

    async def run(self) -> None:
        """Connect whenever somebody listens, and serve until that ends; never return."""
        while True:
            await self._wanted.wait()
            try:
                await self._pause()
                connection = await self._open() if self._streams else None
                if connection is not None:
                    await self._serve(connection)
            except Exception:  # noqa: BLE001 - the top of a task that must outlive our bugs
                self._note_trouble("an error of our own, see the log")
                _log.exception("venue_connection_broken")

    # --- The connection's life ----------------------------------------------------------------

    async def _pause(self) -> None:
        """Wait until the next attempt to connect is due and the venue's limit allows it."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next_attempt_at - loop.time())
        await self._parts.attempts.acquire()
        self._next_attempt_at = loop.time() + self._next_pause_seconds()

    async def _open(self) -> VenueConnection | None:
        timing = self._timing
        seconds = timing.open_seconds_early if self._is_early() else timing.open_seconds
        try:
            return await open_connection(
                self._parts.endpoint,
                self,
                tls=self._parts.tls,
                keepalive=Keepalive(
                    interval_seconds=timing.ping_interval_seconds,
                    timeout_seconds=timing.ping_timeout_seconds,
                ),
                open_seconds=seconds,
            )
        except ConnectionFailedError as error:
            self._counters["connection_failures"] += 1
            self._note_trouble(str(error))
            _log.warning("venue_unreachable", cause=str(error))
            return None

    async def _serve(self, connection: VenueConnection) -> None:
        """Subscribe and seed everything on a new connection, and serve until it is lost."""
        self._counters["connections"] += 1
        self._counters["reconnects"] += self._was_connected
        self._was_connected = True
        self._lost.clear()
        self._connection = connection
        self._connected_at = asyncio.get_running_loop().time()
        self._requests = StreamRequests(self._streams, self._streams)
        self._work.set()
        self._trouble = self._refusal = None
        self._record("opened", None)
        self._parts.on_change()
        _log.info("venue_connected", endpoint=self._parts.endpoint, symbols=len(self._streams))
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                control = tasks.create_task(self._send_control_messages(connection))
                try:
                    connection.start()
                    if not self._streams and self._idle_timer is None:
                        self._end_when_idle()
                    await self._lost.wait()
                finally:
                    self._lose(connection, "we ended the connection")
                    self._tasks = None
                    control.cancel()
        finally:
            await connection.close()

    def _lose(self, connection: VenueConnection, cause: str | None) -> None:
        """Tell everybody that the connection is gone; without a cause, it ends as planned."""
        if connection is not self._connection:
            return
        self._connection = None
        connection.mute()
        loop = asyncio.get_running_loop()
        if loop.time() - self._connected_at >= self._timing.stable_seconds:
            self._backoff.reset()
            self._trouble_since = None
            self._next_attempt_at = loop.time() + self._next_pause_seconds()
        if cause is not None and self._streams:
            self._note_trouble(cause)
        self._record("closed" if cause is None else "lost", cause)
        for stream in list(self._streams.values()):
            self._stop_seeding(stream)
            stream.distrust()
        self._lost.set()
        self._parts.on_change()
        _log.info("venue_connection_ended", cause=cause)

    def _end_when_idle(self) -> None:
        self._idle_timer = asyncio.get_running_loop().call_later(
            self._timing.idle_seconds, self._end_idle
        )

    def _end_idle(self) -> None:
        self._idle_timer = None
        if self._connection is not None:
            self._lose(self._connection, None)

    def _record(self, what: str, cause: str | None) -> None:
        if self._parts.recorder is not None:
            self._parts.recorder.on_connection(what, cause)

    def _note_trouble(self, cause: str) -> None:
        self._trouble = cause
        if self._trouble_since is None:
            self._trouble_since = asyncio.get_running_loop().time()
        self._parts.on_change()

    def _next_pause_seconds(self) -> float:
        is_early = self._is_early()
        most = self._timing.early_pause_seconds_max if is_early else self._timing.pause_seconds_max
        return self._backoff.next_seconds(most_seconds=most)

    def _is_early(self) -> bool:
        if self._trouble_since is None:
            return True
        now = asyncio.get_running_loop().time()
        return now - self._trouble_since < self._timing.early_seconds

    # --- What we ask of the venue -------------------------------------------------------------

    def _note_change(self, symbol: Symbol) -> None:
        self._requests.note_change(symbol)
        self._work.set()

    async def _send_control_messages(self, connection: VenueConnection) -> None:
        """Keep the venue informed of which streams are wanted, in turn and in full messages."""
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._requests.has_changes:
                await connection.wait_turn()
                message = self._requests.next_message()
                if message is None:
                    break
                self._counters["control_messages"] += 1
                await connection.send(message.encode())
                loop.call_later(
                    self._timing.acknowledgment_seconds_max,
                    self._check_acknowledged,
                    connection,
                    message.request_id,
                )

    def _check_acknowledged(self, connection: VenueConnection, request_id: int) -> None:
        if connection is self._connection and self._requests.is_awaited(request_id):
            self._lose(connection, "the venue did not acknowledge a control message")

    def _take_answer(self, answer: Acknowledgment) -> None:
        """Seed the symbols whose streams flow from now on, or ask again for them later."""
        if answer.error is not None:
            self._counters["control_refusals"] += 1
            self._refusal = f"the venue refused a control message: {answer.error}"
            _log.warning("venue_refused_control_message", error=answer.error)
        if answer.request_id is None:
            return  # what it answers stays unacknowledged, and that is noticed
        if answer.error is None:
            for symbol in self._requests.acknowledge(answer.request_id):
                self._seed_soon(self._streams.get(symbol))
            return
        refused = self._requests.refuse(answer.request_id)
        if refused:
            asyncio.get_running_loop().call_later(
                self._timing.refusal_seconds, self._ask_again, self._requests, refused
            )

    def _ask_again(self, requests: StreamRequests, symbols: tuple[Symbol, ...]) -> None:
        if requests is self._requests:
            for symbol in symbols:
                self._note_change(symbol)

    # --- What the venue sends -----------------------------------------------------------------

    def on_text(self, connection: VenueConnection, text: bytes) -> None:
        """Pass a quote on to its listeners before anything else happens."""
        self._counters["frames"] += 1
        received_ns = self._parts.clock.monotonic_ns()
        parsed = parse_frame(text, received_ns)
        if type(parsed) is not Quote:
            self._take_other(connection, parsed, received_ns)
            return
        stream = self._streams.get(parsed.symbol)
        if stream is None:
            self._counters["dropped_unsubscribed"] += 1
            return
        self._counters["quotes"] += 1
        if self._parts.recorder is not None:
            self._parts.recorder.on_frame(parsed.symbol, bytes(text), received_ns)
        stream.deliver(parsed)

    def on_binary(self, connection: VenueConnection) -> None:
        """Count a binary frame; the venue sends none."""
        assert connection is self._connection, "a connection that was lost says nothing"
        self._counters["frames"] += 1
        self._counters["dropped_binary"] += 1
        self._record_drop(None, "binary", self._parts.clock.monotonic_ns())

    def on_lost(self, connection: VenueConnection, cause: str) -> None:
        """Interrupt all listeners at once."""
        self._lose(connection, cause)

    def _take_other(
        self, connection: VenueConnection, parsed: ParsedFrame, received_ns: int
    ) -> None:
        """Take a frame that is no quote."""
        match parsed:
            case Acknowledgment():
                self._take_answer(parsed)
            case ShutdownNotice():
                self._counters["shutdown_notices"] += 1
                self._lose(connection, "the venue announced a shutdown")
            case Drop():
                self._counters[f"dropped_{parsed.reason}"] += 1
                self._record_drop(parsed.symbol, parsed.reason, received_ns)
                stream = None if parsed.symbol is None else self._streams.get(parsed.symbol)
                if stream is not None:
                    # Something changed, and we do not know what: the last quote is not current.
                    stream.distrust()
                    self._seed_soon(stream)

    def _record_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        if self._parts.recorder is not None:
            self._parts.recorder.on_drop(symbol, reason, received_ns)

    def _seed_soon(self, stream: SymbolStream | None) -> None:
        """Get a seed for whoever waits for one, unless that is under way or too early."""
        if stream is None or stream in self._seeding or self._tasks is None:
            return
        if self._connection is not None and self._requests.is_acknowledged(stream.symbol):
            self._seeding[stream] = self._tasks.create_task(self._seed(stream))

    async def _seed(self, stream: SymbolStream) -> None:
        try:
            await self._parts.seeder.seed(stream)
        finally:
            self._seeding.pop(stream, None)

    def _stop_seeding(self, stream: SymbolStream) -> None:
        """Forget the task at once: canceled before its first step, it never reaches its end."""
        seeding = self._seeding.pop(stream, None)
        if seeding is not None:
            seeding.cancel()
