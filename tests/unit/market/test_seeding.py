"""Seeds are asked for until every listener is content."""

import asyncio
import random
from collections import Counter

from structlog.testing import capture_logs

from app.domain.errors import VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.seeding import SEEDS_AT_ONCE_MAX, Seeder
from app.market.symbol_stream import SymbolStream
from tests.support.builders import make_quote
from tests.support.market import LTCBTC, SEED, HandDepth, RecordingListener
from tests.support.waiting import eventually


class Seeding:
    """A seeder with its counters and one stream."""

    def __init__(self, depth: HandDepth) -> None:
        self.counters: Counter[str] = Counter()
        self.seeder = Seeder(depth, random_source=random.Random(1), counters=self.counters)
        self.stream = SymbolStream(LTCBTC, self.counters)


async def test_contented_listener_ends_the_asking() -> None:
    """One seed is enough."""
    depth = HandDepth([make_quote(5)])
    seeding = Seeding(depth)
    listener = RecordingListener()
    seeding.stream.add(listener)

    await seeding.seeder.seed(seeding.stream)

    assert [seed.update_id for seed in listener.seeds] == [5]
    assert depth.asked == [LTCBTC]
    assert seeding.counters == {"seeds": 1}


async def test_stream_without_waiting_listeners_asks_for_nothing() -> None:
    """They may have left before their turn came."""
    depth = HandDepth()
    seeding = Seeding(depth)

    await seeding.seeder.seed(seeding.stream)

    assert depth.asked == []


async def test_failures_are_named_until_a_seed_arrives() -> None:
    """The cause stands while there is one."""
    depth = HandDepth([VenueUnreachableError("no route")])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener())

    task = asyncio.create_task(seeding.seeder.seed(seeding.stream))
    await eventually(lambda: seeding.stream.seed_trouble)
    trouble = seeding.stream.seed_trouble
    depth.answer(make_quote(5))
    await task

    assert trouble == "no route"
    assert seeding.stream.seed_trouble is None
    assert seeding.counters == {"seeds": 1, "seeds_failed": 1}


async def test_failure_is_logged_where_it_begins_and_not_at_each_retry() -> None:
    """Once more after a seed had come in between."""
    down = VenueUnreachableError("no route")
    depth = HandDepth([down, down, make_quote(5), down, make_quote(6)])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener())

    with capture_logs() as logs:
        await seeding.seeder.seed(seeding.stream)
        seeding.stream.distrust()
        await seeding.seeder.seed(seeding.stream)

    entry = {"event": "seed_failed", "log_level": "warning", "symbol": LTCBTC, "cause": "no route"}
    assert logs == [entry, entry]
    assert seeding.counters["seeds_failed"] == 3


async def test_stale_seed_is_logged_once_until_one_is_current() -> None:
    """The venue's snapshot is older than what the listener has seen."""
    depth = HandDepth([make_quote(3), make_quote(4), make_quote(7), make_quote(8), make_quote(9)])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener(refused_seeds=2))

    with capture_logs() as logs:
        await seeding.seeder.seed(seeding.stream)
        seeding.stream.add(RecordingListener(refused_seeds=1))
        await seeding.seeder.seed(seeding.stream)

    assert [(entry["event"], entry["symbol"], entry["update_id"]) for entry in logs] == [
        ("seed_stale", LTCBTC, 3),
        ("seed_stale", LTCBTC, 8),
    ]
    assert seeding.counters["seeds_stale"] == 3


async def test_throttled_request_is_repeated_only_after_the_time_asked_for() -> None:
    """The venue's word counts more than our own pause."""
    depth = HandDepth([VenueThrottledError(0.5), make_quote(5)])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener())
    loop = asyncio.get_running_loop()
    started = loop.time()

    await seeding.seeder.seed(seeding.stream)

    assert loop.time() - started >= 0.5


async def test_seed_asked_for_before_the_quotes_became_worthless_is_not_used() -> None:
    """It may show the book as it was before what we could not read."""
    depth = HandDepth()
    seeding = Seeding(depth)
    listener = RecordingListener()
    seeding.stream.add(listener)
    task = asyncio.create_task(seeding.seeder.seed(seeding.stream))
    await eventually(lambda: depth.asked)

    seeding.stream.distrust()
    depth.answer(make_quote(5))
    depth.answer(make_quote(6))
    await task

    assert [seed.update_id for seed in listener.seeds] == [6]


async def test_listener_that_came_while_a_seed_was_under_way_gets_the_next() -> None:
    """It has not heard the frames since that seed was taken."""
    depth = HandDepth()
    seeding = Seeding(depth)
    early, late = RecordingListener(), RecordingListener()
    seeding.stream.add(early)
    task = asyncio.create_task(seeding.seeder.seed(seeding.stream))
    await eventually(lambda: depth.asked)

    seeding.stream.add(late)
    depth.answer(make_quote(5))
    depth.answer(make_quote(6))
    await task

    assert early.told == [SEED]
    assert [seed.update_id for seed in late.seeds] == [6]


async def test_no_more_than_a_bounded_number_of_seeds_is_under_way() -> None:
    """They are asked for in the order of the streams."""
    depth = HandDepth()
    counters: Counter[str] = Counter()
    seeder = Seeder(depth, random_source=random.Random(1), counters=counters)
    symbols = [Symbol(f"COIN{number}") for number in range(SEEDS_AT_ONCE_MAX + 10)]
    listener = RecordingListener()

    async with asyncio.TaskGroup() as tasks:
        for symbol in symbols:
            stream = SymbolStream(symbol, counters)
            stream.add(listener)
            tasks.create_task(seeder.seed(stream))
        await eventually(lambda: len(depth.asked) == SEEDS_AT_ONCE_MAX)
        under_way = list(depth.asked)
        for number, symbol in enumerate(symbols, 1):
            depth.answer(seed_of(symbol, number))

    assert under_way == symbols[:SEEDS_AT_ONCE_MAX]
    assert depth.asked == symbols
    assert counters["seeds"] == len(symbols)


def seed_of(symbol: Symbol, update_id: int) -> Quote:
    """Make a seed."""
    return make_quote(update_id, symbol=symbol)
