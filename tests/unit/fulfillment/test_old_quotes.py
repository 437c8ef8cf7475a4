"""The feed confirms an old quote before a new order fills on it."""

from dataclasses import replace

from app.domain.order import OrderStatus
from app.domain.quote import Quote
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop


def now(shop: Shop, quote: Quote) -> Quote:
    """Return the quote as received now."""
    return replace(quote, received_ns=shop.clock.monotonic_ns())


async def quoted_long_ago(shop: Shop, quote: Quote) -> None:
    """Give the symbol an old quote, and an order that the quote does not reach."""
    await shop.place(1, limit_price=1)
    shop.feed.push(now(shop, quote))
    shop.clock.advance(5.1)


async def test_an_old_quote_is_confirmed_and_then_filled_on(shop: Shop) -> None:
    """The desk asks the feed once the order is durable, and applies the answer as a seed."""
    await quoted_long_ago(shop, make_quote(7, ask=("99.99", 5)))

    order = await shop.place(5)
    await eventually(lambda: shop.feed.confirmations)
    before = shop.statuses(order)
    view = shop.desk.market_view(LTCBTC, order.owner, order.side)
    is_content = shop.feed.seed(now(shop, make_quote(7, ask=("99.99", 5))))

    await shop.has_status(order, OrderStatus.FILLED)
    assert before == [OrderStatus.NEW]
    assert is_content
    assert view.awaits_confirmation
    assert not shop.desk.market_view(LTCBTC, order.owner, order.side).awaits_confirmation
    event = shop.last(order)
    assert (event.quotes_seen, event.arrival and event.arrival.update_id) == (1, 7)


async def test_the_old_quote_is_no_arrival_of_the_order(shop: Shop) -> None:
    """The acceptance stores no arrival, because the order has met no quote yet."""
    await quoted_long_ago(shop, make_quote(7, ask=("99.00", 5)))

    order = await shop.place(5)
    shop.feed.seed(now(shop, make_quote(8, ask=("99.99", 5))))

    await shop.has_status(order, OrderStatus.FILLED)
    accepted, filled = shop.journal.events_of(order)
    assert accepted.arrival is None
    assert filled.arrival is not None
    assert filled.arrival.update_id == 8


async def test_an_order_that_an_old_quote_does_not_reach_asks_for_nothing(shop: Shop) -> None:
    """Most orders rest, and they cost the venue no request."""
    await quoted_long_ago(shop, make_quote(7, ask=("101", 5)))

    order = await shop.accept(5)

    assert shop.feed.confirmations == []
    assert shop.statuses(order) == [OrderStatus.NEW]
    assert shop.last(order).arrival is not None


async def test_a_stale_answer_is_requested_again(shop: Shop) -> None:
    """A snapshot below the old quote confirms nothing, even while the symbol is live."""
    await quoted_long_ago(shop, make_quote(7, ask=("99.99", 5)))
    order = await shop.place(5)
    await eventually(lambda: shop.feed.confirmations)

    assert not shop.feed.seed(now(shop, make_quote(6, ask=("99.99", 5))))
    assert shop.statuses(order) == [OrderStatus.NEW]
    assert shop.feed.seed(now(shop, make_quote(7, ask=("99.99", 5))))

    await shop.has_status(order, OrderStatus.FILLED)


async def test_answers_that_stay_below_an_absurd_update_id_are_a_reset(shop: Shop) -> None:
    """A symbol recovers from a last frame with a far too large update id."""
    await quoted_long_ago(shop, make_quote(2**62, ask=("99.99", 5)))
    order = await shop.place(5, limit_price=100)
    verdicts: list[bool] = []
    for number in (101, 102, 103):
        verdicts.append(shop.feed.seed(now(shop, make_quote(number, ask=("99.99", 5)))))
        shop.clock.advance(5)

    await shop.has_status(order, OrderStatus.FILLED)
    assert verdicts == [False, False, True]
    assert shop.desk._symbols[LTCBTC].quote_counter.gate_resets == 1


async def test_orders_held_back_by_the_journal_meet_no_old_quote_either(shop: Shop) -> None:
    """The journal may have failed for longer than the quote stays young."""
    order = await shop.place(5)
    shop.journal.fail()
    shop.feed.push(now(shop, make_quote(7, ask=("99.99", 5))))
    shop.clock.advance(5.1)

    shop.journal.recover()
    asked = list(shop.feed.confirmations)
    shop.feed.seed(now(shop, make_quote(7, ask=("99.99", 5))))

    await shop.has_status(order, OrderStatus.FILLED)
    assert asked == [LTCBTC]
