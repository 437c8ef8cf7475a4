"""The feed replaces its connection repeatedly without any effect on its listeners."""

import asyncio

import pytest

from app.domain.order import Symbol
from app.market.timing import FeedTiming
from app.simulator.market.scripted_market import ScriptedMarket
from tests.support.market import (
    INTERRUPTED,
    QUOTE,
    SEED,
    SYMBOLS,
    RecordingListener,
    VenueAndFeed,
    eventually_has,
    venue_and_feed,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

ROTATIONS = 5

OFTEN = FeedTiming(
    rotation_seconds=1.0,
    rotation_look_seconds=0.05,
    pause_seconds_first=0.05,
)


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


async def live(on: VenueAndFeed, symbols: list[Symbol]) -> dict[Symbol, RecordingListener]:
    """Subscribe to the symbols and return once each has its seed."""
    listeners = {symbol: RecordingListener() for symbol in symbols}
    for symbol, listener in listeners.items():
        on.feed.subscribe(symbol, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners.values()))
    return listeners


async def test_rotations_under_full_rate_cost_and_repeat_no_frame() -> None:
    """Each update arrives once and in order, and no listener is interrupted."""
    symbols = SYMBOLS[:6]
    async with venue_and_feed(SYMBOLS, timing=OFTEN) as on:
        listeners = await live(on, symbols)
        publisher = Publisher(on.market, symbols)
        await eventually(lambda: on.count("rotations") >= ROTATIONS)
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
        assert on.count("rotation_duplicates")
        assert on.count("reconnects") == 0
        assert on.feed.state().status == "connected"


async def test_symbols_that_come_and_go_during_rotations_are_served_rightly() -> None:
    """A lasting listener misses nothing; a new one gets a seed and no earlier quote."""
    stays, *others = SYMBOLS[:12]
    async with venue_and_feed(SYMBOLS, timing=OFTEN) as on:
        listeners = await live(on, [stays])
        publisher = Publisher(on.market, [stays, *others])
        visits: list[tuple[int, RecordingListener]] = []
        while on.count("rotations") < 2 or len(visits) <= 2:
            for symbol in others:
                visitor = RecordingListener()
                since = (publisher.published[symbol] or [0])[-1]
                on.feed.subscribe(symbol, visitor)
                visits.append((since, visitor))
                await eventually_has(visitor.seeds, 1)
                on.feed.unsubscribe(symbol, visitor)
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
