"""One connection to the venue with its subscriptions, which delivers frames or stores them.

A session delivers each frame to the listeners of its stream. A session that is to replace another
stores its frames in order until it takes over, see ``rotation``.
"""

import asyncio
import itertools
import random
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

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
from app.market.session.kept_frames import KeptFrame, KeptFrames
from app.market.session.stream_requests import StreamRequests
from app.market.session.symbol_stream import SymbolStream
from app.market.session.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.connection import Keepalive, VenueConnection, open_connection
from app.market.transport.failure_kinds import Ending, EndKind
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock, FeedRecorder

FRAMES_AT_ONCE_MAX: Final = 500
"""Kept frames delivered in one go; other work has its turn in between."""

_log = structlog.get_logger()


@dataclass(slots=True)
class FrameCounts:
    """What every frame counts, apart from the other counters since those are slower by far."""

    frames: int = 0
    quotes: int = 0
    quotes_conflated: int = 0


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
    counts: FrameCounts
    on_change: Callable[[], None]
    limits: FeedLimits = VENUE_LIMITS
    recorder: FeedRecorder | None = None


class SessionOwner(Protocol):
    """What a session tells, synchronously."""

    def on_flowing(self, session: "VenueSession", symbols: tuple[Symbol, ...]) -> None:
        """The venue acknowledged these streams."""

    def on_refused(self, session: "VenueSession", cause: str) -> None:
        """The venue refused a control message, which is tried again later."""

    def on_distrusted(self, session: "VenueSession", stream: SymbolStream) -> None:
        """A malformed frame took a stream's quote."""

    def on_venue_time(self, session: "VenueSession", venue_ms: int) -> None:
        """A frame just read tells when it came about, in milliseconds since 1970."""

    def on_shutdown_notice(self, session: "VenueSession") -> None:
        """The venue is about to close the session."""

    def on_ended(self, session: "VenueSession", ending: Ending) -> None:
        """Nothing comes any more; it is told once."""


class VenueSession:
    """An open connection, which lives as long as its ``serve`` runs or until it ends by itself.

    ``is_finishing`` says that we said goodbye, ``is_announced`` that the venue is about to.
    """

    def __init__(
        self,
        parts: SharedParts,
        streams: Mapping[Symbol, SymbolStream],
        owner: SessionOwner,
        *,
        is_keeping: bool = False,
    ) -> None:
        self.opened_at = 0.0
        self.is_finishing = False
        self.is_announced = False
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
        self._work = asyncio.Event()
        self._kept = KeptFrames(parts.limits.kept_frames_max) if is_keeping else None
        self._ids_back_ns = round(parts.timing.ids_back_seconds * 1e9)

    # --- Its life -----------------------------------------------------------------------------

    async def open(self, *, open_seconds: float) -> None:
        """Connect and shake hands. Raises ConnectionFailedError."""
        timing = self._timing
        self._connection = await open_connection(
            self._parts.endpoint,
            self,
            tls=self._parts.tls,
            keepalive=Keepalive(
                interval_seconds=timing.ping_interval_seconds,
                timeout_seconds=timing.ping_timeout_seconds,
            ),
            open_seconds=open_seconds,
            behind_seconds=timing.behind_seconds,
            limits=self._parts.limits,
        )
        self.opened_at = asyncio.get_running_loop().time()
        self._requests = StreamRequests(
            self._streams, self._streams, symbols_max=self._parts.limits.symbols_max
        )

    async def serve(self) -> None:
        """Keep the venue informed of which streams are wanted, until canceled; then close."""
        connection = self._opened
        time_timer = asyncio.get_running_loop().call_later(
            self._timing.time_stream_seconds, self._ask_for_time
        )
        try:
            connection.start()
            self._work.set()
            await self._send_control_messages(connection)
        finally:
            time_timer.cancel()
            await connection.close()

    async def close(self) -> None:
        """Close, in case that ``serve`` never began."""
        await self._opened.close()

    async def finish(self) -> bool:
        """Say goodbye and deliver what comes until the venue has, too; True if it did."""
        self.is_finishing = True
        return await self._opened.finish()

    def end(self, ending: Ending) -> None:
        """Take nothing more from the venue, and tell the owner."""
        self._opened.report_lost(ending)

    def mute(self) -> None:
        """Take nothing more from the venue, without a word."""
        self._opened.mute()

    # --- What it asks for ---------------------------------------------------------------------

    def note_change(self, symbol: Symbol) -> None:
        """Look at a symbol again: it is wanted now, or no longer."""
        self._requests.note_change(symbol)
        self._work.set()

    def is_flowing(self, symbol: Symbol) -> bool:
        """Whether the venue acknowledged the symbol's stream."""
        return self._requests.is_acknowledged(symbol)

    async def _send_control_messages(self, connection: VenueConnection) -> None:
        """Send what is left to ask, in turn and in full messages."""
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._requests.has_changes:
                await connection.wait_turn()
                message = None if self.is_finishing else self._requests.next_message()
                if message is None:
                    break
                self._counters["control_messages"] += 1
                await connection.send(message.encode())
                if message.symbols:
                    loop.call_later(
                        self._timing.acknowledgment_seconds_max,
                        self._check_acknowledged,
                        message.request_id,
                    )

    def _ask_for_time(self) -> None:
        self._requests.want_time()
        self._work.set()

    def _check_acknowledged(self, request_id: int) -> None:
        if self._requests.is_awaited(request_id) and not self.is_finishing:
            cause = "the venue did not acknowledge a control message"
            self.end(Ending(EndKind.UNACKNOWLEDGED, cause))

    def _take_answer(self, answer: Acknowledgment) -> None:
        """Note which streams flow from now on, or ask again for them later."""
        if answer.error is not None:
            self._counters["control_refusals"] += 1
            _log.warning("venue_refused_control_message", error=answer.error)
            if not self._requests.is_for_time_only(answer.request_id):
                self._owner.on_refused(self, f"the venue refused a control message: {answer.error}")
        if answer.request_id is None:
            return  # what it answers stays unacknowledged, and that is noticed
        if answer.error is None:
            self._owner.on_flowing(self, self._requests.acknowledge(answer.request_id))
            return
        refused = self._requests.refuse(answer.request_id)
        if refused:
            asyncio.get_running_loop().call_later(
                self._timing.refusal_seconds, self._ask_again, refused
            )

    def _ask_again(self, symbols: tuple[Symbol, ...]) -> None:
        for symbol in symbols:
            self.note_change(symbol)

    # --- What the venue sends -----------------------------------------------------------------

    def on_texts(self, connection: VenueConnection, texts: Sequence[bytes]) -> None:
        """Take what was read at once, and was received at that instant (the hot path).

        Each quote is passed on to its listeners, or kept, before anything else happens.
        """
        received_ns = self._clock.monotonic_ns()
        counts, read = self._counts, self._reader.read
        for text in texts:
            if connection.is_lost:
                return
            counts.frames += 1
            parsed = read(text, received_ns)
            if type(parsed) is not Quote:
                self._take_other(parsed, text, received_ns)
            elif self._kept is None:
                self._deliver(parsed, text)
            else:
                self._keep(self._kept, KeptFrame(parsed, bytes(text), received_ns))

    def _take_other(self, parsed: ParsedFrame, text: bytes, received_ns: int) -> None:
        """Take what is no quote, in its place among the quotes."""
        match parsed:
            case Acknowledgment():
                self._take_answer(parsed)
            case VenueTime():
                self._counters["venue_times"] += 1
                self._owner.on_venue_time(self, parsed.at_ms)
            case ShutdownNotice():
                self._counters["shutdown_notices"] += 1
                self.is_announced = True
                self._owner.on_shutdown_notice(self)
            case Drop():
                self._counters[f"dropped_{parsed.reason}"] += 1
                if self._kept is None:
                    self._deliver_drop(parsed, received_ns)
                else:
                    self._keep(self._kept, KeptFrame(parsed, bytes(text), received_ns))

    def on_binary(self, connection: VenueConnection) -> None:
        """Count a binary frame; the venue sends none."""
        del connection
        self._counts.frames += 1
        self._counters["dropped_binary"] += 1
        if self._recorder is not None:
            self._recorder.on_drop(None, "binary", self._clock.monotonic_ns())

    def on_skipped(self, connection: VenueConnection, texts: int) -> None:
        """Count quotes that were replaced before we came to them."""
        del connection
        self._counts.frames += texts
        self._counts.quotes_conflated += texts

    def on_behind(self, connection: VenueConnection, *, is_behind: bool) -> None:
        """Say when quotes begin to be skipped, and when that is over."""
        del connection
        if is_behind:
            self._counters["times_behind"] += 1
            _log.warning("feed_skips_quotes", symbols=len(self._streams))
        else:
            _log.info("feed_skips_no_quotes", skipped_total=self._counts.quotes_conflated)

    def on_lost(self, connection: VenueConnection, ending: Ending) -> None:
        """Tell the owner; if the venue announced it, that is what it was."""
        del connection
        is_theirs = ending.kind in {EndKind.CLOSED_BY_VENUE, EndKind.RESET}
        if self.is_announced and is_theirs and not self.is_finishing:
            ending = Ending(EndKind.SHUTDOWN, f"announced shutdown: {ending.cause}")
        self._owner.on_ended(self, ending)

    def _deliver(self, quote: Quote, text: bytes) -> None:
        stream = self._streams.get(quote.symbol)
        if stream is None:
            self._counters["dropped_unsubscribed"] += 1
            return
        self._counts.quotes += 1
        if self._recorder is not None:
            self._recorder.on_frame(quote.symbol, bytes(text), quote.received_ns)
        stream.deliver(quote)
        back_since_ns = stream.went_back_since_ns
        if back_since_ns is not None and quote.received_ns - back_since_ns >= self._ids_back_ns:
            cause = f"the update ids of {quote.symbol} went back to {quote.update_id}"
            self.end(Ending(EndKind.IDS_WENT_BACK, cause))

    def _deliver_drop(self, drop: Drop, received_ns: int) -> None:
        if self._recorder is not None:
            self._recorder.on_drop(drop.symbol, drop.reason, received_ns)
        stream = None if drop.symbol is None else self._streams.get(drop.symbol)
        if stream is not None:
            # Something changed, and we do not know what: the last quote is not current.
            stream.distrust()
            self._owner.on_distrusted(self, stream)

    # --- Frames that wait ---------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether anything may still come."""
        return not self._opened.is_lost

    @property
    def kept(self) -> KeptFrames | None:
        """The frames that wait, None once they are delivered as they come."""
        return self._kept

    async def deliver_kept(self) -> None:
        """Deliver the kept frames in order, and from then on each as it comes.

        What a stream delivered already is skipped, and what came before it was wanted. So is what
        was replaced long ago: an order that came meanwhile must not meet it. Even an old connection
        that ended in order leaves such frames, if it had stalled.
        """
        kept = self._kept
        assert kept is not None, "frames are delivered late once"
        superseded = kept.superseded(self._clock.monotonic_ns())
        for place in itertools.count():
            if not kept or not self.is_open:
                break
            self._deliver_late(kept.take(), is_superseded=place in superseded)
            if place % FRAMES_AT_ONCE_MAX == FRAMES_AT_ONCE_MAX - 1:
                await asyncio.sleep(0)
        self._kept = None

    def _deliver_late(self, frame: KeptFrame, *, is_superseded: bool) -> None:
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

    def _keep(self, kept: KeptFrames, frame: KeptFrame) -> None:
        if not kept.keep(frame):
            cause = f"more than {kept.frames_max} frames waited for the old connection"
            self.end(Ending(EndKind.TOO_FAR_BEHIND, cause))

    @property
    def _opened(self) -> VenueConnection:
        assert self._connection is not None, "it was opened"
        return self._connection
