"""A cancel ends a resting order once, and gives nothing back."""

from decimal import Decimal

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Arrival, OrderId, OrderStatus, Owner, Reason, Side, TimeInForce
from app.domain.resting import Closing
from tests.support.builders import FAR_NS, MirroredMarket, quantities_given
from tests.unit.domain.conftest import matcher_after

ALICE, BOB = Owner("alice"), Owner("bob")


def test_canceled_order_keeps_its_fills_and_gets_no_more(market: MirroredMarket) -> None:
    """Its end has the sums of its splits, and no later quote fills it."""
    matcher = matcher_after()
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


def test_cancel_of_an_ended_order_does_nothing(market: MirroredMarket) -> None:
    """The order was filled, expired, canceled, or never known."""
    filled, expired, canceled = (market.order(5, number=number) for number in (1, 2, 3))
    matcher = matcher_after(filled, market.quote(1, 5))
    matcher.rest(expired, deadline_ns=100)
    matcher.expire(101)
    matcher.rest(canceled, deadline_ns=FAR_NS)
    assert matcher.cancel(canceled.order_id) is not None

    for order_id in (filled.order_id, expired.order_id, canceled.order_id, OrderId("unknown")):
        assert matcher.cancel(order_id) is None


def test_canceled_order_makes_room_for_the_next_in_turn(market: MirroredMarket) -> None:
    """The orders behind it fill as if it had not been there."""
    first, second = market.order(5, number=1), market.order(5, number=2)
    matcher = matcher_after(first, second)

    matcher.cancel(first.order_id)

    assert quantities_given(matcher.apply_quote(market.quote(1, 5))) == [(2, 5)]


@pytest.mark.parametrize("kind", [TimeInForce.IOC, TimeInForce.FOK])
def test_undecided_order_can_be_canceled(market: MirroredMarket, kind: TimeInForce) -> None:
    """The quote that would have decided the order does not find it."""
    matcher = matcher_after(market.order(5, time_in_force=kind))

    (closing,) = matcher.cancel_all(PUBLIC)

    assert (closing.reason, closing.quotes_seen) == (Reason.CANCELED_BY_CLIENT, 0)
    assert matcher.apply_quote(market.quote(1, 5)) == []


def test_held_matcher_cancels_all_the_same(market: MirroredMarket) -> None:
    """A hold stops fills, but not ends."""
    matcher = matcher_after(market.quote(1, 5), SymbolMatcher.hold, market.order(5))

    assert len(matcher.cancel_all(PUBLIC)) == 1
    assert matcher.release() == []


def test_cancel_all_ends_one_owners_orders_in_the_order_of_acceptance(
    market: MirroredMarket,
) -> None:
    """Orders of both sides end, and other owners continue."""
    other = MirroredMarket(Side.SELL if market.side is Side.BUY else Side.BUY)
    matcher = matcher_after(
        market.order(5, number=4, owner=ALICE),
        market.order(5, number=1, owner=ALICE),
        other.order(5, number=3, owner=ALICE, limit_price=101),
        market.order(5, number=2, owner=BOB),
    )

    closings = matcher.cancel_all(ALICE)

    assert [closing.order.acceptance_number for closing in closings] == [1, 3, 4]
    assert {closing.status for closing in closings} == {OrderStatus.CANCELED}
    assert matcher.resting_total == 1
    assert matcher.cancel_all(ALICE) == []
    assert matcher.cancel_all(Owner("nobody")) == []
    assert quantities_given(matcher.apply_quote(market.quote(1, 5))) == [(2, 5)]
