"""Listeners that note what they are told, and depth and rules that come when told."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from app.clock import SystemClock
from app.domain.errors import VenueError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.feed import BookTickerFeed
from app.market.rest import VenueRest
from app.market.seeding import DepthSource
from app.market.shared_connection import FeedTiming
from app.simulator.venue import RunningVenue
from tests.support.builders import make_quote

LTCBTC = Symbol("LTCBTC")

SEED = "seed"
QUOTE = "quote"
INTERRUPTED = "interrupted"


class RecordingListener:
    """A listener that notes everything; it refuses as many seeds as it is told to."""

    def __init__(self, *, refused_seeds: int = 0) -> None:
        self.told: list[str] = []
        self.quotes: list[Quote] = []
        self.seeds: list[Quote] = []
        self._refused_seeds = refused_seeds

    def on_quote(self, quote: Quote) -> None:
        """Note a frame."""
        self.told.append(QUOTE)
        self.quotes.append(quote)

    def on_seed(self, seed: Quote) -> bool:
        """Note a seed."""
        self.told.append(SEED)
        self.seeds.append(seed)
        self._refused_seeds -= 1
        return self._refused_seeds < 0

    def on_interrupted(self) -> None:
        """Note the end of the connection."""
        self.told.append(INTERRUPTED)


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
    """A depth source whose answers stand in a row; after the last one it waits for more."""

    def __init__(self, answers: Iterable[Quote | VenueError] = ()) -> None:
        self.asked: list[Symbol] = []
        self._answers = deque(answers)
        self._has_answers = asyncio.Event()

    def answer(self, answer: Quote | VenueError) -> None:
        """Let one more request through."""
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
    stream_url: str, depth: DepthSource, *, timing: FeedTiming | None = None
) -> AsyncIterator[BookTickerFeed]:
    """Run a feed on a venue's streams until the context ends."""
    feed = BookTickerFeed(
        stream_url=stream_url,
        depth=depth,
        clock=SystemClock(),
        random=random.Random(1),
        timing=timing,
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
    venue: RunningVenue, *, timing: FeedTiming | None = None
) -> AsyncIterator[BookTickerFeed]:
    """Run a feed on a venue, streams and REST alike."""
    rest = VenueRest(venue.rest_url, clock=SystemClock())
    try:
        async with running_feed(venue.stream_url, rest, timing=timing) as feed:
            yield feed
    finally:
        await rest.aclose()
