"""A cancel ends a resting order once, and gives nothing back."""

from decimal import Decimal

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Arrival, OrderId, OrderStatus, Owner, Reason, Side, TimeInForce
from app.domain.resting import _STALE_KEYS_MAX, Closing
from tests.support.builders import FAR_NS, LTCBTC, MirroredMarket, quantities_given

SIDES = [pytest.param(MirroredMarket(side), id=side.value) for side in Side]
both_sides = pytest.mark.parametrize("market", SIDES)
ALICE, BOB = Owner("alice"), Owner("bob")


@both_sides
def test_canceled_order_keeps_its_fills_and_gets_no_more(market: MirroredMarket) -> None:
    """Its end has the sums of its splits, and no later quote fills it."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(8)
    matcher.rest(order, deadline_ns=100)
    matcher.apply_quote(market.quote(3, 5))

    closing = matcher.cancel(order.order_id)

    assert closing == Closing(
        order=order,
        status=OrderStatus.CANCELED,
        reason=Reason.CANCELED_BY_CLIENT,
        splits_total=1,
        filled_quantity=Decimal(5),
        quote_quantity=5 * market.price("99.99"),
        arrival=Arrival(update_id=3, price=market.price("99.99")),
        quotes_seen=1,
        departure_update_id=3,
    )
    assert closing.closes
    assert (matcher.resting_total, matcher.next_deadline_ns()) == (0, None)
    assert matcher.apply_quote(market.quote(4, 9)) == []
    assert matcher.expire(101) == []


@both_sides
def test_cancel_of_an_ended_order_does_nothing(market: MirroredMarket) -> None:
    """The order was filled, expired, canceled, or never known."""
    matcher = SymbolMatcher(LTCBTC)
    filled, expired, canceled = (market.order(5, number=number) for number in (1, 2, 3))
    matcher.rest(filled, deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.rest(expired, deadline_ns=100)
    matcher.expire(101)
    matcher.rest(canceled, deadline_ns=FAR_NS)
    assert matcher.cancel(canceled.order_id) is not None

    for order_id in (filled.order_id, expired.order_id, canceled.order_id, OrderId("unknown")):
        assert matcher.cancel(order_id) is None


@both_sides
def test_cancel_gives_nothing_back(market: MirroredMarket) -> None:
    """The quantity that a canceled order took stays taken."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(20, number=1)
    matcher.rest(order, deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.cancel(order.order_id)

    assert matcher.rest(market.order(5, number=2), deadline_ns=FAR_NS) == []


@both_sides
def test_canceled_order_makes_room_for_the_next_in_turn(market: MirroredMarket) -> None:
    """The orders behind it fill as if it had not been there."""
    matcher = SymbolMatcher(LTCBTC)
    first, second = market.order(5, number=1), market.order(5, number=2)
    matcher.rest(first, deadline_ns=FAR_NS)
    matcher.rest(second, deadline_ns=FAR_NS)

    matcher.cancel(first.order_id)

    assert quantities_given(matcher.apply_quote(market.quote(1, 5))) == [(2, Decimal(5))]


@both_sides
@pytest.mark.parametrize("kind", [TimeInForce.IOC, TimeInForce.FOK])
def test_undecided_order_can_be_canceled(market: MirroredMarket, kind: TimeInForce) -> None:
    """The quote that would have decided the order does not find it."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(5, time_in_force=kind)
    matcher.rest(order, deadline_ns=FAR_NS)

    closing = matcher.cancel(order.order_id)

    assert closing is not None
    assert (closing.reason, closing.quotes_seen) == (Reason.CANCELED_BY_CLIENT, 0)
    assert matcher.apply_quote(market.quote(1, 5)) == []


@both_sides
def test_held_matcher_cancels_all_the_same(market: MirroredMarket) -> None:
    """A hold stops fills, but not ends."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(5)
    matcher.apply_quote(market.quote(1, 5))
    matcher.hold()
    matcher.rest(order, deadline_ns=FAR_NS)

    assert matcher.cancel(order.order_id) is not None
    assert matcher.release() == []


@both_sides
def test_cancel_all_ends_one_owners_orders_in_the_order_of_acceptance(
    market: MirroredMarket,
) -> None:
    """Orders of both sides end, and other owners continue."""
    other = MirroredMarket(Side.SELL if market.side is Side.BUY else Side.BUY)
    matcher = SymbolMatcher(LTCBTC)
    for order in (
        market.order(5, number=4, owner=ALICE),
        market.order(5, number=1, owner=ALICE),
        other.order(5, number=3, owner=ALICE, limit_price=101),
        market.order(5, number=2, owner=BOB),
    ):
        matcher.rest(order, deadline_ns=FAR_NS)

    closings = matcher.cancel_all(ALICE)

    assert [closing.order.acceptance_number for closing in closings] == [1, 3, 4]
    assert {closing.status for closing in closings} == {OrderStatus.CANCELED}
    assert matcher.resting_total == 1
    assert matcher.cancel_all(ALICE) == []
    assert matcher.cancel_all(Owner("nobody")) == []
    assert quantities_given(matcher.apply_quote(market.quote(1, 5))) == [(2, Decimal(5))]


@both_sides
def test_canceled_orders_do_not_pile_up(market: MirroredMarket) -> None:
    """Repeated placing and canceling far from the touch needs no more memory."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(number=1, limit_price=101), deadline_ns=1)
    for number in range(2, 5_000):
        order = market.order(number=number)
        matcher.rest(order, deadline_ns=FAR_NS)
        matcher.cancel(order.order_id)

    side_book = matcher._book_of(PUBLIC, market.side)
    for heap in (side_book.resting, matcher._deadlines):
        assert len(heap) == 1
        assert len(heap._keys) <= 2 * _STALE_KEYS_MAX
