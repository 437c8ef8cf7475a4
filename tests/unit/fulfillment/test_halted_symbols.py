"""A symbol that the venue has halted: its orders wait, and its ledger stays sound."""

from decimal import Decimal

from app.domain.order import PUBLIC, OrderStatus, Reason, Side, Symbol, TimeInForce
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

OTHER = Symbol("ETHBTC")


async def test_orders_of_a_halted_symbol_wait_and_go_on(shop: Shop) -> None:
    """What is displayed in the meantime fills nothing; once trading goes on, it does at once."""
    order = await shop.place(5)
    shop.halt(LTCBTC)

    shop.feed.push(make_quote(7, ask=("99.99", 5)))
    view = shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY)
    shop.halt()

    await shop.has_status(order, OrderStatus.FILLED)
    assert view.is_halted
    assert view.taken_quantity == 0
    assert not shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY).is_halted


async def test_other_symbols_go_on(shop: Shop) -> None:
    """A halt is one symbol's."""
    await shop.place(5)
    order = await shop.place(5, symbol=OTHER)
    shop.halt(LTCBTC)

    shop.feed.push(make_quote(7, ask=("99.99", 5), symbol=OTHER))

    await shop.has_status(order, OrderStatus.FILLED)


async def test_an_order_of_a_halted_symbol_ends_with_its_time(shop: Shop) -> None:
    """It met quotes and they filled nothing: that is a timeout."""
    order = await shop.place(5, time_in_force=TimeInForce.GTD)
    shop.halt(LTCBTC)
    shop.feed.push(make_quote(7, ask=("99.99", 5)))

    shop.clock.advance(31)
    shop.feed.push(make_quote(8, ask=("99.99", 5), received_ns=shop.clock.monotonic_ns()))

    await shop.has_status(order, OrderStatus.EXPIRED)
    assert shop.last(order).reason is Reason.TIMEOUT


async def test_a_symbol_that_starts_halted_fills_nothing(shop: Shop) -> None:
    """Orders that are read back at a start wait, too: depth shows a book that nobody trades in."""
    order = await shop.place(5)
    shop.halt(LTCBTC)
    async with shop.restarted():
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        shop.feed.seed(make_quote(7, ask=("99.99", 5)))
        taken = taken_of(shop)
        shop.halt()

        await shop.has_status(order, OrderStatus.FILLED)
        assert taken == 0


async def test_writes_that_recover_do_not_end_a_halt_nor_a_halt_that_ends_the_wait_for_writes(
    shop: Shop,
) -> None:
    """Orders are filled when both allow it."""
    order = await shop.place(5)
    shop.journal.fail()
    shop.halt(LTCBTC)
    shop.feed.push(make_quote(7, ask=("99.99", 5)))

    shop.journal.recover()
    after_writes = taken_of(shop)
    shop.journal.fail()
    shop.halt()
    after_halt = taken_of(shop)
    shop.journal.recover()

    await shop.has_status(order, OrderStatus.FILLED)
    assert after_writes == 0
    assert after_halt == 0


def taken_of(shop: Shop) -> Decimal:
    """Return how much was taken of what is displayed."""
    return shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY).taken_quantity
