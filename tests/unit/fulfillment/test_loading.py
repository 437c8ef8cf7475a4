"""Tests of ``app.fulfillment.loading``."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, OrderStatus, Symbol
from app.fulfillment import loading
from app.fulfillment.loading import PlainMatchers, in_batches
from app.ports import StoredLedger
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import WAIT_SECONDS_MAX, eventually
from tests.unit.fulfillment.conftest import Shop

ORDERS_PER_BATCH = 2


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "ORDERS_PER_BATCH", ORDERS_PER_BATCH)


class CountedMatchers(PlainMatchers):
    """Remembers each matcher that was made, and how each one ended."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.begun: list[SymbolMatcher] = []
        self.ended: list[tuple[SymbolMatcher, str]] = []

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher and remember it."""
        self.begun.append(super().begin(symbol, stored))
        self.has_begun.set()
        return self.begun[-1]

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Remember how the matcher ended."""
        self.ended.append((matcher, how))


async def place_some(shop: Shop) -> list[Order]:
    """Place more orders than a batch holds, each with a better limit than the previous one."""
    return [await shop.place(5, limit_price=100 + number) for number in range(3 * ORDERS_PER_BATCH)]


async def until_half_loaded(counted: CountedMatchers) -> None:
    """Wait until a matcher holds some of the orders, but not all."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await counted.has_begun.wait()
    assert 0 < counted.begun[-1].resting_total < 3 * ORDERS_PER_BATCH


@asynccontextmanager
async def restarting(shop: Shop) -> AsyncIterator[CountedMatchers]:
    """Restart the desk, and continue while its symbol is half loaded."""
    counted = CountedMatchers()
    shop.restart()
    shop.desk._matchers = counted
    shop.feed.subscriptions.clear()
    async with shop.running():
        await until_half_loaded(counted)
        yield counted


async def test_batches_keep_the_order_and_let_the_event_loop_run() -> None:
    """Other tasks run after each batch."""
    seen: list[int | str] = []

    async def other_task() -> None:
        while True:
            seen.append("else")
            await asyncio.sleep(0)

    other = asyncio.create_task(other_task())
    async for batch in in_batches([1, 2, 3, 4, 5]):
        seen.extend(batch)
    other.cancel()

    assert seen == [1, 2, "else", 3, 4, "else", 5]


async def test_only_a_start_freezes_the_garbage_collector(shop: Shop) -> None:
    """A frozen object in a reference cycle is never freed, and a running service makes cycles."""
    await place_some(shop)
    gc.unfreeze()
    shop.feed.subscriptions.clear()
    async with shop.restarted():
        await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)
        frozen_by_the_start = gc.get_freeze_count()
        gc.unfreeze()
        shop.feed.subscriptions.clear()

        shop.desk.on_outcome_refused(LTCBTC)
        await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)

    assert frozen_by_the_start
    assert not gc.get_freeze_count()


async def test_all_orders_rest_before_the_first_quote(shop: Shop) -> None:
    """An order that arrives meanwhile joins them, and the order with the best limit fills first."""
    orders = await place_some(shop)
    async with restarting(shop):
        assert not shop.feed.subscriptions
        assert shop.desk.current_quote(LTCBTC) is None

        best = await shop.accept(5, limit_price=200)
        await eventually(lambda: bool(shop.feed.subscriptions))
        shop.feed.push(make_quote(1, ask=("99", 10)))

        await shop.has_status(best, OrderStatus.FILLED)
        await shop.has_status(orders[-1], OrderStatus.FILLED)
        assert [shop.statuses(order)[-1] for order in orders[:-1]] == [OrderStatus.NEW] * 5


async def test_a_reload_during_a_reload_loads_again(shop: Shop) -> None:
    """The half-loaded matcher gets no quote, and its end is reported."""
    orders = await place_some(shop)
    counted = CountedMatchers()
    shop.desk._symbols[LTCBTC]._matchers = counted
    shop.feed.subscriptions.clear()
    shop.desk.on_outcome_refused(LTCBTC)
    counted.ended.clear()
    await until_half_loaded(counted)

    shop.desk.on_outcome_refused(LTCBTC)

    await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)
    assert counted.ended == [(counted.begun[0], "failed")]
    shop.feed.push(make_quote(1, ask=("99", 30)))
    for order in orders:
        await shop.has_status(order, OrderStatus.FILLED)
        assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.FILLED]


async def test_a_stop_during_a_load_ends_the_matcher(shop: Shop) -> None:
    """A recording says how each matcher ended."""
    await place_some(shop)
    async with restarting(shop) as counted:
        shop.desk.stop()
        await asyncio.sleep(0.01)

        assert counted.ended == [(counted.begun[0], "stopped")]
        assert f"+{LTCBTC}" not in shop.feed.subscriptions
