"""Orders of a halted symbol wait, and the symbol's ledger stays correct."""

from decimal import Decimal

from app.domain.order import PUBLIC, OrderStatus, Reason, Side, Symbol, TimeInForce
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

OTHER = Symbol("ETHBTC")


async def test_orders_of_a_halted_symbol_wait_and_resume(shop: Shop) -> None:
    """Quotes during the halt fill nothing; the current quote fills once trading resumes."""
    order = await shop.place(5)
    shop.halt(LTCBTC)

    shop.feed.push(make_quote(7, ask=("99.99", 5)))
    view = shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY)
    shop.halt()

    await shop.has_status(order, OrderStatus.FILLED)
    assert view.is_halted
    assert view.taken_quantity == 0
    assert not shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY).is_halted


async def test_other_symbols_continue(shop: Shop) -> None:
    """A halt applies to one symbol."""
    await shop.place(5)
    order = await shop.place(5, symbol=OTHER)
    shop.halt(LTCBTC)

    shop.feed.push(make_quote(7, ask=("99.99", 5), symbol=OTHER))

    await shop.has_status(order, OrderStatus.FILLED)


async def test_an_order_of_a_halted_symbol_expires(shop: Shop) -> None:
    """The order met quotes that filled nothing, so the reason is TIMEOUT."""
    order = await shop.place(5, time_in_force=TimeInForce.GTD)
    shop.halt(LTCBTC)
    shop.feed.push(make_quote(7, ask=("99.99", 5)))

    shop.clock.advance(31)
    shop.feed.push(make_quote(8, ask=("99.99", 5), received_ns=shop.clock.monotonic_ns()))

    await shop.has_status(order, OrderStatus.EXPIRED)
    assert shop.last(order).reason is Reason.TIMEOUT


async def test_a_symbol_that_starts_halted_fills_nothing(shop: Shop) -> None:
    """Recovered orders wait too: depth shows a book that does not trade."""
    order = await shop.place(5)
    shop.halt(LTCBTC)
    async with shop.restarted():
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        shop.feed.seed(make_quote(7, ask=("99.99", 5)))
        taken = taken_of(shop)
        shop.halt()

        await shop.has_status(order, OrderStatus.FILLED)
        assert taken == 0


async def test_orders_fill_only_when_neither_the_halt_nor_the_journal_forbids_it(
    shop: Shop,
) -> None:
    """The recovery of writes does not end a halt. Fills resume when both are over."""
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
    """Return how much of the displayed quantity was taken."""
    return shop.desk.market_view(LTCBTC, PUBLIC, Side.BUY).taken_quantity
