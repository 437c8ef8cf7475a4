"""The matcher fills or decides a new order on an old quote only after a confirmation."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import Arrival, Order, Reason, TimeInForce
from app.domain.resting import Closing, Step
from tests.support.builders import FAR_NS, MirroredMarket, closings_of, fills_of, quantities_given
from tests.unit.domain.conftest import matcher_after

GTD, IOC, FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
OLD_NS = QUOTE_AGE_NS_MAX + 1
"""When a quote that came at zero is just too old."""


def rest(matcher: SymbolMatcher, order: Order, now_ns: int | None = OLD_NS) -> list[Step]:
    """Rest an order at an instant."""
    return matcher.rest(order, deadline_ns=FAR_NS, now_ns=now_ns)


def amounts(steps: list[Step] | None) -> list[Decimal]:
    """Return the quantity of each fill."""
    return [fill.quantity for fill in fills_of(steps)]


@pytest.mark.parametrize(
    ("now_ns", "is_filled"),
    [(QUOTE_AGE_NS_MAX, True), (OLD_NS, False), (None, True)],
    ids=["five seconds", "a nanosecond more", "a replay, which has no venue to ask"],
)
def test_quote_of_five_seconds_fills_and_a_nanosecond_later_it_waits(
    market: MirroredMarket, now_ns: int | None, *, is_filled: bool
) -> None:
    """The age counts from the receipt of the quote."""
    matcher = matcher_after(market.quote(1, 5))

    steps = rest(matcher, market.order(5), now_ns)

    assert amounts(steps) == ([5] if is_filled else [])
    assert matcher.awaits_confirmation is not is_filled
    assert matcher.resting_total == (not is_filled)


@pytest.mark.parametrize("kind", TimeInForce)
def test_seed_of_the_same_id_confirms_and_the_order_meets_that(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The seed shows nothing new, but it is the first quote that the order meets."""
    matcher = matcher_after(market.quote(1, 5))
    rest(matcher, market.order(5, time_in_force=kind))

    (fill,) = fills_of(matcher.apply_seed(market.quote(1, 5)))

    assert fill.closes
    assert fill.quotes_seen == 1
    assert fill.arrival == Arrival(update_id=1, price=market.price("99.99"))
    assert not matcher.awaits_confirmation


def test_confirmed_quote_is_young_again(market: MirroredMarket) -> None:
    """The age restarts at the confirmation, which may be a frame with the same touch."""
    for confirm, update_id in ((SymbolMatcher.apply_seed, 1), (SymbolMatcher.apply_quote, 2)):
        matcher = matcher_after(market.quote(1, 20))
        rest(matcher, market.order(5))
        confirmed = confirm(matcher, replace(market.quote(update_id, 20), received_ns=OLD_NS))
        steps = rest(matcher, market.order(5, number=2), now_ns=OLD_NS + QUOTE_AGE_NS_MAX)

        assert amounts(confirmed) == amounts(steps) == [5]


def test_greater_seed_replaces_the_old_quote(market: MirroredMarket) -> None:
    """The order never meets the replaced quote."""
    matcher = matcher_after(market.quote(1, 5, "99.00"))
    rest(matcher, market.order(5))

    (fill,) = fills_of(matcher.apply_seed(market.quote(2, 3, "99.99")))

    assert (fill.price, fill.quantity) == (market.price("99.99"), Decimal(3))
    assert fill.arrival == Arrival(update_id=2, price=market.price("99.99"))


def test_lower_seed_confirms_nothing(market: MirroredMarket) -> None:
    """The seed is older than the quote."""
    matcher = matcher_after(market.quote(5, 5))
    rest(matcher, market.order(5))

    assert matcher.apply_seed(market.quote(4, 5)) is None
    assert matcher.awaits_confirmation
    assert matcher.resting_total == 1


@pytest.mark.parametrize("kind", [IOC, FOK])
def test_immediate_order_is_not_refused_by_an_old_quote_either(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The price may have come nearer unseen."""
    matcher = matcher_after(market.quote(1, 5, "100.01"))

    waiting = rest(matcher, market.order(5, time_in_force=kind))
    steps = matcher.apply_seed(market.quote(2, 5, "100.00"))

    assert waiting == []
    assert amounts(steps) == [5]


def test_order_that_may_rest_and_is_not_reached_needs_no_confirmation(
    market: MirroredMarket,
) -> None:
    """The order meets the old quote, if there is one, and rests."""
    matcher = matcher_after(market.quote(1, 5, "100.01"))
    for resting in (matcher, matcher_after(market.emptied(1)), matcher_after()):
        assert not resting.must_confirm(market.order(5), OLD_NS)
        assert rest(resting, market.order(5)) == []
        assert not resting.awaits_confirmation

    (fill,) = fills_of(matcher.apply_quote(market.quote(2, 5)))
    assert fill.quotes_seen == 2
    assert fill.arrival == Arrival(update_id=1, price=market.price("100.01"))


def test_no_order_fills_on_a_quote_that_awaits_confirmation(market: MirroredMarket) -> None:
    """Another order must not take the quantity before the first one."""
    matcher = matcher_after(market.quote(1, 5))
    rest(matcher, market.order(5, number=1, limit_price=100))
    second = rest(matcher, market.order(5, number=2, limit_price=101))
    unreached = rest(matcher, market.order(5, number=3, limit_price=1))

    steps = matcher.apply_seed(market.quote(1, 5))

    assert second == unreached == []
    assert quantities_given(steps) == [(2, 5)]


def test_interruption_ends_the_waiting_for_a_confirmation(market: MirroredMarket) -> None:
    """The order then waits for the first quote of another connection."""
    matcher = matcher_after(market.quote(1, 5))
    rest(matcher, market.order(5))

    matcher.interrupt()
    awaits = matcher.awaits_confirmation
    (fill,) = fills_of(matcher.apply_quote(market.quote(2, 5)))

    assert not awaits
    assert fill.quotes_seen == 1


def test_order_that_waits_may_be_canceled_or_run_out_of_time(market: MirroredMarket) -> None:
    """The order has met no quote."""
    matcher = matcher_after(market.quote(1, 5))
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


def test_order_that_came_too_late_for_the_old_quote_just_ends(market: MirroredMarket) -> None:
    """Its end needs no confirmation."""
    matcher = matcher_after(replace(market.quote(1, 5), received_ns=10))

    steps = matcher.rest(market.order(5), deadline_ns=9, now_ns=OLD_NS + 10)

    assert len(closings_of(steps)) == 1
    assert not matcher.awaits_confirmation
    assert matcher.resting_total == 0


def test_release_on_an_old_quote_waits_for_its_confirmation(market: MirroredMarket) -> None:
    """Orders that came during the hold need a current quote; without orders nothing is asked."""
    matcher, idle = (matcher_after(market.quote(1, 5), SymbolMatcher.hold) for _ in range(2))
    rest(matcher, market.order(5), now_ns=1)

    released = [matcher.release(OLD_NS), idle.release(OLD_NS)]
    awaits = (matcher.awaits_confirmation, idle.awaits_confirmation)
    steps = matcher.apply_seed(market.quote(1, 5))

    assert (released, awaits) == ([[], []], (True, False))
    assert amounts(steps) == [5]


def test_confirmation_during_a_hold_fills_at_the_release(market: MirroredMarket) -> None:
    """Fills need both the confirmation and the release, in either order."""
    first, second = matcher_after(market.quote(1, 5)), matcher_after(market.quote(1, 5))
    for matcher in (first, second):
        matcher.hold()
        rest(matcher, market.order(5, time_in_force=IOC))

    confirmed = first.apply_seed(market.quote(1, 5))
    released = second.release()

    assert confirmed == released == []
    assert amounts(first.release(1)) == [5]
    assert amounts(second.apply_seed(market.quote(1, 5))) == [5]
