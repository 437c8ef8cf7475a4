"""Tests of ``app.fulfillment.pieces``, and of taking up many orders with it."""

import asyncio
import gc

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, OrderStatus, Symbol
from app.fulfillment import pieces as module
from app.fulfillment import reading
from app.fulfillment.matchers import PlainMatchers
from app.fulfillment.pieces import pieces
from app.ports import StoredLedger
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import WAIT_SECONDS_MAX, eventually
from tests.unit.fulfillment.conftest import Shop

PIECE = 2


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", PIECE)
    monkeypatch.setattr(reading, "RELOAD_SECONDS", 0.01)


class CountedMatchers(PlainMatchers):
    """Matchers of which it is known how each ended."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.begun: list[SymbolMatcher] = []
        self.ended: list[tuple[SymbolMatcher, str]] = []

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Note a matcher."""
        self.begun.append(super().begin(symbol, stored))
        self.has_begun.set()
        return self.begun[-1]

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Note its end."""
        self.ended.append((matcher, how))


async def place_some(shop: Shop) -> list[Order]:
    """Place more orders than a piece has, each with a better limit than the one before."""
    return [await shop.place(5, limit_price=100 + number) for number in range(3 * PIECE)]


async def until_half_taken_up(counted: CountedMatchers) -> None:
    """Wait until a matcher has some of the orders, and not all."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await counted.has_begun.wait()
    assert 0 < counted.begun[-1].resting_total < 3 * PIECE


async def test_items_come_in_their_order_and_the_loop_turns_in_between() -> None:
    """Whoever else has something to do gets his turn after each piece."""
    seen: list[int | str] = []

    async def somebody_else() -> None:
        while True:
            seen.append("else")
            await asyncio.sleep(0)

    other = asyncio.create_task(somebody_else())
    async for piece in pieces([1, 2, 3, 4, 5]):
        seen.extend(piece)
    other.cancel()

    assert seen == [1, 2, "else", 3, 4, "else", 5]


async def test_only_a_start_exempts_what_there_is_from_collection(shop: Shop) -> None:
    """What is exempt and dies as part of a cycle is never freed, and a running service has such."""
    await place_some(shop)
    gc.unfreeze()
    shop.feed.subscriptions.clear()
    async with shop.restarted():
        await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)
        exempted_by_the_start = gc.get_freeze_count()
        gc.unfreeze()
        shop.feed.subscriptions.clear()

        shop.desk.on_outcome_refused(LTCBTC)
        await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)

    assert exempted_by_the_start
    assert not gc.get_freeze_count()


async def test_orders_are_taken_up_before_a_quote_meets_any(shop: Shop) -> None:
    """One that comes meanwhile has its place among them, and the best limit is served first."""
    orders = await place_some(shop)
    counted = CountedMatchers()
    shop.desk.stop()
    shop.desk = shop.new_desk()
    shop.desk._matchers = counted
    shop.feed.subscriptions.clear()
    running = asyncio.create_task(shop.desk.run())
    await until_half_taken_up(counted)
    assert not shop.feed.subscriptions
    assert shop.desk.current_quote(LTCBTC) is None

    best = await shop.accept(5, limit_price=200)
    await eventually(lambda: bool(shop.feed.subscriptions))
    shop.feed.push(make_quote(1, ask=("99", 10)))

    await shop.has_status(best, OrderStatus.FILLED)
    await shop.has_status(orders[-1], OrderStatus.FILLED)
    assert [shop.statuses(order)[-1] for order in orders[:-1]] == [OrderStatus.NEW] * 5
    running.cancel()
    await asyncio.wait({running})


async def test_a_reload_while_orders_are_taken_up_begins_anew(shop: Shop) -> None:
    """The matcher that has some of them is never shown a quote, and its end is told."""
    orders = await place_some(shop)
    counted = CountedMatchers()
    shop.desk._symbols[LTCBTC]._matchers = counted
    shop.feed.subscriptions.clear()
    shop.desk.on_outcome_refused(LTCBTC)
    counted.ended.clear()
    await until_half_taken_up(counted)

    shop.desk.on_outcome_refused(LTCBTC)

    await eventually(lambda: f"+{LTCBTC}" in shop.feed.subscriptions)
    assert counted.ended == [(counted.begun[0], "failed")]
    shop.feed.push(make_quote(1, ask=("99", 30)))
    for order in orders:
        await shop.has_status(order, OrderStatus.FILLED)
        assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.FILLED]


async def test_a_stop_while_orders_are_taken_up_ends_the_matcher(shop: Shop) -> None:
    """A recording says how each matcher ended."""
    await place_some(shop)
    counted = CountedMatchers()
    shop.desk.stop()
    shop.desk = shop.new_desk()
    shop.desk._matchers = counted
    running = asyncio.create_task(shop.desk.run())
    await until_half_taken_up(counted)
    shop.feed.subscriptions.clear()

    shop.desk.stop()
    await asyncio.sleep(0.01)

    assert counted.ended == [(counted.begun[0], "stopped")]
    assert f"+{LTCBTC}" not in shop.feed.subscriptions
    running.cancel()
    await asyncio.wait({running})
