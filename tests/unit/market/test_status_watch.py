"""Tests of ``StatusWatch`` in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from app.domain.errors import VenueError, VenueThrottledError, VenueUnreachableError
from app.domain.order import Symbol
from app.market.status_watch import (
    ANSWER_SECONDS_MAX,
    FAILURE_SECONDS,
    FRESH_SECONDS,
    PAUSE_SECONDS,
    ROUND_SECONDS,
    StatusWatch,
)
from tests.support.market import LTCBTC
from tests.support.virtual_time import clock_of_loop

pytestmark = pytest.mark.virtual_time

ETHBTC = Symbol("ETHBTC")
GONE = Symbol("GONEBTC")


class HandVenue:
    """A venue, and the book of its rules, whose statuses the test sets."""

    def __init__(self) -> None:
        self.trading = {LTCBTC, ETHBTC}
        self.listed = {LTCBTC, ETHBTC}
        self.subscribed: dict[Symbol, int] = {}
        self.trouble: VenueError | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked: list[list[Symbol]] = []
        self.asked_at: list[float] = []
        self.noted: set[Symbol] = set()

    async def trading_symbols(self, symbols: Collection[Symbol]) -> set[Symbol]:
        """Return the symbols that trade, or fail."""
        self.asked.append(list(symbols))
        self.asked_at.append(asyncio.get_running_loop().time())
        await self.answers.wait()
        if self.trouble is not None:
            raise self.trouble
        return self.trading & set(symbols)

    def is_listed(self, symbol: Symbol) -> bool:
        """Whether the book has rules for the symbol."""
        return symbol in self.listed

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Keep the symbols that trade, of the symbols that were asked for."""
        assert asked_ns > 0
        self.noted = (self.noted - set(asked)) | (set(trading) & set(asked))


@asynccontextmanager
async def watch_on(venue: HandVenue) -> AsyncIterator[StatusWatch]:
    """Run a watch until the context ends."""
    watch = StatusWatch(
        source=venue,
        book=venue,
        subscribed=lambda: dict(venue.subscribed),
        clock=clock_of_loop(),
    )
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled(), "the watch runs until it is stopped"


async def seconds_of(watch: StatusWatch, symbol: Symbol) -> float:
    """Confirm a symbol; return the seconds that this took."""
    started = asyncio.get_running_loop().time()
    await watch.confirm(symbol)
    return asyncio.get_running_loop().time() - started


async def test_subscribed_symbols_are_asked_for_in_one_request_every_two_seconds() -> None:
    """A halt and its end are known within a round."""
    venue = HandVenue()
    venue.subscribed = {LTCBTC: 1, ETHBTC: 1}

    async with watch_on(venue):
        await asyncio.sleep(0.1)
        before = venue.noted
        venue.trading.discard(LTCBTC)
        await asyncio.sleep(ROUND_SECONDS)
        halted = venue.noted
        venue.trading.add(LTCBTC)
        await asyncio.sleep(ROUND_SECONDS)

    assert (before, halted, venue.noted) == ({LTCBTC, ETHBTC}, {ETHBTC}, {LTCBTC, ETHBTC})
    assert venue.asked == [[ETHBTC, LTCBTC]] * 3
    assert venue.asked_at[2] - venue.asked_at[1] == pytest.approx(ROUND_SECONDS)


async def test_nothing_is_asked_without_a_subscription() -> None:
    """An idle service sends nothing."""
    venue = HandVenue()

    async with watch_on(venue):
        await asyncio.sleep(10 * ROUND_SECONDS)

    assert venue.asked == []


async def test_an_order_of_another_symbol_asks_and_the_answer_counts_for_a_while() -> None:
    """Orders that follow soon need no request; later ones do."""
    venue = HandVenue()

    async with watch_on(venue) as watch:
        await asyncio.sleep(PAUSE_SECONDS)
        first = await seconds_of(watch, LTCBTC)
        again = await seconds_of(watch, LTCBTC)
        await asyncio.sleep(FRESH_SECONDS + 0.1)
        venue.trading.clear()
        await watch.confirm(LTCBTC)

    assert first <= PAUSE_SECONDS
    assert again == 0
    assert venue.asked == [[LTCBTC], [LTCBTC]]
    assert venue.noted == set()


async def test_orders_of_many_symbols_share_a_request() -> None:
    """A burst of orders for new symbols asks twice a second at most."""
    venue = HandVenue()
    symbols = [Symbol(f"COIN{number}USDT") for number in range(300)]
    venue.listed.update(symbols)

    async with watch_on(venue) as watch:
        for batch in (symbols[:100], symbols[100:200], symbols[200:]):
            await asyncio.gather(*(watch.confirm(symbol) for symbol in batch))

    assert sorted(one for asked in venue.asked for one in asked) == sorted(symbols)
    pauses = [after - before for before, after in itertools.pairwise(venue.asked_at)]
    assert min(pauses) >= PAUSE_SECONDS


async def test_an_order_waits_a_second_at_most_for_a_silent_venue() -> None:
    """The known status counts then."""
    venue = HandVenue()
    venue.answers.clear()

    async with watch_on(venue) as watch:
        assert await seconds_of(watch, LTCBTC) == pytest.approx(ANSWER_SECONDS_MAX)
        venue.answers.set()
        await asyncio.sleep(0)
        assert await seconds_of(watch, LTCBTC) == 0


@pytest.mark.parametrize(
    "trouble", [VenueUnreachableError("no route"), VenueThrottledError(30)], ids=["down", "banned"]
)
async def test_no_order_waits_while_the_venue_is_down(trouble: VenueError) -> None:
    """After a failure the next orders are not delayed; later the venue is asked again."""
    venue = HandVenue()
    venue.trouble = trouble

    with capture_logs() as logs:
        async with watch_on(venue) as watch:
            await watch.confirm(LTCBTC)
            failing = await seconds_of(watch, LTCBTC)
            await asyncio.sleep(FAILURE_SECONDS + 0.1)
            await watch.confirm(LTCBTC)
            venue.trouble = None
            await asyncio.sleep(FAILURE_SECONDS + 0.1)
            await watch.confirm(LTCBTC)

    assert failing == 0
    assert venue.asked == [[LTCBTC]] * 3
    assert venue.noted == {LTCBTC}
    assert [entry["event"] for entry in logs] == ["symbol_status_unknown"]


async def test_unlisted_symbols_are_asked_for_only_after_a_frame() -> None:
    """The venue refuses lists with a delisted symbol. A frame of it may mean that it returned."""
    venue = HandVenue()
    venue.subscribed = {LTCBTC: 1, GONE: 7}

    async with watch_on(venue) as watch:
        await asyncio.sleep(2 * ROUND_SECONDS)
        silent = await seconds_of(watch, GONE)
        quiet = [asked for asked in venue.asked if GONE in asked]
        venue.subscribed[GONE] = 8
        venue.trading.add(GONE)
        await asyncio.sleep(ROUND_SECONDS)
        await asyncio.sleep(ROUND_SECONDS)

    assert silent == 0
    assert quiet == []
    assert [asked for asked in venue.asked if GONE in asked] == [[GONE, LTCBTC]]
    assert GONE in venue.noted
