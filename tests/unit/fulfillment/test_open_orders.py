"""How many orders may be open, and that every end makes room."""

import asyncio
from decimal import Decimal

import pytest

from app.domain.errors import JournalUnavailableError, TooManyOrdersError
from app.domain.order import PUBLIC, OrderStatus, Owner, Symbol, TimeInForce
from app.domain.order_counts import OrderCounts
from app.fulfillment.open_orders import OpenOrderLimits
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ALICE, BOB = Owner("alice"), Owner("bob")
ETHBTC = Symbol("ETHBTC")


def limited(**limits: int) -> pytest.MarkDecorator:
    """Have the desk of a test allow so many open orders."""
    all_limits = OpenOrderLimits(**({"total": 9, "per_owner": 9, "per_symbol": 9} | limits))
    return pytest.mark.parametrize("shop", [all_limits], indirect=True)


def assert_nothing_is_counted(shop: Shop) -> None:
    """Check that the counts are back at zero and hold no memory."""
    for counts in (shop.desk._open_orders, shop.journal.orders_under_way):
        assert counts.total == 0
        assert (len(counts._by_owner), len(counts._by_symbol)) == (0, 0)


@pytest.mark.parametrize(
    ("limits", "refused", "admitted", "says"),
    [
        ({"total": 3}, (BOB, ETHBTC), None, "the service may have at most 3"),
        ({"per_owner": 2}, (ALICE, ETHBTC), (BOB, LTCBTC), "an owner may have at most 2"),
        (
            {"per_symbol": 2},
            (BOB, LTCBTC),
            (ALICE, ETHBTC),
            "the symbol LTCBTC may have at most 2",
        ),
    ],
)
def test_each_limit_is_told_by_its_name(
    limits: dict[str, int],
    refused: tuple[Owner, Symbol],
    admitted: tuple[Owner, Symbol] | None,
    says: str,
) -> None:
    """Open orders and those that are being written count alike; others are let in."""
    allowed = OpenOrderLimits(**({"total": 9, "per_owner": 9, "per_symbol": 9} | limits))
    opened, under_way = OrderCounts(), OrderCounts()
    orders = [make_order(number=number, owner=ALICE) for number in (1, 2)]
    opened.add(orders[0])
    under_way.add(orders[1])
    if limits.get("total") == 3:
        opened.add(make_order(number=3, owner=BOB, symbol=ETHBTC))

    with pytest.raises(TooManyOrdersError, match=says):
        allowed.check_room(*refused, opened, under_way)
    if admitted is not None:
        allowed.check_room(*admitted, opened, under_way)
    under_way.remove(orders[1])
    allowed.check_room(*refused, opened, under_way)


@limited(per_owner=1)
async def test_the_desk_counts_by_owner(shop: Shop) -> None:
    """Another owner is not refused."""
    await shop.place(5, owner=ALICE)

    with pytest.raises(TooManyOrdersError):
        await shop.place(5, owner=ALICE, symbol=ETHBTC)

    await shop.place(5, owner=BOB)


@limited(per_symbol=1)
async def test_the_desk_counts_by_symbol(shop: Shop) -> None:
    """Another symbol is not refused."""
    await shop.place(5, owner=ALICE)

    with pytest.raises(TooManyOrdersError):
        await shop.place(5, owner=BOB)

    await shop.place(5, owner=ALICE, symbol=ETHBTC)


@limited(total=1)
async def test_an_order_that_is_being_written_counts(shop: Shop) -> None:
    """Two at once are not both let in; the one that came first is accepted."""
    shop.journal.accept_delay = asyncio.Event()
    first = asyncio.create_task(shop.accept(5))
    await eventually(lambda: shop.journal.waiting_to_accept)

    with pytest.raises(TooManyOrdersError):
        await shop.accept(5)

    shop.journal.accept_delay.set()
    await first
    with pytest.raises(TooManyOrdersError):
        await shop.accept(5)


@limited(total=1)
async def test_a_refused_order_counts_no_more(shop: Shop) -> None:
    """What the journal did not take is not open."""
    shop.journal.fail()
    with pytest.raises(JournalUnavailableError):
        await shop.accept(5)
    assert_nothing_is_counted(shop)

    shop.journal.recover()

    await shop.accept(5)


async def test_every_end_makes_room(shop: Shop) -> None:
    """Filled, expired, canceled or decided by a quote: the counts return to zero."""
    filled = await shop.place(5, owner=ALICE)
    decided = await shop.place(9, time_in_force=TimeInForce.FOK)
    canceled = await shop.place(5, limit_price=1, symbol=ETHBTC)
    expired = await shop.place(5, limit_price=1, timeout_seconds=Decimal("0.02"))
    assert shop.desk._open_orders.total == 4

    shop.feed.push(make_quote(1, ask=("99.99", 5)))
    await shop.desk.cancel(canceled)
    shop.clock.advance(0.021)

    await shop.has_status(expired, OrderStatus.EXPIRED)
    assert shop.last(filled).status is OrderStatus.FILLED
    assert shop.last(decided).status is OrderStatus.EXPIRED
    assert_nothing_is_counted(shop)


async def test_orders_found_at_a_start_count(shop: Shop) -> None:
    """Each once, until it ends."""
    shop.limits = OpenOrderLimits(total=2, per_owner=9, per_symbol=9)
    resting, decided = await shop.place(5), await shop.place(5, time_in_force=TimeInForce.IOC)
    async with shop.restarted():
        await shop.has_status(decided, OrderStatus.EXPIRED)
        await shop.accept(5)
        with pytest.raises(TooManyOrdersError):
            await shop.accept(5)

        await shop.desk.cancel_all(PUBLIC, LTCBTC)

        assert shop.last(resting).status is OrderStatus.CANCELED
        assert_nothing_is_counted(shop)
