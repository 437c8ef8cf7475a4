"""The limits on open orders at the desk: every order counts, and every end makes room."""

import asyncio
from decimal import Decimal

import pytest

from app.domain.errors import JournalUnavailableError, TooManyOrdersError
from app.domain.order import PUBLIC, OrderStatus, Owner, Symbol, TimeInForce
from app.domain.order_counts import OpenOrderLimits
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ALICE, BOB = Owner("alice"), Owner("bob")
ETHBTC = Symbol("ETHBTC")


def limits(**fewer: int) -> OpenOrderLimits:
    """Make these limits, and 9 for every other limit."""
    return OpenOrderLimits(**({"total": 9, "per_owner": 9, "per_symbol": 9} | fewer))


one_order = pytest.mark.parametrize("shop", [limits(total=1)], indirect=True)


def assert_nothing_is_counted(shop: Shop) -> None:
    """Check that the counts are zero and hold no memory."""
    for counts in (shop.desk._open_orders, shop.journal.orders_under_way):
        assert counts.total == 0
        assert (len(counts._by_owner), len(counts._by_symbol)) == (0, 0)


@pytest.mark.parametrize(
    ("shop", "refused", "accepted"),
    [
        (limits(per_owner=1), (ALICE, ETHBTC), (BOB, LTCBTC)),
        (limits(per_symbol=1), (BOB, LTCBTC), (ALICE, ETHBTC)),
    ],
    indirect=["shop"],
    ids=["by owner", "by symbol"],
)
async def test_the_desk_counts(
    shop: Shop, refused: tuple[Owner, Symbol], accepted: tuple[Owner, Symbol]
) -> None:
    """Another owner or symbol has its own count."""
    await shop.place(5, owner=ALICE)

    with pytest.raises(TooManyOrdersError):
        await shop.place(5, owner=refused[0], symbol=refused[1])

    await shop.place(5, owner=accepted[0], symbol=accepted[1])


@one_order
async def test_an_order_that_is_being_written_counts(shop: Shop) -> None:
    """Of two orders at once, only the first is accepted."""
    shop.journal.accept_delay = asyncio.Event()
    first = asyncio.create_task(shop.accept(5))
    await eventually(lambda: shop.journal.waiting_to_accept)

    with pytest.raises(TooManyOrdersError):
        await shop.accept(5)

    shop.journal.accept_delay.set()
    await first
    with pytest.raises(TooManyOrdersError):
        await shop.accept(5)


@one_order
async def test_a_refused_order_does_not_count(shop: Shop) -> None:
    """An order that the journal refused is not open."""
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
    """Each order counts once, until it ends."""
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
