"""The feed keeps the venue's limits during minutes of changing subscriptions in virtual time.

The venue is the simulator with Binance's limits, or with one control message a second less:
"at most 4 a second". It records every violation and disconnects a client that exceeds a limit.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import pytest

from app.domain.order import Symbol
from app.market.feed import BookTickerFeed
from app.market.rest import RestLimits, VenueRest
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.observations import Observations
from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.market import RecordingListener
from tests.support.virtual_time import VirtualClock, run_in_virtual_time

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

SYMBOLS: Final = [Symbol(f"COIN{number}USDT") for number in range(1_200)]
"""More than one connection holds, and too many to be seeded twice within a minute."""

STRICT: Final = replace(BINANCE_LIMITS, messages_per_second_max=4)
MINUTE: Final = 60.0
FEW: Final = SYMBOLS[:30]
THREE_CONNECTIONS: Final = replace(VENUE_LIMITS, streams_max=11)
"""A feed that needs three connections for a few symbols."""

IMPATIENT: Final = FeedTiming(early_pause_seconds_max=0.2, pause_seconds_max=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """A feed on a venue in virtual time, and the symbols that it subscribes to."""

    venue: SimulatedVenue
    feed: BookTickerFeed
    listener: RecordingListener
    chance: random.Random
    symbols: Sequence[Symbol]

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
    clock: VirtualClock,
    *,
    limits: FeedLimits = VENUE_LIMITS,
    rest_limits: RestLimits | None = None,
    timing: FeedTiming | None = None,
    symbols: Sequence[Symbol] = SYMBOLS,
    venue_limits: VenueLimits = STRICT,
) -> AsyncIterator[Churn]:
    """Run a venue of these symbols and a feed on it."""
    venue = SimulatedVenue(ScriptedMarket(symbols), clock=clock, limits=venue_limits)
    async with venue.serve() as running:
        rest = VenueRest(running.rest_url, clock=clock, limits=rest_limits)
        feed = BookTickerFeed(
            stream_url=running.stream_url,
            depth=rest,
            clock=clock,
            random=random.Random(1),
            limits=limits,
            timing=timing,
        )
        task = asyncio.create_task(feed.run())
        yield Churn(
            venue=venue,
            feed=feed,
            listener=RecordingListener(),
            chance=random.Random(2),
            symbols=symbols,
        )
        task.cancel()
        await asyncio.wait({task})
        await rest.aclose()


async def come_and_go(clock: VirtualClock, limits: FeedLimits = VENUE_LIMITS) -> Counter[str]:
    """Change subscriptions for more than a minute and drop all connections once."""
    async with churn(clock, limits=limits) as on:
        await on.come_and_go(seconds=0.5 * MINUTE, per_second=40)
        on.venue.drop_connections()
        await on.come_and_go(seconds=0.75 * MINUTE, per_second=40)
        state = on.feed.state()
        assert state.status == "connected"
        assert len(state.connections) == 2
        assert len(on.observed.messages_of("SUBSCRIBE")) > 50
        assert len(on.observed.messages_of("UNSUBSCRIBE")) > 50
        assert len(on.observed.depth_requests) > 600, "more than a minute's weight"
        return on.violations()


async def knock(
    clock: VirtualClock, limits: FeedLimits = THREE_CONNECTIONS, *, seconds: float = 5.5 * MINUTE
) -> Counter[str]:
    """Refuse connections first, then drop them again and again.

    The feed pauses so briefly between attempts that only the limit slows it down.
    """
    async with churn(clock, limits=limits, timing=IMPATIENT, symbols=FEW) as on:
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


def test_more_symbols_than_a_connection_holds_come_and_go_and_break_no_limit() -> None:
    """Control messages, streams per connection and request weight stay within the limits."""
    assert run_in_virtual_time(come_and_go) == Counter()


def test_a_venue_that_lets_nobody_stay_is_not_knocked_at_too_often() -> None:
    """Three connections together stay below 300 attempts in any five minutes."""
    assert run_in_virtual_time(knock) == Counter()


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        (replace(VENUE_LIMITS, control_messages_max=6), "message_rate"),
        (replace(VENUE_LIMITS, streams_max=1_100), "streams"),
    ],
)
def test_a_feed_that_takes_more_is_caught(limits: FeedLimits, broken: str) -> None:
    """The test detects a feed whose limits are above the venue's."""

    async def ask_for_all(clock: VirtualClock) -> Counter[str]:
        async with churn(clock, limits=limits) as on:
            await on.come_and_go(seconds=10, per_second=40)
            return on.violations()

    assert run_in_virtual_time(ask_for_all)[broken] > 0


def test_a_feed_that_knocks_more_often_is_caught() -> None:
    """The test detects a feed that connects too often."""

    async def knock_wildly(clock: VirtualClock) -> Counter[str]:
        return await knock(clock, replace(THREE_CONNECTIONS, attempts_max=1_000), seconds=MINUTE)

    assert run_in_virtual_time(knock_wildly)["connection_attempts"] > 0


def test_a_feed_that_asks_more_than_the_weight_allows_is_caught() -> None:
    """The test detects a feed that exceeds the request weight."""

    async def seed_wildly(clock: VirtualClock) -> Counter[str]:
        async with churn(
            clock,
            rest_limits=RestLimits(weight_max=6_000),
            symbols=SYMBOLS[:400],
            venue_limits=replace(STRICT, weight_per_minute_max=600),
        ) as on:
            await on.come_and_go(seconds=20, per_second=40)
            return on.violations()

    assert run_in_virtual_time(seed_wildly)["request_weight"] > 0
