"""The matcher fills or decides a new order on an old quote only after a confirmation."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import Arrival, Order, Reason, Side, TimeInForce
from app.domain.resting import Closing, Fill, Step
from tests.support.builders import FAR_NS, LTCBTC, MirroredMarket, closings_of, fills_of

GTD, IOC, FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
OLD_NS = QUOTE_AGE_NS_MAX + 1
"""When a quote that came at zero is just too old."""

both_sides = pytest.mark.parametrize(
    "market", [pytest.param(MirroredMarket(side), id=side.value) for side in Side]
)


def quoted(market: MirroredMarket, quantity: int = 5, price: str = "99.99") -> SymbolMatcher:
    """Make a matcher whose current quote was received at zero."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, quantity, price))
    return matcher


def rest(matcher: SymbolMatcher, order: Order, now_ns: int = OLD_NS) -> list[Step]:
    """Rest an order at an instant."""
    return matcher.rest(order, deadline_ns=FAR_NS, now_ns=now_ns)


def amounts(steps: list[Step] | None) -> list[Decimal]:
    """Return the quantity of each fill."""
    return [fill.quantity for fill in fills_of(steps)]


@both_sides
def test_quote_of_five_seconds_fills_and_a_nanosecond_later_it_waits(
    market: MirroredMarket,
) -> None:
    """The age counts from the receipt of the quote."""
    young, old = quoted(market), quoted(market)

    filled = rest(young, market.order(5), now_ns=QUOTE_AGE_NS_MAX)
    waiting = rest(old, market.order(5))

    assert amounts(filled) == [5]
    assert waiting == []
    assert (young.awaits_confirmation, old.awaits_confirmation) == (False, True)
    assert old.resting_total == 1


@both_sides
@pytest.mark.parametrize("kind", TimeInForce)
def test_seed_of_the_same_id_confirms_and_the_order_meets_that(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The seed shows nothing new, but it is the first quote that the order meets."""
    matcher = quoted(market)
    rest(matcher, market.order(5, time_in_force=kind))

    steps = matcher.apply_seed(market.quote(1, 5))

    assert steps is not None
    (fill,) = steps
    assert isinstance(fill, Fill)
    assert fill.closes
    assert fill.quotes_seen == 1
    assert fill.arrival == Arrival(update_id=1, price=market.price("99.99"))
    assert not matcher.awaits_confirmation


@both_sides
def test_confirmed_quote_is_young_again(market: MirroredMarket) -> None:
    """The age restarts at the confirmation."""
    matcher = quoted(market, 20)
    rest(matcher, market.order(5))
    matcher.apply_seed(replace(market.quote(1, 20), received_ns=OLD_NS))

    steps = rest(matcher, market.order(5, number=2), now_ns=OLD_NS + QUOTE_AGE_NS_MAX)

    assert amounts(steps) == [5]


@both_sides
def test_greater_seed_replaces_the_old_quote(market: MirroredMarket) -> None:
    """The order never meets the replaced quote."""
    matcher = quoted(market, 5, "99.00")
    rest(matcher, market.order(5))

    steps = matcher.apply_seed(market.quote(2, 3, "99.99"))

    assert steps is not None
    (fill,) = steps
    assert isinstance(fill, Fill)
    assert (fill.price, fill.quantity) == (market.price("99.99"), Decimal(3))
    assert fill.arrival == Arrival(update_id=2, price=market.price("99.99"))


@both_sides
def test_frame_confirms_as_well(market: MirroredMarket) -> None:
    """Every frame of the stream is current, even with the same touch."""
    matcher = quoted(market)
    rest(matcher, market.order(5))

    steps = matcher.apply_quote(market.quote(2, 5))

    assert amounts(steps) == [5]


@both_sides
def test_lower_seed_confirms_nothing(market: MirroredMarket) -> None:
    """The seed is older than the quote."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(5, 5))
    rest(matcher, market.order(5))

    assert matcher.apply_seed(market.quote(4, 5)) is None
    assert matcher.awaits_confirmation
    assert matcher.resting_total == 1


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_immediate_order_is_not_refused_by_an_old_quote_either(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The price may have come nearer unseen."""
    matcher = quoted(market, 5, "100.01")

    waiting = rest(matcher, market.order(5, time_in_force=kind))
    steps = matcher.apply_seed(market.quote(2, 5, "100.00"))

    assert waiting == []
    assert steps is not None
    assert amounts(steps) == [5]


@both_sides
def test_order_that_may_rest_and_is_not_reached_needs_no_confirmation(
    market: MirroredMarket,
) -> None:
    """The order meets the old quote, and rests."""
    matcher = quoted(market, 5, "100.01")
    empty = SymbolMatcher(LTCBTC)
    empty.apply_quote(market.emptied(1))

    assert rest(matcher, market.order(5)) == []
    assert rest(empty, market.order(5)) == []

    assert not matcher.awaits_confirmation
    assert not empty.awaits_confirmation
    (fill,) = matcher.apply_quote(market.quote(2, 5))
    assert isinstance(fill, Fill)
    assert fill.quotes_seen == 2
    assert fill.arrival == Arrival(update_id=1, price=market.price("100.01"))


@both_sides
def test_no_order_fills_on_a_quote_that_awaits_confirmation(
    market: MirroredMarket,
) -> None:
    """Another order must not take the quantity before the first one."""
    matcher = quoted(market, 5)
    rest(matcher, market.order(5, number=1, limit_price=100))
    second = rest(matcher, market.order(5, number=2, limit_price=101))
    unreached = rest(matcher, market.order(5, number=3, limit_price=1))

    steps = matcher.apply_seed(market.quote(1, 5))

    assert second == unreached == []
    assert steps is not None
    assert [step.order.acceptance_number for step in steps] == [2]


@both_sides
def test_without_an_instant_no_quote_is_too_old(market: MirroredMarket) -> None:
    """A replayed tape has no venue to ask."""
    matcher = quoted(market)

    steps = matcher.rest(market.order(5), deadline_ns=FAR_NS)

    assert amounts(steps) == [5]


@both_sides
def test_interruption_ends_the_waiting_for_a_confirmation(market: MirroredMarket) -> None:
    """The order then waits for the first quote of another connection."""
    matcher = quoted(market)
    rest(matcher, market.order(5))

    matcher.interrupt()
    awaits = matcher.awaits_confirmation
    (fill,) = matcher.apply_quote(market.quote(2, 5))

    assert not awaits
    assert isinstance(fill, Fill)
    assert fill.quotes_seen == 1


@both_sides
def test_order_that_waits_may_be_canceled_or_run_out_of_time(market: MirroredMarket) -> None:
    """The order has met no quote."""
    matcher = quoted(market)
    matcher.rest(market.order(5, number=1), deadline_ns=OLD_NS, now_ns=OLD_NS)
    canceled = rest(matcher, market.order(5, number=2, time_in_force=IOC))
    closing = matcher.cancel(market.order(5, number=2).order_id)
    (expired,) = matcher.expire(OLD_NS + 1)

    steps = matcher.apply_seed(market.quote(1, 5))

    assert canceled == []
    assert closing is not None
    assert (closing.quotes_seen, closing.arrival) == (0, None)
    assert isinstance(expired, Closing)
    assert (expired.reason, expired.quotes_seen) == (Reason.NO_MARKET_DATA, 0)
    assert steps == []


@both_sides
def test_order_that_came_too_late_for_the_old_quote_just_ends(market: MirroredMarket) -> None:
    """Its end needs no confirmation."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(replace(market.quote(1, 5), received_ns=10))

    steps = matcher.rest(market.order(5), deadline_ns=9, now_ns=OLD_NS + 10)

    assert len(closings_of(steps)) == 1
    assert not matcher.awaits_confirmation
    assert matcher.resting_total == 0


@both_sides
def test_confirmation_during_a_hold_fills_at_the_release(market: MirroredMarket) -> None:
    """Fills need both the confirmation and the release, in either order."""
    first, second = quoted(market), quoted(market)
    for matcher in (first, second):
        matcher.hold()
        rest(matcher, market.order(5, time_in_force=IOC))

    confirmed = first.apply_seed(market.quote(1, 5))
    released = second.release()

    assert confirmed == released == []
    assert amounts(first.release(1)) == [5]
    assert amounts(second.apply_seed(market.quote(1, 5)) or []) == [5]


@both_sides
def test_release_on_an_old_quote_waits_for_its_confirmation(market: MirroredMarket) -> None:
    """Orders that came during the hold also need a current quote."""
    matcher = quoted(market)
    matcher.hold()
    rest(matcher, market.order(5), now_ns=1)

    released = matcher.release(OLD_NS)
    awaits = matcher.awaits_confirmation
    steps = matcher.apply_seed(market.quote(1, 5))

    assert (released, awaits) == ([], True)
    assert amounts(steps or []) == [5]


@both_sides
def test_release_without_orders_has_nothing_confirmed(market: MirroredMarket) -> None:
    """An old quote without waiting orders costs no request."""
    matcher = quoted(market)
    matcher.hold()

    assert matcher.release(OLD_NS) == []
    assert not matcher.awaits_confirmation


def test_order_without_any_quote_has_nothing_to_confirm() -> None:
    """The order waits for the first quote."""
    matcher = SymbolMatcher(LTCBTC)
    market = MirroredMarket(Side.BUY)

    assert not matcher.must_confirm(market.order(5), OLD_NS)
    assert rest(matcher, market.order(5)) == []
    assert not matcher.awaits_confirmation
