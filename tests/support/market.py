"""Feeds for tests: listeners that record every call, depth and peers that the test controls."""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from app.domain.errors import VenueError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.feed import BookTickerFeed
from app.market.rest import RestLimits, VenueRest
from app.market.seeding import DepthSource
from app.market.session.stream_requests import TIME_STREAM
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.ports import Clock, FeedRecorder
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.observations import Observations
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

LTCBTC = Symbol("LTCBTC")

SEED = "seed"
QUOTE = "quote"
INTERRUPTED = "interrupted"

PATIENT = FeedTiming(
    open_seconds_early=WAIT_SECONDS_MAX,
    open_seconds=WAIT_SECONDS_MAX,
    acknowledgment_seconds_max=WAIT_SECONDS_MAX,
    ping_interval_seconds=WAIT_SECONDS_MAX,
    ping_timeout_seconds=WAIT_SECONDS_MAX,
    idle_seconds=WAIT_SECONDS_MAX,
    rotation_ready_seconds_max=WAIT_SECONDS_MAX,
    overlap_seconds_max=WAIT_SECONDS_MAX,
    stall_seconds=WAIT_SECONDS_MAX,
    behind_seconds=WAIT_SECONDS_MAX,
    ids_back_seconds=WAIT_SECONDS_MAX,
)
"""A feed that waits long, for a busy machine. Tests of a timeout shorten that one."""

WITHOUT_TIME = replace(PATIENT, time_stream_seconds=3_600.0)
"""A feed that does not request the venue's time, for tests that count control messages."""


async def eventually_has(items: Sized, count: int) -> None:
    """Return once there are at least this many items."""
    await eventually(lambda: len(items) >= count)


class RecordingListener:
    """A listener that records every call; it refuses the first ``refused_seeds`` seeds."""

    def __init__(self, *, refused_seeds: int = 0) -> None:
        self.told: list[str] = []
        self.quotes: list[Quote] = []
        self.seeds: list[Quote] = []
        self._refused_seeds = refused_seeds

    def on_quote(self, quote: Quote) -> None:
        """Record a frame."""
        self.told.append(QUOTE)
        self.quotes.append(quote)

    def on_seed(self, seed: Quote) -> bool:
        """Record a seed."""
        self.told.append(SEED)
        self.seeds.append(seed)
        self._refused_seeds -= 1
        return self._refused_seeds < 0

    def on_interrupted(self) -> None:
        """Record the end of the connection."""
        self.told.append(INTERRUPTED)


class NotingRecorder:
    """A recorder that records every call, with the number of calls to a listener before it."""

    def __init__(self, listener: RecordingListener) -> None:
        self.noted: list[tuple[object, ...]] = []
        self._listener = listener

    def on_frame(self, symbol: Symbol, frame: bytes, received_ns: int) -> None:
        """Record a frame."""
        assert received_ns > 0
        self._note("frame", symbol, json.loads(frame)["u"])

    def on_drop(self, symbol: Symbol | None, reason: str, received_ns: int) -> None:
        """Record a dropped frame."""
        assert received_ns > 0
        self._note("drop", symbol, reason)

    def on_seed(self, seed: Quote) -> None:
        """Record a seed."""
        self._note("seed", seed.symbol, seed.update_id)

    def on_connection(self, what: str, cause: str | None) -> None:
        """Record the start or end of a connection."""
        self._note(what, cause)

    def _note(self, *what: object) -> None:
        self.noted.append((*what, len(self._listener.told)))


class FailingListener:
    """A listener with a bug."""

    def on_quote(self, quote: Quote) -> None:
        """Fail."""
        raise AssertionError(quote)

    def on_seed(self, seed: Quote) -> bool:
        """Fail."""
        raise AssertionError(seed)

    def on_interrupted(self) -> None:
        """Fail."""
        raise AssertionError


class HandDepth:
    """A depth source with a queue of answers; it waits while the queue is empty."""

    def __init__(self, answers: Iterable[Quote | VenueError] = ()) -> None:
        self.asked: list[Symbol] = []
        self._answers = deque(answers)
        self._has_answers = asyncio.Event()

    def answer(self, answer: Quote | VenueError) -> None:
        """Add an answer to the queue."""
        self._answers.append(answer)
        self._has_answers.set()

    async def depth(self, symbol: Symbol) -> Quote:
        """Return or raise the next answer."""
        self.asked.append(symbol)
        while not self._answers:
            self._has_answers.clear()
            await self._has_answers.wait()
        answer = self._answers.popleft()
        if isinstance(answer, VenueError):
            raise answer
        return answer


@asynccontextmanager
async def running_feed(
    stream_url: str,
    depth: DepthSource,
    *,
    timing: FeedTiming | None = None,
    limits: FeedLimits = VENUE_LIMITS,
    recorder: FeedRecorder | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[BookTickerFeed]:
    """Run a feed on a venue's streams until the context ends."""
    feed = BookTickerFeed(
        stream_url=stream_url,
        depth=depth,
        clock=clock or clock_of_loop(),
        random=random.Random(1),
        timing=timing or WITHOUT_TIME,
        limits=limits,
        recorder=recorder,
    )
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled(), "the feed runs until it is stopped"


@asynccontextmanager
async def feed_on(
    venue: RunningVenue, *, timing: FeedTiming | None = None, clock: Clock | None = None
) -> AsyncIterator[BookTickerFeed]:
    """Run a feed on the streams and the REST API of a venue."""
    clock = clock or clock_of_loop()
    limits = RestLimits(depth_seconds_max=WAIT_SECONDS_MAX)
    rest = VenueRest(venue.rest_url, clock=clock, limits=limits)
    try:
        async with running_feed(venue.stream_url, rest, timing=timing, clock=clock) as feed:
            yield feed
    finally:
        await rest.aclose()


class WebSocketPeer:
    """A venue that records all messages and sends the frames of the test.

    Requests for the venue's time are recorded separately, so that no test depends on their time.

    Attributes:
        answer: The answer to a control message, with ``{id}`` for its id; empty for no answer.
        accepts: While it is not set, handshakes wait.
        refusals: The answers to the next handshakes.
    """

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.user_agents: list[str | None] = []
        self.received: list[dict[str, object]] = []
        self.time_requests: list[dict[str, object]] = []
        self.connections: list[ServerConnection] = []
        self.answer = '{"result":null,"id":{id}}'
        self.handshakes = 0
        self.refusals: deque[Response] = deque()
        self.accepts = asyncio.Event()
        self.accepts.set()

    @property
    def last(self) -> ServerConnection:
        """The newest connection."""
        return self.connections[-1]

    def send_at_once(self, *texts: str) -> None:
        """Send several frames in one segment."""
        for text in texts:
            self.last.protocol.send_text(text.encode())
        self.last.transport.write(b"".join(self.last.protocol.data_to_send()))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["WebSocketPeer"]:
        """Listen on a free port."""
        async with serve(
            self._converse,
            "127.0.0.1",
            0,
            ping_interval=None,
            process_request=self._handshake,
        ) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self

    async def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        self.paths.append(request.path)
        self.user_agents.append(request.headers.get("User-Agent"))
        assert connection not in self.connections
        await self.accepts.wait()
        return self.refusals.popleft() if self.refusals else None

    async def _converse(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for text in connection:
            message = json.loads(text)
            is_for_time = message.get("params") == [TIME_STREAM]
            (self.time_requests if is_for_time else self.received).append(message)
            if self.answer:
                await connection.send(self.answer.replace("{id}", str(message["id"])))


SYMBOLS = [Symbol(f"COIN{number}USDT") for number in range(50)]
"""Many symbols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAndFeed:
    """A venue whose quotes the test pushes, and the feed on it."""

    market: ScriptedMarket
    venue: SimulatedVenue
    feed: BookTickerFeed

    @property
    def observed(self) -> Observations:
        """What the venue received and sent."""
        return self.venue.observations


@asynccontextmanager
async def venue_and_feed(
    symbols: Iterable[str], *, timing: FeedTiming | None = None
) -> AsyncIterator[VenueAndFeed]:
    """Run a venue of these symbols and a feed on it, on the clock of the loop."""
    market = ScriptedMarket(symbols)
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running, feed_on(running, timing=timing) as feed:
        yield VenueAndFeed(market=market, venue=venue, feed=feed)
