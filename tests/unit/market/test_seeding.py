"""Tests of ``Seeder``."""

import asyncio
import random
from collections import Counter

import pytest
from structlog.testing import capture_logs

from app.domain.errors import VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.seeding import SEEDS_AT_ONCE_MAX, Seeder
from app.market.session.symbol_stream import SymbolStream
from tests.support.builders import make_quote
from tests.support.market import LTCBTC, SEED, HandDepth, RecordingListener
from tests.support.waiting import eventually


class Seeding:
    """A seeder with its counters and one stream."""

    def __init__(self, depth: HandDepth, *, confirmation_seconds: float = 1.0) -> None:
        self.counters: Counter[str] = Counter()
        self.seeder = Seeder(
            depth,
            random_source=random.Random(1),
            counters=self.counters,
            confirmation_seconds=confirmation_seconds,
        )
        self.stream = SymbolStream(LTCBTC, self.counters)


async def test_accepted_seed_ends_the_requests() -> None:
    """One accepted seed ends the requests."""
    depth = HandDepth([make_quote(5)])
    seeding = Seeding(depth)
    listener = RecordingListener()
    seeding.stream.add(listener)

    await seeding.seeder.seed(seeding.stream)

    assert [seed.update_id for seed in listener.seeds] == [5]
    assert depth.asked == [LTCBTC]
    assert seeding.counters == {"seeds": 1}


async def test_stream_without_waiting_listeners_causes_no_request() -> None:
    """A stream without waiting listeners causes no request."""
    depth = HandDepth()
    seeding = Seeding(depth)

    await seeding.seeder.seed(seeding.stream)

    assert depth.asked == []


async def test_failures_are_named_until_a_seed_arrives() -> None:
    """The cause of a failure shows until a seed arrives."""
    depth = HandDepth([VenueUnreachableError("no route")])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener())

    task = asyncio.create_task(seeding.seeder.seed(seeding.stream))
    await eventually(lambda: seeding.stream.seed_error)
    trouble = seeding.stream.seed_error
    depth.answer(make_quote(5))
    await task

    assert trouble == "no route"
    assert seeding.stream.seed_error is None
    assert seeding.counters == {"seeds": 1, "seeds_failed": 1}


async def test_failure_is_logged_where_it_begins_and_not_at_each_retry() -> None:
    """A failure is logged once, and again only after a seed in between."""
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
    """Stale seeds are logged once until a seed is accepted."""
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
    """A throttled request is retried no sooner than the venue asked."""
    depth = HandDepth([VenueThrottledError(0.5), make_quote(5)])
    seeding = Seeding(depth)
    seeding.stream.add(RecordingListener())
    loop = asyncio.get_running_loop()
    started = loop.time()

    await seeding.seeder.seed(seeding.stream)

    assert loop.time() - started >= 0.5


async def test_seed_asked_for_before_the_quotes_became_worthless_is_not_used() -> None:
    """A seed requested before a distrust is not offered."""
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
    """A listener that subscribes during a request gets the next seed."""
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
    """Requests are bounded in number and start in the order of the streams."""
    depth = HandDepth()
    seeding = Seeding(depth)
    symbols = [Symbol(f"COIN{number}") for number in range(SEEDS_AT_ONCE_MAX + 10)]
    listener = RecordingListener()

    async with asyncio.TaskGroup() as tasks:
        for symbol in symbols:
            stream = SymbolStream(symbol, seeding.counters)
            stream.add(listener)
            tasks.create_task(seeding.seeder.seed(stream))
        await eventually(lambda: len(depth.asked) == SEEDS_AT_ONCE_MAX)
        under_way = list(depth.asked)
        for number, symbol in enumerate(symbols, 1):
            depth.answer(seed_of(symbol, number))

    assert under_way == symbols[:SEEDS_AT_ONCE_MAX]
    assert depth.asked == symbols
    assert seeding.counters["seeds"] == len(symbols)


async def seeded(seeding: Seeding, quote: Quote) -> RecordingListener:
    """Give a listener its seed."""
    listener = RecordingListener()
    seeding.stream.add(listener)
    seeding.stream.offer(quote, seeding.stream.unseeded())
    return listener


async def test_confirmations_of_a_symbol_are_a_second_apart() -> None:
    """Confirmations of one symbol are at least a second apart."""
    depth = HandDepth([make_quote(number) for number in range(5, 8)])
    seeding = Seeding(depth, confirmation_seconds=0.2)
    listener = await seeded(seeding, make_quote(5))
    loop = asyncio.get_running_loop()
    started = loop.time()

    for _ in range(3):
        seeding.stream.request_confirmation(listener)
        await seeding.seeder.seed(seeding.stream)

    assert loop.time() - started >= 0.4
    assert len(depth.asked) == 3
    assert listener.told == [SEED] * 4


async def test_frame_that_comes_first_is_confirmation_enough() -> None:
    """A frame that arrives first makes the confirmation request unnecessary."""
    depth = HandDepth([make_quote(5)])
    seeding = Seeding(depth, confirmation_seconds=0.1)
    listener = await seeded(seeding, make_quote(5))
    seeding.stream.request_confirmation(listener)
    await seeding.seeder.seed(seeding.stream)

    seeding.stream.request_confirmation(listener)
    seeding.stream.deliver(make_quote(6))
    await seeding.seeder.seed(seeding.stream)

    assert len(depth.asked) == 1
    assert seeding.stream.unseeded() == []


async def test_frame_that_has_become_old_as_well_is_confirmed_in_its_turn() -> None:
    """A newer frame that became old, too, is confirmed by the next request."""
    depth = HandDepth([VenueThrottledError(0.1), make_quote(6)])
    seeding = Seeding(depth, confirmation_seconds=0)
    listener = await seeded(seeding, make_quote(5))
    seeding.stream.request_confirmation(listener)
    task = asyncio.create_task(seeding.seeder.seed(seeding.stream))
    await eventually(lambda: seeding.counters["seeds_failed"])

    seeding.stream.deliver(make_quote(6))
    seeding.stream.request_confirmation(listener)
    await task

    assert [seed.update_id for seed in listener.seeds] == [5, 6]


async def test_listener_without_a_quote_does_not_wait_for_a_confirmations_turn() -> None:
    """A listener without a quote is seeded without delay, together with confirmations."""
    depth = HandDepth([make_quote(5), make_quote(5)])
    seeding = Seeding(depth, confirmation_seconds=60)
    listener = await seeded(seeding, make_quote(5))
    seeding.stream.request_confirmation(listener)
    await seeding.seeder.seed(seeding.stream)

    newcomer = RecordingListener()
    seeding.stream.add(newcomer)
    seeding.stream.request_confirmation(listener)
    await seeding.seeder.seed(seeding.stream)

    assert newcomer.told == [SEED]
    assert listener.told == [SEED] * 3


async def test_stale_confirmation_is_asked_for_again_in_its_turn() -> None:
    """A stale confirmation is requested again after the confirmation interval."""
    depth = HandDepth([make_quote(4), make_quote(5)])
    seeding = Seeding(depth, confirmation_seconds=0.3)
    listener = RecordingListener(refused_seeds=1)
    seeding.stream.add(listener)
    seeding.stream.deliver(make_quote(5))
    seeding.stream.unseeded()[0].is_seeded = True
    seeding.stream.request_confirmation(listener)
    loop = asyncio.get_running_loop()
    started = loop.time()

    await seeding.seeder.seed(seeding.stream)

    assert loop.time() - started >= 0.3
    assert [seed.update_id for seed in listener.seeds] == [4, 5]


@pytest.mark.parametrize(
    ("seed", "is_contradiction"),
    [
        (make_quote(6, ask=("98", 5)), True),
        (make_quote(6, bid=("99.98", 2)), True),
        (make_quote(6), False),
        (make_quote(5, ask=("98", 5)), False),
        (make_quote(4, ask=("98", 5)), False),
    ],
    ids=["other price", "other quantity", "same touch", "same id", "older"],
)
async def test_contradicting_seed_is_reported_before_it_is_offered(
    seed: Quote, *, is_contradiction: bool
) -> None:
    """A contradicting seed is reported before it is offered."""
    seeding = Seeding(HandDepth([seed]), confirmation_seconds=0)
    listener = await seeded(seeding, make_quote(5))
    seeding.stream.request_confirmation(listener)
    told: list[int] = []

    await seeding.seeder.seed(seeding.stream, lambda: told.append(len(listener.seeds)))

    assert told == ([1] if is_contradiction else [])


async def test_first_seed_contradicts_nothing() -> None:
    """The first seed, and the first after a distrust, contradict nothing."""
    seeding = Seeding(HandDepth([make_quote(5), make_quote(6, ask=("98", 5))]))
    seeding.stream.add(RecordingListener())
    told: list[str] = []

    await seeding.seeder.seed(seeding.stream, lambda: told.append("first"))
    seeding.stream.distrust()
    await seeding.seeder.seed(seeding.stream, lambda: told.append("second"))

    assert told == []


def seed_of(symbol: Symbol, update_id: int) -> Quote:
    """Make a seed."""
    return make_quote(update_id, symbol=symbol)
