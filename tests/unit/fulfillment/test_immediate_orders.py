"""IOC and FOK orders through the desk, and the arrival that orders report."""

import asyncio
from decimal import Decimal

import pytest

from app.domain.order import PUBLIC, Arrival, OrderStatus, Owner, Reason, Side, Symbol, TimeInForce
from app.ports import NO_MARKET, MarketView
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
EXPIRED = OrderStatus.EXPIRED
both_kinds = pytest.mark.parametrize("kind", [IOC, FOK])


async def test_an_ioc_order_is_decided_by_the_current_quote(shop: Shop) -> None:
    """The order takes the available quantity, and ends."""
    await shop.place(5, limit_price=1)
    shop.feed.push(make_quote(1, ask=("99.99", 3)))

    order = await shop.place(5, time_in_force=IOC)

    await shop.has_status(order, EXPIRED)
    assert shop.last(order).reason is Reason.IOC_REMAINDER
    assert shop.last(order).filled_quantity == 3
    assert [event.sequence for event in shop.journal.events_of(order)] == [1, 2, 3]


@both_kinds
async def test_the_first_order_of_a_symbol_waits_for_its_first_quote(
    shop: Shop, kind: TimeInForce
) -> None:
    """Nothing is decided before the symbol is live."""
    order = await shop.place(5, time_in_force=kind)
    assert shop.statuses(order) == [OrderStatus.NEW]

    assert shop.feed.seed(make_quote(1, ask=("99.99", 5)))

    await shop.has_status(order, OrderStatus.FILLED)


@both_kinds
async def test_an_order_found_open_at_a_start_ends_before_any_quote(
    shop: Shop, kind: TimeInForce
) -> None:
    """No matcher met the quote that would have decided the order, and no later quote decides it."""
    order = await shop.place(5, time_in_force=kind)
    resting = await shop.place(5)
    async with shop.restarted():
        await shop.has_status(order, EXPIRED)
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        shop.feed.push(make_quote(1, ask=("99.99", 50)))
        await shop.has_status(resting, OrderStatus.FILLED)

        assert shop.statuses(order) == [OrderStatus.NEW, EXPIRED]
        assert shop.last(order).reason is Reason.TIMEOUT_DURING_OUTAGE


async def test_a_start_with_nothing_but_such_orders_lets_the_symbol_linger(shop: Shop) -> None:
    """The symbol does not stay subscribed permanently."""
    order = await shop.place(5, time_in_force=IOC)
    async with shop.restarted():
        await shop.has_status(order, EXPIRED)
        await eventually(lambda: LTCBTC in shop.feed.listeners)

        assert shop.desk._symbols[LTCBTC]._linger._handle is not None


@both_kinds
async def test_an_order_that_comes_during_a_reload_waits_for_its_quote(
    shop: Shop, kind: TimeInForce
) -> None:
    """The reload finds the order in the database, but the order is new and missed no quote."""
    await shop.place(5, limit_price=1)
    shop.desk.on_outcome_refused(LTCBTC)
    order = await shop.accept(5, time_in_force=kind)
    await eventually(lambda: LTCBTC in shop.feed.listeners)
    assert shop.statuses(order) == [OrderStatus.NEW]

    shop.feed.push(make_quote(1, ask=("99.99", 5)))

    await shop.has_status(order, OrderStatus.FILLED)


async def test_an_acceptance_stores_the_current_quote(shop: Shop) -> None:
    """Without a quote nothing is stored."""
    first = await shop.place(5, limit_price=1)
    shop.feed.push(make_quote(7, bid=("99.90", 1), ask=("99.99", 3)))

    buy = await shop.place(5, limit_price=1)
    sell = await shop.place(5, limit_price=500, side=Side.SELL)

    acceptances = [shop.journal.events_of(order)[0] for order in (first, buy, sell)]
    assert [event.arrival for event in acceptances] == [
        None,
        Arrival(update_id=7, price=Decimal("99.99")),
        Arrival(update_id=7, price=Decimal("99.90")),
    ]
    assert {event.quotes_seen for event in acceptances} == {0}


async def test_quotes_during_the_commit_do_not_change_the_arrival(shop: Shop) -> None:
    """The market moves while the order is being written."""
    await shop.place(5, limit_price=1)
    shop.feed.push(make_quote(1, ask=("99.50", 3)))
    shop.journal.accept_delay = asyncio.Event()
    placing = asyncio.create_task(shop.accept(5, time_in_force=IOC))
    await eventually(lambda: shop.journal.waiting_to_accept)
    shop.feed.push(make_quote(2, ask=("99.60", 3)))

    shop.journal.accept_delay.set()
    order = await placing

    await shop.has_status(order, EXPIRED)
    assert shop.last(order).arrival == Arrival(update_id=1, price=Decimal("99.50"))
    assert shop.journal.events_of(order)[1].split is not None
    assert shop.last(order).quotes_seen == 1


async def test_arrival_and_quote_count_survive_a_restart(shop: Shop) -> None:
    """The arrival stays, and the count continues from the newest event."""
    order = await shop.place(8)
    shop.feed.push(make_quote(1, ask=("101", 5)))
    shop.feed.push(make_quote(2, ask=("99.99", 5)))
    await shop.has_status(order, OrderStatus.PARTIALLY_FILLED)
    async with shop.restarted():
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        shop.feed.push(make_quote(3, ask=("99.99", 9)))
        await shop.has_status(order, OrderStatus.FILLED)

        assert shop.last(order).arrival == Arrival(update_id=1, price=Decimal(101))
        assert shop.last(order).quotes_seen == 3


async def test_an_arrival_that_was_not_stored_stays_unknown(shop: Shop) -> None:
    """The earlier process may have met quotes, and none of them is invented."""
    order = await shop.place(5)
    shop.feed.push(make_quote(1, ask=("101", 5)))
    async with shop.restarted():
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        shop.feed.push(make_quote(2, ask=("99.99", 5)))
        await shop.has_status(order, OrderStatus.FILLED)

        assert shop.last(order).arrival is None


async def test_the_market_is_shown_as_the_owner_meets_it(shop: Shop) -> None:
    """The view has the quote and the quantity that the owner took, and it never subscribes."""
    await shop.place(3)
    before = shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY)
    quote = make_quote(1, ask=("99.99", 5))
    shop.feed.push(quote)

    view = shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY)

    assert before == NO_MARKET
    assert view == MarketView(quote=quote, taken_quantity=Decimal(3))
    assert shop.desk.market_view(LTCBTC, PUBLIC, Side.SELL).taken_quantity == 0
    assert shop.desk.market_view(LTCBTC, Owner("alice"), Side.BUY).taken_quantity == 0
    assert shop.desk.market_view(Symbol("ETHBTC"), PUBLIC, Side.BUY) == NO_MARKET
    assert shop.feed.subscriptions == [f"+{LTCBTC}"]
    shop.feed.interrupt()
    assert shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY) == NO_MARKET
