"""One connection to the venue with its subscriptions, which delivers frames or buffers them.

A session delivers each frame to the listeners of its stream. A session that will replace another
one buffers its frames until it takes over (see ``rotation``).
"""

import asyncio
import itertools
import random
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import (
    Acknowledgment,
    Drop,
    FrameReader,
    ParsedFrame,
    ShutdownNotice,
    VenueTime,
)
from app.market.seeding import Seeder
from app.market.session.frame_buffer import BufferedFrame, FrameBuffer
from app.market.session.stream_requests import StreamRequests
from app.market.session.symbol_stream import SymbolStream
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.connection import VenueConnection, open_connection
from app.market.transport.failure_kinds import Ending, EndKind
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock, FeedRecorder

if TYPE_CHECKING:
    from app.market.session.supervisor import SessionSupervisor

FRAMES_AT_ONCE_MAX: Final = 500
"""Buffered frames delivered without a pause; other work runs in between."""

_log = structlog.get_logger()


@dataclass(slots=True)
class FrameCounts:
    """Counts of every frame; plain attributes, because a ``Counter`` is far slower."""

    frames: int = 0
    quotes: int = 0
    quotes_conflated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedParts:
    """What all connections of a feed share.

    Attributes:
        tls: the certificates to trust; None for a ``ws:`` endpoint.
        attempts: limits the connection attempts of all connections together.
        counters: the events of the feed by name, except the frames in ``counts``.
        on_change: called when a connection's status or cause may have changed.
        recorder: None if nothing is recorded.
    """

    endpoint: str
    tls: ssl.SSLContext | None
    seeder: Seeder
    clock: Clock
    random_source: random.Random
    timing: FeedTiming
    attempts: SlidingWindow
    counters: Counter[str]
    counts: FrameCounts
    on_change: Callable[[], None]
    limits: FeedLimits = VENUE_LIMITS
    recorder: FeedRecorder | None = None


class VenueSession:
    """A connection with subscriptions; it is open while ``serve`` runs, or until it is lost.

    Attributes:
        opened_at: event-loop time at which the connection opened.
        is_finishing: we sent a close frame.
        is_shutdown_announced: the venue announced that it will close the connection.
    """

    def __init__(
        self,
        parts: SharedParts,
        streams: Mapping[Symbol, SymbolStream],
        owner: "SessionSupervisor",
        *,
        is_buffering: bool = False,
    ) -> None:
        self.opened_at = 0.0
        self.is_finishing = False
        self.is_shutdown_announced = False
        self._parts = parts
        self._timing = parts.timing
        self._counters = parts.counters
        self._counts = parts.counts
        self._recorder = parts.recorder
        self._clock = parts.clock
        self._reader = FrameReader()
        self._streams = streams
        self._owner = owner
        self._requests = StreamRequests(streams)
        self._connection: VenueConnection | None = None
        self._has_work = asyncio.Event()
        self._buffer = FrameBuffer(parts.limits.buffered_frames_max) if is_buffering else None
        self._ids_back_ns = round(parts.timing.ids_back_seconds * 1e9)

    async def open(self, *, open_seconds: float) -> None:
        """Connect and shake hands. Raises ConnectionFailedError."""
        self._connection = await open_connection(
            self._parts.endpoint,
            self,
            tls=self._parts.tls,
            open_seconds=open_seconds,
            timing=self._timing,
            limits=self._parts.limits,
        )
        self.opened_at = asyncio.get_running_loop().time()
        self._requests = StreamRequests(
            self._streams, self._streams, symbols_max=self._parts.limits.symbols_max
        )

    async def serve(self) -> None:
        """Send control messages as listeners change, until canceled; then close."""
        connection = self._opened
        time_timer = asyncio.get_running_loop().call_later(
            self._timing.time_stream_seconds, self._request_time
        )
        try:
            connection.start()
            self._has_work.set()
            await self._send_control_messages(connection)
        finally:
            time_timer.cancel()
            await connection.close()

    async def close(self) -> None:
        """Close the connection, in case ``serve`` never started."""
        await self._opened.close()

    async def finish(self) -> bool:
        """Send a close frame and deliver until the venue's arrives; return whether it did."""
        self.is_finishing = True
        return await self._opened.finish()

    def end(self, ending: Ending) -> None:
        """Stop handling frames, and notify the owner."""
        self._opened.report_lost(ending)

    def mute(self) -> None:
        """Stop handling frames without notifying the owner."""
        self._opened.mute()

    def note_change(self, symbol: Symbol) -> None:
        """Compare a symbol again: it gained its first listener or lost its last one."""
        self._requests.note_change(symbol)
        self._has_work.set()

    def is_flowing(self, symbol: Symbol) -> bool:
        """Whether the venue acknowledged the symbol's stream."""
        return self._requests.is_acknowledged(symbol)

    async def _send_control_messages(self, connection: VenueConnection) -> None:
        """Send all due control messages, each as full as possible."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._requests.has_changes:
                await connection.wait_turn()
                # RFC 6455 section 5.5.1: the application "MUST NOT send any more data frames after
                # sending a Close frame".
                message = None if self.is_finishing else self._requests.next_message()
                if message is None:
                    break
                self._counters["control_messages"] += 1
                await connection.send(message.encode())
                if message.symbols:  # a missing answer about the time ends no connection
                    loop.call_later(
                        self._timing.acknowledgment_seconds_max,
                        self._check_acknowledged,
                        message.request_id,
                    )

    def _request_time(self) -> None:
        self._requests.request_time()
        self._has_work.set()

    def _check_acknowledged(self, request_id: int) -> None:
        if self._requests.is_awaited(request_id) and not self.is_finishing:
            cause = "the venue did not acknowledge a control message"
            self.end(Ending(EndKind.UNACKNOWLEDGED, cause))

    def _handle_answer(self, answer: Acknowledgment) -> None:
        """Note the acknowledged streams, or schedule a retry of the refused ones."""
        if answer.error is not None:
            self._counters["control_refusals"] += 1
            _log.warning("venue_refused_control_message", error=answer.error)
            if not self._requests.is_for_time_only(answer.request_id):
                self._owner.on_refused(self, f"the venue refused a control message: {answer.error}")
        if answer.request_id is None:
            return  # its message stays unacknowledged, which ends the session
        if answer.error is None:
            self._owner.on_flowing(self, self._requests.acknowledge(answer.request_id))
            return
        refused = self._requests.refuse(answer.request_id)
        if refused:
            asyncio.get_running_loop().call_later(
                self._timing.refusal_seconds, self._subscribe_again, refused
            )

    def _subscribe_again(self, symbols: tuple[Symbol, ...]) -> None:
        for symbol in symbols:
            self.note_change(symbol)

    def on_texts(self, connection: VenueConnection, texts: Sequence[bytes]) -> None:
        """Handle the texts of one read, all received at the same time (the hot path).

        Each quote is delivered or buffered before the next text is parsed.
        """
        received_ns = self._clock.monotonic_ns()
        counts, read = self._counts, self._reader.read
        for text in texts:
            if connection.is_lost:
                return  # an earlier text ended the session, so the rest is not current
            counts.frames += 1
            parsed = read(text, received_ns)
            if type(parsed) is not Quote:
                self._handle_other(parsed, text, received_ns)
            elif self._buffer is None:
                self._deliver(parsed, text)
            else:
                self._add_to_buffer(self._buffer, BufferedFrame(parsed, bytes(text), received_ns))

    def _handle_other(self, parsed: ParsedFrame, text: bytes, received_ns: int) -> None:
        """Handle a frame that is not a quote, in its place among the quotes."""
        match parsed:
            case Acknowledgment():
                self._handle_answer(parsed)
            case VenueTime():
                self._counters["venue_times"] += 1
                self._owner.on_venue_time(self, parsed.at_ms)
            case ShutdownNotice():
                self._counters["shutdown_notices"] += 1
                self.is_shutdown_announced = True
                self._owner.on_shutdown_notice(self)
            case Drop():
                self._counters[f"dropped_{parsed.reason}"] += 1
                if self._buffer is None:
                    self._deliver_drop(parsed, received_ns)
                else:
                    self._add_to_buffer(
                        self._buffer, BufferedFrame(parsed, bytes(text), received_ns)
                    )

    def on_binary(self) -> None:
        """Count a binary frame; the venue sends none."""
        self._counts.frames += 1
        self._counters["dropped_binary"] += 1
        if self._recorder is not None:
            self._recorder.on_drop(None, "binary", self._clock.monotonic_ns())

    def on_skipped(self, texts: int) -> None:
        """Count the replaced quotes that were skipped."""
        self._counts.frames += texts
        self._counts.quotes_conflated += texts

    def on_behind(self, *, is_behind: bool) -> None:
        """Log when quotes begin to be skipped, and when that stops."""
        if is_behind:
            self._counters["times_behind"] += 1
            _log.warning("feed_skips_quotes", symbols=len(self._streams))
        else:
            _log.info("feed_skips_no_quotes", skipped_total=self._counts.quotes_conflated)

    def on_lost(self, ending: Ending) -> None:
        """Notify the owner; an end that the venue announced counts as a shutdown."""
        is_theirs = ending.kind in {EndKind.CLOSED_BY_VENUE, EndKind.RESET}
        if self.is_shutdown_announced and is_theirs and not self.is_finishing:
            ending = Ending(EndKind.SHUTDOWN, f"announced shutdown: {ending.cause}")
        self._owner.on_ended(self, ending)

    def _deliver(self, quote: Quote, text: bytes) -> None:
        stream = self._streams.get(quote.symbol)
        if stream is None:
            self._counters["dropped_unsubscribed"] += 1
            return  # frames of a stream may arrive after its last listener left
        self._counts.quotes += 1
        if self._recorder is not None:
            self._recorder.on_frame(quote.symbol, bytes(text), quote.received_ns)
        stream.deliver(quote)
        # Single late frames are normal; a stream that stays below was restarted by the venue.
        back_since_ns = stream.went_back_since_ns
        if back_since_ns is not None and quote.received_ns - back_since_ns >= self._ids_back_ns:
            cause = f"the update ids of {quote.symbol} went back to {quote.update_id}"
            self.end(Ending(EndKind.IDS_WENT_BACK, cause))

    def _deliver_drop(self, drop: Drop, received_ns: int) -> None:
        if self._recorder is not None:
            self._recorder.on_drop(drop.symbol, drop.reason, received_ns)
        stream = None if drop.symbol is None else self._streams.get(drop.symbol)
        if stream is not None:
            # The book changed in an unknown way, so the last quote is not current.
            stream.distrust()
            self._owner.on_distrusted(self, stream)

    @property
    def is_open(self) -> bool:
        """Whether frames may still arrive."""
        return not self._opened.is_lost

    @property
    def buffer(self) -> FrameBuffer | None:
        """The frames that wait; None once frames are delivered directly."""
        return self._buffer

    async def deliver_buffered(self) -> None:
        """Deliver the buffered frames in order; after that, frames are delivered directly.

        Skipped are frames that the stream delivered already, frames from before it was wanted, and
        quotes replaced long ago: a newer order must not meet them. Even an old connection that
        closed properly can leave such quotes, if it had stalled.
        """
        buffer = self._buffer
        assert buffer is not None, "the buffer is delivered once"
        superseded = buffer.superseded(self._clock.monotonic_ns())
        for index in itertools.count():
            if not buffer or not self.is_open:
                break
            self._deliver_buffered_frame(buffer.pop_first(), is_superseded=index in superseded)
            if index % FRAMES_AT_ONCE_MAX == FRAMES_AT_ONCE_MAX - 1:
                await asyncio.sleep(0)
        self._buffer = None

    def _deliver_buffered_frame(self, frame: BufferedFrame, *, is_superseded: bool) -> None:
        parsed = frame.parsed
        if isinstance(parsed, Drop):
            self._deliver_drop(parsed, frame.received_ns)
            return
        stream = self._streams.get(parsed.symbol)
        is_known = stream is not None and (
            parsed.update_id <= stream.last_update_id or parsed.received_ns < stream.wanted_since_ns
        )
        if is_known:
            self._counters["rotation_duplicates"] += 1
        elif is_superseded:
            self._counters["rotation_superseded"] += 1
        else:
            self._deliver(parsed, frame.text)

    def _add_to_buffer(self, buffer: FrameBuffer, frame: BufferedFrame) -> None:
        if not buffer.append(frame):
            cause = f"more than {buffer.frames_max} frames waited for the old connection"
            self.end(Ending(EndKind.TOO_FAR_BEHIND, cause))

    @property
    def _opened(self) -> VenueConnection:
        assert self._connection is not None, "it was opened"
        return self._connection
