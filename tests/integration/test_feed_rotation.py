"""The feed replaces its connection repeatedly without any effect on its listeners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.domain.order import Symbol
from app.market.timing import FeedTiming
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.market import (
    INTERRUPTED,
    QUOTE,
    SEED,
    SYMBOLS,
    WITHOUT_TIME,
    RecordingListener,
    VenueAndFeed,
    eventually_has,
    feed_on,
)
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

ROTATIONS = 5
SHUTDOWN = '{"e":"serverShutdown","E":1770123456789}'

OFTEN = FeedTiming(
    rotation_seconds=1.0,
    rotation_look_seconds=0.05,
    pause_seconds_first=0.05,
)


@asynccontextmanager
async def wired(timing: FeedTiming) -> AsyncIterator[VenueAndFeed]:
    """Run a venue and a feed on it."""
    market = ScriptedMarket(SYMBOLS)
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running, feed_on(running, timing=timing) as feed:
        yield VenueAndFeed(market, venue, feed)


class Publisher:
    """Pushes quotes of some symbols continuously and records their update ids."""

    def __init__(self, market: ScriptedMarket, symbols: list[Symbol]) -> None:
        self.published: dict[Symbol, list[int]] = {symbol: [] for symbol in symbols}
        self._market = market
        self._task = asyncio.create_task(self._publish())

    async def stop(self) -> None:
        """Stop publishing."""
        self._task.cancel()
        await asyncio.wait({self._task})
        assert self._task.cancelled(), "it publishes until it is stopped"

    async def _publish(self) -> None:
        number = 0
        while True:
            for _ in range(10):
                number += 1
                for symbol, published in self.published.items():
                    quantity = str(1 + number % 7)
                    quote = self._market.push(symbol, bid=("99", "1"), ask=("100", quantity))
                    published.append(quote.update_id)
            await asyncio.sleep(0.02)


def ids_of(listener: RecordingListener) -> list[int]:
    """Return the update ids of a listener's quotes, in order."""
    return [quote.update_id for quote in listener.quotes]


async def live(wired: VenueAndFeed, symbols: list[Symbol]) -> dict[Symbol, RecordingListener]:
    """Subscribe to the symbols and return once each has its seed."""
    listeners = {symbol: RecordingListener() for symbol in symbols}
    for symbol, listener in listeners.items():
        wired.feed.subscribe(symbol, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners.values()))
    return listeners


async def test_rotations_under_full_rate_cost_and_repeat_no_frame() -> None:
    """Each update arrives once and in order, and no listener is interrupted."""
    symbols = SYMBOLS[:6]
    async with wired(OFTEN) as venue_and_feed:
        listeners = await live(venue_and_feed, symbols)
        publisher = Publisher(venue_and_feed.market, symbols)
        await eventually(lambda: venue_and_feed.count("rotations") >= ROTATIONS)
        await publisher.stop()
        last = {symbol: published[-1] for symbol, published in publisher.published.items()}
        await eventually(
            lambda: all(ids_of(listeners[symbol])[-1] == last[symbol] for symbol in symbols)
        )

        assert {one: ids_of(listener) for one, listener in listeners.items()} == (
            publisher.published
        )
        for listener in listeners.values():
            assert INTERRUPTED not in listener.told
            assert len(listener.seeds) == 1
        assert venue_and_feed.count("rotation_duplicates")
        assert venue_and_feed.count("reconnects") == 0
        assert venue_and_feed.feed.state().status == "connected"


async def test_symbols_that_come_and_go_during_rotations_are_served_rightly() -> None:
    """A lasting listener misses nothing; a new one gets a seed and no earlier quote."""
    stays, *others = SYMBOLS[:12]
    async with wired(OFTEN) as venue_and_feed:
        listeners = await live(venue_and_feed, [stays])
        publisher = Publisher(venue_and_feed.market, [stays, *others])
        visits: list[tuple[int, RecordingListener]] = []
        while venue_and_feed.count("rotations") < 2 or len(visits) <= 2:
            for symbol in others:
                visitor = RecordingListener()
                since = (publisher.published[symbol] or [0])[-1]
                venue_and_feed.feed.subscribe(symbol, visitor)
                visits.append((since, visitor))
                await eventually_has(visitor.seeds, 1)
                venue_and_feed.feed.unsubscribe(symbol, visitor)
        await publisher.stop()
        published = publisher.published[stays]
        await eventually(lambda: ids_of(listeners[stays])[-1] == published[-1])
        told = set(listeners[stays].told)

    assert ids_of(listeners[stays]) == published
    assert told == {SEED, QUOTE}
    for since, visitor in visits:
        ids = ids_of(visitor)
        assert all(update_id > since for update_id in ids)
        assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True


async def test_announced_shutdown_is_left_before_the_venue_closes() -> None:
    """A shutdown notice causes neither a missed update nor an interruption."""
    symbols = SYMBOLS[:3]
    timing = FeedTiming(rotation_look_seconds=0.05)
    async with wired(timing) as venue_and_feed:
        listeners = await live(venue_and_feed, symbols)
        publisher = Publisher(venue_and_feed.market, symbols)
        venue_and_feed.venue.send_frame(symbols[0], SHUTDOWN)
        await eventually(lambda: venue_and_feed.count("rotations"))
        await eventually(lambda: venue_and_feed.observed.connections_open == 1)
        await publisher.stop()
        last = {symbol: published[-1] for symbol, published in publisher.published.items()}
        await eventually(
            lambda: all(ids_of(listeners[symbol])[-1] == last[symbol] for symbol in symbols)
        )

        for symbol, listener in listeners.items():
            assert ids_of(listener) == publisher.published[symbol]
            assert set(listener.told) == {SEED, QUOTE}


async def test_venue_that_closes_in_the_middle_of_a_rotation_interrupts_nobody() -> None:
    """The new connection takes over immediately if the old one closes during a rotation."""
    symbols = SYMBOLS[:3]
    timing = replace(WITHOUT_TIME, rotation_look_seconds=5.0)
    async with wired(timing) as venue_and_feed:
        listeners = await live(venue_and_feed, symbols)
        (old,) = (peer for peer in venue_and_feed.venue._peers if peer.subscriptions.streams)
        venue_and_feed.venue.send_frame(symbols[0], SHUTDOWN)
        await eventually(lambda: len(venue_and_feed.observed.messages_of("SUBSCRIBE")) == 2)
        publisher = Publisher(venue_and_feed.market, symbols)
        await eventually(lambda: all(listener.quotes for listener in listeners.values()))
        old.cut(1001, "going away")
        await eventually(lambda: venue_and_feed.count("lost_shutdown"))
        await publisher.stop()
        last = {symbol: published[-1] for symbol, published in publisher.published.items()}
        await eventually(
            lambda: all(ids_of(listeners[symbol])[-1] == last[symbol] for symbol in symbols)
        )

        for symbol, listener in listeners.items():
            assert ids_of(listener) == publisher.published[symbol]
            assert INTERRUPTED not in listener.told
        assert venue_and_feed.count("reconnects") == 0
