"""Tests of ``Seeder``."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection

import pytest
from structlog.testing import capture_logs

from app.domain.errors import (
    SymbolNotTradingError,
    VenueError,
    VenueThrottledError,
    VenueUnreachableError,
)
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.seeding import RETRY_SECONDS_MAX, SEEDS_AT_ONCE_MAX, Seeder, SymbolStatuses
from app.market.session.symbol_stream import SymbolStream
from tests.support.builders import make_quote
from tests.support.hand_driven import HandClock
from tests.support.market import LTCBTC, SEED, HandDepth, RecordingListener
from tests.support.waiting import eventually

DOWN = VenueUnreachableError("no route")


class Seeding:
    """A seeder with its counters, depth that gives these answers, and a stream with a listener."""

    def __init__(
        self,
        *answers: Quote | VenueError,
        refused_seeds: int = 0,
        confirmation_seconds: float = 1.0,
        statuses: SymbolStatuses | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.depth = HandDepth(answers)
        self.seeder = Seeder(
            self.depth,
            random_source=random.Random(1),
            counters=self.counters,
            confirmation_seconds=confirmation_seconds,
            clock=HandClock(),
            statuses=statuses,
        )
        self.stream = SymbolStream(LTCBTC, self.counters)
        self.listener = RecordingListener(refused_seeds=refused_seeds)
        self.stream.add(self.listener)

    async def seed(self, on_contradiction: Callable[[], None] | None = None) -> float:
        """Seed the stream; return the seconds that this took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self.seeder.seed(self.stream, on_contradiction)
        return loop.time() - started

    async def begin(self) -> asyncio.Task[float]:
        """Start to seed the stream; return once depth was asked."""
        task = asyncio.create_task(self.seed())
        await eventually(lambda: self.depth.asked)
        return task

    def ask_to_confirm(self, quote: Quote | None = None) -> None:
        """Let the listener ask for a confirmation, of this seed if given."""
        if quote is not None:
            self.stream.offer(quote, self.stream.unseeded())
        self.stream.request_confirmation(self.listener)

    @property
    def seeds(self) -> list[int]:
        """The update ids of the seeds that the listener got."""
        return [seed.update_id for seed in self.listener.seeds]


async def test_accepted_seed_ends_the_requests() -> None:
    """One accepted seed ends the requests, and without waiting listeners there is none."""
    seeding = Seeding(make_quote(5))

    await seeding.seed()
    await seeding.seed()

    assert seeding.seeds == [5]
    assert seeding.depth.asked == [LTCBTC]
    assert seeding.counters == {"seeds": 1}


async def test_failures_are_named_until_a_seed_arrives() -> None:
    """The cause of a failure shows until a seed arrives."""
    seeding = Seeding(DOWN)

    task = asyncio.create_task(seeding.seed())
    await eventually(lambda: seeding.stream.seed_error)
    trouble = seeding.stream.seed_error
    seeding.depth.answer(make_quote(5))
    await task

    assert trouble == "no route"
    assert seeding.stream.seed_error is None
    assert seeding.counters == {"seeds": 1, "seeds_failed": 1}


async def test_failure_is_logged_where_it_begins_and_not_at_each_retry() -> None:
    """A failure is logged once, and again only after a seed in between."""
    seeding = Seeding(DOWN, DOWN, make_quote(5), DOWN, make_quote(6))

    with capture_logs() as logs:
        await seeding.seed()
        seeding.stream.distrust()
        await seeding.seed()

    entry = {"event": "seed_failed", "log_level": "warning", "symbol": LTCBTC, "cause": "no route"}
    assert logs == [entry, entry]
    assert seeding.counters["seeds_failed"] == 3


async def test_stale_seed_is_logged_once_until_one_is_current() -> None:
    """Stale seeds are logged once until a seed is accepted."""
    seeding = Seeding(*(make_quote(number) for number in (3, 4, 7, 8, 9)), refused_seeds=2)

    with capture_logs() as logs:
        await seeding.seed()
        seeding.stream.add(RecordingListener(refused_seeds=1))
        await seeding.seed()

    assert [(entry["event"], entry["symbol"], entry["update_id"]) for entry in logs] == [
        ("seed_stale", LTCBTC, 3),
        ("seed_stale", LTCBTC, 8),
    ]
    assert seeding.counters["seeds_stale"] == 3


async def test_throttled_request_is_repeated_only_after_the_time_asked_for() -> None:
    """A throttled request is retried no sooner than the venue asked."""
    assert await Seeding(VenueThrottledError(0.5), make_quote(5)).seed() >= 0.5


async def test_seed_asked_for_before_the_quotes_became_worthless_is_not_used() -> None:
    """A seed requested before a distrust is not offered."""
    seeding = Seeding()
    task = await seeding.begin()

    seeding.stream.distrust()
    for update_id in (5, 6):
        seeding.depth.answer(make_quote(update_id))
    await task

    assert seeding.seeds == [6]


async def test_listener_that_came_while_a_seed_was_under_way_gets_the_next() -> None:
    """A listener that subscribes during a request gets the next seed."""
    seeding, late = Seeding(), RecordingListener()
    task = await seeding.begin()

    seeding.stream.add(late)
    for update_id in (5, 6):
        seeding.depth.answer(make_quote(update_id))
    await task

    assert seeding.listener.told == [SEED]
    assert [seed.update_id for seed in late.seeds] == [6]


async def test_no_more_than_a_bounded_number_of_seeds_is_under_way() -> None:
    """Requests are bounded in number and start in the order of the streams."""
    seeding = Seeding()
    symbols = [Symbol(f"COIN{number}") for number in range(SEEDS_AT_ONCE_MAX + 10)]

    async with asyncio.TaskGroup() as tasks:
        for symbol in symbols:
            stream = SymbolStream(symbol, seeding.counters)
            stream.add(seeding.listener)
            tasks.create_task(seeding.seeder.seed(stream))
        await eventually(lambda: len(seeding.depth.asked) == SEEDS_AT_ONCE_MAX)
        under_way = list(seeding.depth.asked)
        for number, symbol in enumerate(symbols, 1):
            seeding.depth.answer(make_quote(number, symbol=symbol))

    assert under_way == symbols[:SEEDS_AT_ONCE_MAX]
    assert seeding.depth.asked == symbols
    assert seeding.counters["seeds"] == len(symbols)


async def test_confirmations_of_a_symbol_are_a_second_apart() -> None:
    """Confirmations of one symbol are at least a second apart."""
    seeding = Seeding(*(make_quote(number) for number in (5, 6, 7)), confirmation_seconds=0.2)
    seconds = 0.0

    for quote in (make_quote(5), None, None):
        seeding.ask_to_confirm(quote)
        seconds += await seeding.seed()

    assert seconds >= 0.4
    assert len(seeding.depth.asked) == 3
    assert seeding.listener.told == [SEED] * 4


async def test_frame_that_comes_first_is_confirmation_enough() -> None:
    """A frame that arrives first makes the confirmation request unnecessary."""
    seeding = Seeding(make_quote(5), confirmation_seconds=0.1)
    seeding.ask_to_confirm(make_quote(5))
    await seeding.seed()

    seeding.ask_to_confirm()
    seeding.stream.deliver(make_quote(6))
    await seeding.seed()

    assert len(seeding.depth.asked) == 1
    assert seeding.stream.unseeded() == []


async def test_frame_that_has_become_old_as_well_is_confirmed_in_its_turn() -> None:
    """A newer frame that became old, too, is confirmed by the next request."""
    seeding = Seeding(VenueThrottledError(0.1), make_quote(6), confirmation_seconds=0)
    seeding.ask_to_confirm(make_quote(5))
    task = asyncio.create_task(seeding.seed())
    await eventually(lambda: seeding.counters["seeds_failed"])

    seeding.stream.deliver(make_quote(6))
    seeding.ask_to_confirm()
    await task

    assert seeding.seeds == [5, 6]


async def test_listener_without_a_quote_does_not_wait_for_a_confirmations_turn() -> None:
    """A listener without a quote is seeded without delay, together with confirmations."""
    seeding = Seeding(make_quote(5), make_quote(5), confirmation_seconds=60)
    seeding.ask_to_confirm(make_quote(5))
    await seeding.seed()

    newcomer = RecordingListener()
    seeding.stream.add(newcomer)
    seeding.ask_to_confirm()
    await seeding.seed()

    assert newcomer.told == [SEED]
    assert seeding.listener.told == [SEED] * 3


async def test_stale_confirmation_is_asked_for_again_in_its_turn() -> None:
    """A stale confirmation is requested again after the confirmation interval."""
    seeding = Seeding(make_quote(4), make_quote(5), refused_seeds=1, confirmation_seconds=0.3)
    seeding.stream.deliver(make_quote(5))
    seeding.stream.unseeded()[0].is_seeded = True
    seeding.ask_to_confirm()

    assert await seeding.seed() >= 0.3
    assert seeding.seeds == [4, 5]


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
    seeding = Seeding(seed, confirmation_seconds=0)
    seeding.ask_to_confirm(make_quote(5))
    told: list[int] = []

    await seeding.seed(lambda: told.append(len(seeding.seeds)))

    assert told == ([1] if is_contradiction else [])


async def test_first_seed_contradicts_nothing() -> None:
    """The first seed, and the first after a distrust, contradict nothing."""
    seeding = Seeding(make_quote(5), make_quote(6, ask=("98", 5)))
    told: list[str] = []

    await seeding.seed(lambda: told.append("first"))
    seeding.stream.distrust()
    await seeding.seed(lambda: told.append("second"))

    assert told == []


class HandStatuses:
    """Statuses of a venue that resumes trading when the test says so."""

    def __init__(self) -> None:
        self.noted: list[tuple[list[Symbol], list[Symbol]]] = []
        self.resumed = asyncio.Event()

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Keep an answer."""
        assert asked_ns > 0
        self.noted.append((list(asked), list(trading)))

    async def wait_until_trading(self, symbol: Symbol) -> None:
        """Wait for the test."""
        assert symbol == LTCBTC
        await self.resumed.wait()


@pytest.mark.virtual_time
async def test_a_halted_symbol_is_seeded_once_it_trades_again() -> None:
    """The halt is passed on, and nothing is requested while it lasts."""
    statuses = HandStatuses()
    seeding = Seeding(SymbolNotTradingError(LTCBTC), make_quote(5), statuses=statuses)

    task = asyncio.create_task(seeding.seed())
    await asyncio.sleep(3_600)
    asked, trouble = len(seeding.depth.asked), seeding.stream.seed_error
    statuses.resumed.set()
    await task

    assert (asked, trouble) == (1, "LTCBTC is not trading at the venue now")
    assert statuses.noted == [([LTCBTC], [])]
    assert seeding.seeds == [5]
    assert seeding.stream.seed_error is None


@pytest.mark.virtual_time
async def test_without_statuses_a_halted_symbol_is_asked_for_again() -> None:
    """A recorder has no statuses; it retries at the usual pace."""
    seeding = Seeding(SymbolNotTradingError(LTCBTC), make_quote(5))

    seconds = await seeding.seed()

    assert 0 < seconds <= RETRY_SECONDS_MAX
    assert seeding.seeds == [5]
