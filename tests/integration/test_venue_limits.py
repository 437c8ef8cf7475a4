"""The feed keeps the venue's limits during minutes of changing subscriptions in virtual time.

The venue is the simulator with Binance's limits, or with one control message a second less:
"at most 4 a second". It records every violation and disconnects a client that exceeds a limit.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest

from app.domain.order import Symbol
from app.market.feed import BookTickerFeed
from app.market.rest import RestLimits, VenueRest
from app.market.status_watch import ROUND_SECONDS, StatusWatch
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.observations import Observations
from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.market import RecordingListener, running_feed
from tests.support.virtual_time import clock_of_loop

pytestmark = [
    pytest.mark.no_cover,  # the modules' own tests measure; tracing costs too much here
    pytest.mark.virtual_time,
]

SYMBOLS: Final = [Symbol(f"COIN{number}USDT") for number in range(1_200)]
"""More than one connection holds, and too many to be seeded twice within a minute."""

STRICT: Final = replace(BINANCE_LIMITS, messages_per_second_max=4)
MINUTE: Final = 60.0
FEW: Final = SYMBOLS[:30]
THREE_CONNECTIONS: Final = replace(VENUE_LIMITS, streams_max=11)
"""A feed that needs three connections for a few symbols."""

IMPATIENT: Final = FeedTiming(early_pause_seconds_max=0.2, pause_seconds_max=0.2)


class CountingBook:
    """A book that lists every symbol, and counts the answers about statuses."""

    def __init__(self) -> None:
        self.answers = 0

    def is_listed(self, symbol: Symbol) -> bool:
        """Whether the symbol has rules."""
        return bool(symbol)

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Count an answer; every symbol of this venue trades."""
        assert asked_ns > 0
        assert set(asked) <= set(trading)
        self.answers += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """A feed on a venue in virtual time, and the symbols that it subscribes to."""

    venue: SimulatedVenue
    feed: BookTickerFeed
    listener: RecordingListener
    chance: random.Random
    symbols: Sequence[Symbol]
    book: CountingBook

    @property
    def observed(self) -> Observations:
        """Return the observations of the venue."""
        return self.venue.observations

    async def come_and_go(self, *, seconds: float, per_second: int) -> None:
        """Subscribe and unsubscribe random symbols, this number at a time."""
        subscribed = set(self.symbols[per_second:])
        for symbol in subscribed:
            self.feed.subscribe(symbol, self.listener)
        ends_at = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends_at:
            for symbol in self.chance.sample(self.symbols, per_second):
                if symbol in subscribed:
                    subscribed.discard(symbol)
                    self.feed.unsubscribe(symbol, self.listener)
                else:
                    subscribed.add(symbol)
                    self.feed.subscribe(symbol, self.listener)
            await asyncio.sleep(self.chance.uniform(0, 2))

    def violations(self) -> Counter[str]:
        """Return the number of violations of each limit."""
        return Counter(one.kind.value for one in self.observed.violations)


@asynccontextmanager
async def churn(
    *,
    limits: FeedLimits = VENUE_LIMITS,
    rest_limits: RestLimits | None = None,
    timing: FeedTiming | None = None,
    symbols: Sequence[Symbol] = SYMBOLS,
    venue_limits: VenueLimits = STRICT,
) -> AsyncIterator[Churn]:
    """Run a venue of these symbols, and on it a feed and the watch of the symbols' statuses."""
    clock, book = clock_of_loop(), CountingBook()
    venue = SimulatedVenue(ScriptedMarket(symbols), clock=clock, limits=venue_limits)
    async with venue.serve() as running:
        rest = VenueRest(running.rest_url, clock=clock, limits=rest_limits)
        async with running_feed(
            running.stream_url, rest, timing=timing or FeedTiming(), limits=limits
        ) as feed:
            watch = StatusWatch(source=rest, book=book, subscribed=feed.subscribed, clock=clock)
            watching = asyncio.create_task(watch.run())
            yield Churn(
                venue=venue,
                feed=feed,
                listener=RecordingListener(),
                chance=random.Random(2),
                symbols=symbols,
                book=book,
            )
            watching.cancel()
        await rest.aclose()


async def knock(limits: FeedLimits = THREE_CONNECTIONS, *, seconds: float) -> Counter[str]:
    """Refuse connections first, then drop them again and again; return the violations.

    The feed pauses so briefly between attempts that only the limit slows it down.
    """
    async with churn(limits=limits, timing=IMPATIENT, symbols=FEW) as on:
        on.venue.refuse_connections()
        for symbol in FEW:
            on.feed.subscribe(symbol, on.listener)
        await asyncio.sleep(10)
        on.venue.refuse_connections(on=False)
        ends_at = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends_at:
            on.venue.drop_connections()
            await asyncio.sleep(1)
        assert len(on.feed.state().connections) == 3
        assert len(on.observed.connection_attempts_at) > 200
        return on.violations()


async def test_more_symbols_than_a_connection_holds_come_and_go_and_break_no_limit() -> None:
    """Control messages, streams per connection and request weight stay within the limits."""
    async with churn() as on:
        await on.come_and_go(seconds=0.5 * MINUTE, per_second=40)
        on.venue.drop_connections()
        await on.come_and_go(seconds=0.75 * MINUTE, per_second=40)
        state = on.feed.state()

        assert on.violations() == Counter()
        assert state.status == "connected"
        assert len(state.connections) == 2
        assert len(on.observed.messages_of("SUBSCRIBE")) > 50
        assert len(on.observed.messages_of("UNSUBSCRIBE")) > 50
        assert len(on.observed.depth_requests) > 500, "more than a minute's weight"
        assert on.book.answers >= 0.9 * 1.25 * MINUTE / ROUND_SECONDS, "seeds delay no status"


async def test_a_venue_that_drops_every_connection_gets_few_attempts() -> None:
    """Three connections together stay below 300 attempts in any five minutes."""
    assert await knock(seconds=5.5 * MINUTE) == Counter()


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (replace(VENUE_LIMITS, control_messages_max=6), "message_rate"),
        (replace(VENUE_LIMITS, streams_max=1_100), "streams"),
    ],
)
async def test_a_feed_that_takes_more_is_caught(limits: FeedLimits, broken: str) -> None:
    """The test detects a feed whose limits are above the venue's."""
    async with churn(limits=limits) as on:
        await on.come_and_go(seconds=10, per_second=40)

        assert on.violations()[broken] > 0


async def test_a_feed_that_connects_more_often_is_caught() -> None:
    """The test detects a feed that connects too often."""
    violations = await knock(replace(THREE_CONNECTIONS, attempts_max=1_000), seconds=MINUTE)

    assert violations["connection_attempts"] > 0


async def test_a_feed_that_asks_more_than_the_weight_allows_is_caught() -> None:
    """The test detects a feed that exceeds the request weight."""
    async with churn(
        rest_limits=RestLimits(weight_max=6_000),
        symbols=SYMBOLS[:400],
        venue_limits=replace(STRICT, weight_per_minute_max=600),
    ) as on:
        await on.come_and_go(seconds=20, per_second=40)

        assert on.violations()["request_weight"] > 0
