"""Tests of ``app.fulfillment.desk``."""

import asyncio
from decimal import Decimal

import pytest

from app.domain.errors import JournalUnavailableError
from app.domain.events import StoredEvent, acceptance_event
from app.domain.order import OrderSnapshot, OrderStatus, Reason, Side, Symbol
from app.fulfillment import desk as desk_module
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop


async def test_a_placed_order_rests_once_it_is_durable(shop: Shop) -> None:
    """The order is stored, its symbol subscribed, and the next quote fills it."""
    order = await shop.place(5)

    shop.feed.push(make_quote(1, ask=("99.99", 5)))

    await shop.has_status(order, OrderStatus.FILLED)
    assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.FILLED]
    assert shop.feed.subscriptions == [f"+{LTCBTC}"]


async def test_an_order_that_is_not_durable_never_rests(shop: Shop) -> None:
    """A refusal by the journal reaches the caller and leaves no trace."""
    shop.journal.fail()

    with pytest.raises(JournalUnavailableError):
        await shop.place(5)

    assert not shop.feed.listeners
    assert not shop.journal.events


async def test_an_order_continues_when_its_caller_gives_up(shop: Shop) -> None:
    """The journal gives the order to its symbol, so the caller is not needed."""
    placing = asyncio.create_task(shop.place(5))
    await eventually(lambda: shop.journal.events)
    placing.cancel()
    await eventually(lambda: LTCBTC in shop.feed.listeners)

    shop.feed.push(make_quote(1, ask=("99.99", 5)))

    await eventually(lambda: shop.journal.events[-1].status is OrderStatus.FILLED)


async def test_each_symbol_has_its_own_fulfillment(shop: Shop) -> None:
    """A quote of one symbol fills no order of another."""
    ltc = await shop.place(5)
    eth = await shop.place(5, symbol=Symbol("ETHBTC"))

    shop.feed.push(make_quote(1, symbol=Symbol("ETHBTC"), ask=("99.99", 5)))

    await shop.has_status(eth, OrderStatus.FILLED)
    assert shop.statuses(ltc) == [OrderStatus.NEW]


async def test_the_current_quote_is_returned_without_subscribing(shop: Shop) -> None:
    """Reading a quote does not subscribe."""
    assert shop.desk.current_quote(LTCBTC) is None
    await shop.place(5)
    quote = make_quote(1)

    shop.feed.push(quote)

    assert shop.desk.current_quote(LTCBTC) == quote
    assert shop.desk.current_quote(Symbol("ETHBTC")) is None
    assert shop.feed.subscriptions == [f"+{LTCBTC}"]


async def test_nothing_is_filled_while_the_journal_cannot_write(shop: Shop) -> None:
    """Quotes only update the ledger.

    After the recovery the current quote fills the orders by priority.
    """
    shop.feed.listeners.clear()
    later = await shop.place(5, limit_price=100)
    better = await shop.place(5, limit_price=101)
    shop.journal.fail()
    shop.feed.push(make_quote(1, ask=("99.99", 7)))
    assert not [one for one in shop.journal.events if one.split]

    shop.journal.recover()

    await shop.has_status(better, OrderStatus.FILLED)
    await shop.has_status(later, OrderStatus.PARTIALLY_FILLED)
    assert shop.journal.events_of(later)[-1].filled_quantity == 2


async def test_a_restart_resumes_open_orders_with_their_fills(shop: Shop) -> None:
    """The next process fills the rest of the order, and sells nothing twice."""
    order = await shop.place_and_fill(8)
    async with shop.restarted():
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        assert shop.feed.seed(make_quote(1, ask=("99.99", 5)))
        assert shop.last(order).filled_quantity == 5
        shop.feed.push(make_quote(2, ask=("99.99", 9)))

        await shop.has_status(order, OrderStatus.FILLED)
        assert [event.sequence for event in shop.journal.events_of(order)] == [1, 2, 3]


async def test_a_restart_closes_late_orders_before_any_quote(shop: Shop) -> None:
    """No fill is invented for the time when the service was down."""
    order = await shop.place(5, timeout_seconds=Decimal(3))
    shop.clock.advance(4)

    async with shop.restarted():
        await shop.has_status(order, OrderStatus.EXPIRED)
        assert shop.last(order).reason is Reason.TIMEOUT_DURING_OUTAGE


async def test_a_refused_outcome_reloads_its_symbol(shop: Shop) -> None:
    """A fill that cannot be written did not happen, so the order fills again after the reload."""
    order = await shop.place(5)
    other = await shop.place(5, symbol=Symbol("ETHBTC"))
    shop.journal.refused_symbol = LTCBTC

    shop.feed.push(make_quote(1, ask=("99.99", 5)))
    await eventually(lambda: LTCBTC not in shop.feed.listeners)
    shop.feed.push(make_quote(1, symbol=Symbol("ETHBTC"), ask=("99.99", 5)))
    await shop.has_status(other, OrderStatus.FILLED)
    await eventually(lambda: LTCBTC in shop.feed.listeners)
    shop.feed.push(make_quote(2, ask=("99.99", 5)))

    await shop.has_status(order, OrderStatus.FILLED)
    assert len(shop.journal.events_of(order)) == 2


async def test_the_least_recently_used_symbol_makes_room(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limited number of symbols without orders stay subscribed."""
    monkeypatch.setattr(desk_module, "LINGERING_SYMBOLS_MAX", 1)
    first, second = LTCBTC, Symbol("ETHBTC")
    for symbol in (first, second):
        await shop.place_and_fill(symbol=symbol)

    await eventually(lambda: list(shop.feed.listeners) == [second])

    order = await shop.place(5, symbol=first, side=Side.SELL, limit_price=99)
    shop.feed.push(make_quote(2, symbol=first, bid=("99.5", 9), ask=("99.99", 5)))
    await shop.has_status(order, OrderStatus.FILLED)


async def test_nothing_is_accepted_before_the_open_orders_are_read() -> None:
    """The recovery would find the new order too, and it would rest twice."""
    shop = Shop()
    shop.journal.load_failures_left = 1
    async with shop.running():
        placing = asyncio.create_task(shop.place(5))
        await asyncio.sleep(0.005)  # That nothing happens takes a moment to see.
        assert not shop.journal.events

        await placing

        assert shop.desk.is_recovered


async def test_a_symbol_is_served_while_the_orders_of_others_are_still_read(shop: Shop) -> None:
    """Each symbol gets its orders once, even if the database fails meanwhile."""
    first = await shop.place(5)
    second = await shop.place(5, symbol=Symbol("ETHBTC"))
    shop.restart()
    load = shop.journal.load_unfinished
    may_load = asyncio.Event()

    async def load_late(symbol: Symbol) -> list[OrderSnapshot]:
        if symbol == second.symbol:
            await may_load.wait()
        return await load(symbol)

    shop.journal.load_unfinished = load_late  # type: ignore[method-assign]  # a slow database
    async with shop.running():
        await eventually(lambda: shop.feed.subscriptions[-1] == f"+{LTCBTC}")
        shop.feed.push(make_quote(1, ask=("99.99", 5)))
        await shop.has_status(first, OrderStatus.FILLED)
        assert (shop.desk.is_recovered, shop.desk.state().open_orders) == (False, 0)

        shop.journal.load_failures_left = 1
        may_load.set()

        await eventually(lambda: shop.desk.is_recovered)
        assert shop.desk.state().open_orders == 1
        await eventually(lambda: second.symbol in shop.feed.listeners)
        shop.feed.push(make_quote(1, symbol=second.symbol, ask=("99.99", 50)))
        await shop.has_status(second, OrderStatus.FILLED)
        assert (
            shop.statuses(first) == shop.statuses(second) == [OrderStatus.NEW, OrderStatus.FILLED]
        )


async def test_an_acceptance_after_the_stop_is_only_announced() -> None:
    """The order is on disk, and the next start fills it."""
    shop = Shop()
    async with shop.running():
        await eventually(lambda: shop.desk.is_recovered)
        shop.desk.stop()
    order = make_order(5)

    with shop.announcements.expect(order.order_id) as waiter:
        shop.desk.on_durable([StoredEvent(position=1, event=acceptance_event(order))])
        shop.desk.on_outcome_refused(LTCBTC)

        assert waiter.snapshot.status is OrderStatus.NEW
    assert not shop.feed.subscriptions
