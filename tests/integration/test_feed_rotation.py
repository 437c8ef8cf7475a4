"""The feed replaces its connection repeatedly without any effect on its listeners."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.domain.order import Symbol
from app.simulator.market.scripted_market import ScriptedMarket
from tests.support.market import (
    INTERRUPTED,
    PATIENT,
    SYMBOLS,
    RecordingListener,
    VenueAndFeed,
    eventually_has,
    venue_and_feed,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

ROTATIONS = 5
SHUTDOWN = '{"e":"serverShutdown","E":1770123456789}'

WHEN_ANNOUNCED = replace(PATIENT, rotation_look_seconds=0.05, pause_seconds_first=0.05)
OFTEN = replace(WHEN_ANNOUNCED, rotation_seconds=1.0)


class Publisher:
    """Pushes quotes of some symbols continuously and records their update ids."""

    def __init__(self, market: ScriptedMarket, symbols: list[Symbol]) -> None:
        self.published: dict[Symbol, list[int]] = {symbol: [] for symbol in symbols}
        self._market = market

    async def run(self) -> None:
        """Publish until canceled."""
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


def count(on: VenueAndFeed, name: str) -> int:
    """Return a counter of the feed."""
    return on.feed.state().counters.get(name, 0)


async def live(on: VenueAndFeed, symbols: list[Symbol]) -> dict[Symbol, RecordingListener]:
    """Subscribe to the symbols and return once each has its seed."""
    listeners = {symbol: RecordingListener() for symbol in symbols}
    for symbol, listener in listeners.items():
        on.feed.subscribe(symbol, listener)
    await eventually(lambda: all(listener.seeds for listener in listeners.values()))
    return listeners


@asynccontextmanager
async def published_once(
    on: VenueAndFeed, symbols: list[Symbol], *others: Symbol
) -> AsyncIterator[tuple[dict[Symbol, RecordingListener], dict[Symbol, list[int]]]]:
    """Publish during the context; then each symbol's listener has each update once, in order."""
    listeners = await live(on, symbols)
    publisher = Publisher(on.market, [*symbols, *others])
    task = asyncio.create_task(publisher.run())
    yield listeners, publisher.published
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled(), "it publishes until it is stopped"
    for symbol, listener in listeners.items():
        published = publisher.published[symbol]
        await eventually(lambda: ids_of(listener)[-1] == published[-1])  # noqa: B023 - at once
        assert ids_of(listener) == published
        assert INTERRUPTED not in listener.told
    assert count(on, "reconnects") == 0
    assert on.feed.state().status == "connected"


async def test_rotations_under_full_rate_cost_and_repeat_no_frame() -> None:
    """Each update arrives once and in order, and no listener is interrupted."""
    async with (
        venue_and_feed(SYMBOLS, timing=OFTEN) as on,
        published_once(on, SYMBOLS[:6]) as (listeners, _),
    ):
        await eventually(lambda: count(on, "rotations") >= ROTATIONS)

        assert count(on, "rotation_duplicates")
        assert all(len(listener.seeds) == 1 for listener in listeners.values())


async def test_symbols_that_come_and_go_during_rotations_are_served_correctly() -> None:
    """A lasting listener misses nothing; a new one gets a seed and no earlier quote."""
    stays, *others = SYMBOLS[:12]
    visits: list[tuple[int, RecordingListener]] = []
    async with (
        venue_and_feed(SYMBOLS, timing=OFTEN) as on,
        published_once(on, [stays], *others) as (_, published),
    ):
        while count(on, "rotations") < 2 or len(visits) <= 2:
            for symbol in others:
                visitor = RecordingListener()
                visits.append(((published[symbol] or [0])[-1], visitor))
                on.feed.subscribe(symbol, visitor)
                await eventually_has(visitor.seeds, 1)
                on.feed.unsubscribe(symbol, visitor)

    for since, visitor in visits:
        ids = ids_of(visitor)
        assert all(update_id > since for update_id in ids)
        assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True


async def test_announced_shutdown_is_left_before_the_venue_closes() -> None:
    """A shutdown notice causes neither a missed update nor an interruption."""
    symbols = SYMBOLS[:3]
    async with (
        venue_and_feed(SYMBOLS, timing=WHEN_ANNOUNCED) as on,
        published_once(on, symbols),
    ):
        on.venue.send_frame(symbols[0], SHUTDOWN)
        await eventually(lambda: count(on, "rotations"))
        await eventually(lambda: on.observed.connections_open == 1)


async def test_venue_that_closes_in_the_middle_of_a_rotation_interrupts_no_listener() -> None:
    """The new connection takes over immediately if the old one closes during a rotation."""
    symbols = SYMBOLS[:3]
    late = replace(PATIENT, rotation_look_seconds=5.0)
    async with (
        venue_and_feed(SYMBOLS, timing=late) as on,
        published_once(on, symbols) as (listeners, _),
    ):
        (old,) = (peer for peer in on.venue._peers if peer.subscriptions.streams)
        on.venue.send_frame(symbols[0], SHUTDOWN)
        await eventually(lambda: len(on.observed.messages_of("SUBSCRIBE")) == 2)
        await eventually(lambda: all(listener.quotes for listener in listeners.values()))
        old.cut(1001, "going away")
        await eventually(lambda: count(on, "lost_shutdown"))
