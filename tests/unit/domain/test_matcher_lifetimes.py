"""Interruptions, holds and deadlines: when a resting order may fill, and how it ends unfilled."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, OrderSnapshot, OrderStatus, Reason, Side
from app.domain.resting import Closing
from tests.support.builders import (
    FAR_NS,
    LTCBTC,
    MirroredMarket,
    closings_of,
    fills_of,
    make_order,
    make_quote,
    quantities_given,
)

SIDES = [pytest.param(MirroredMarket(side), id=side.value) for side in Side]


@pytest.mark.parametrize("market", SIDES)
def test_symbol_is_live_from_its_first_quote_to_an_interruption(market: MirroredMarket) -> None:
    """Only a quote of the present connection can fill."""
    matcher = SymbolMatcher(LTCBTC)
    seen = [matcher.is_live]

    matcher.apply_quote(market.quote(1, 5))
    seen.append(matcher.is_live)
    matcher.interrupt()
    seen.append(matcher.is_live)

    assert seen == [False, True, False]
    assert matcher.rest(market.order(3), deadline_ns=FAR_NS) == []


@pytest.mark.parametrize("market", SIDES)
def test_order_of_an_interruption_meets_the_same_touch_when_it_is_back(
    market: MirroredMarket,
) -> None:
    """A repeated touch is new to the orders that came during the interruption."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, 5))
    matcher.interrupt()
    matcher.rest(market.order(3), deadline_ns=FAR_NS)

    assert quantities_given(matcher.apply_quote(market.quote(2, 5))) == [(1, Decimal(3))]


@pytest.mark.parametrize("market", SIDES)
def test_order_of_an_interruption_meets_the_seed_that_confirms_the_last_quote(
    market: MirroredMarket,
) -> None:
    """On a quiet pair only the seed comes, and it equals the last quote."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(2, number=1), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.interrupt()
    matcher.rest(market.order(9, number=2), deadline_ns=FAR_NS)

    assert quantities_given(matcher.apply_seed(market.quote(1, 5))) == [(2, Decimal(3))]


@pytest.mark.parametrize("market", SIDES)
def test_ledger_outlives_an_interruption(market: MirroredMarket) -> None:
    """The taken quantity stays taken after a reconnect."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(20), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.interrupt()

    assert matcher.apply_quote(market.quote(2, 5)) == []


@pytest.mark.parametrize("market", SIDES)
def test_held_matcher_fills_nothing_but_updates_its_ledger(market: MirroredMarket) -> None:
    """Steps 1 and 2 of the rule continue, so levels are forgotten and capped."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(20), deadline_ns=FAR_NS)
    matcher.apply_quote(market.quote(1, 5))
    matcher.hold()

    held = [
        matcher.apply_quote(market.quote(2, 2)),
        matcher.apply_quote(market.quote(3, 8)),
        matcher.rest(market.order(1, number=2, limit_price=101), deadline_ns=FAR_NS),
    ]

    assert held == [[], [], []]
    assert [level.quantity for level in matcher.ledger_levels()] == [2]
    assert matcher.gate == 3


@pytest.mark.parametrize("market", SIDES)
def test_release_serves_the_current_quote_in_priority_order(market: MirroredMarket) -> None:
    """Price and acceptance rank the orders of the hold too."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(20, number=1), deadline_ns=FAR_NS)
    matcher.hold()
    matcher.apply_quote(market.quote(2, 5))
    matcher.rest(market.order(2, number=2, limit_price=101), deadline_ns=FAR_NS)

    fills = fills_of(matcher.release())

    assert quantities_given(fills) == [(2, Decimal(2)), (1, Decimal(3))]
    assert [fill.update_id for fill in fills] == [2, 2]
    assert quantities_given(matcher.apply_quote(market.quote(3, 6))) == [(1, Decimal(1))]


@pytest.mark.parametrize("market", SIDES)
def test_release_without_a_current_quote_waits_for_one(market: MirroredMarket) -> None:
    """After an interruption during the hold there is no quote to fill against."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.hold()
    matcher.apply_quote(market.quote(1, 5))
    matcher.rest(market.order(20), deadline_ns=FAR_NS)
    matcher.interrupt()

    assert matcher.release() == []
    assert quantities_given(matcher.apply_quote(market.quote(2, 5))) == [(1, Decimal(5))]


@pytest.mark.parametrize("market", SIDES)
def test_order_expires_after_its_deadline_and_not_at_it(market: MirroredMarket) -> None:
    """A quote received exactly at the deadline may still fill."""
    order = market.order(20)
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(order, deadline_ns=1_000)
    matcher.apply_quote(market.quote(1, 5))

    at_deadline = matcher.expire(1_000)
    fills = matcher.apply_quote(market.quote(2, 6))
    after_deadline = matcher.expire(1_001)

    assert at_deadline == []
    assert quantities_given(fills) == [(1, Decimal(1))]
    assert after_deadline == [
        Closing(
            order=order,
            status=OrderStatus.EXPIRED,
            reason=Reason.TIMEOUT,
            splits_total=2,
            filled_quantity=Decimal(6),
            quote_quantity=6 * market.price("99.99"),
            arrival=Arrival(update_id=1, price=market.price("99.99")),
            quotes_seen=2,
            departure_update_id=2,
        )
    ]
    assert (matcher.resting_total, matcher.next_deadline_ns()) == (0, None)
    assert matcher.apply_quote(market.quote(3, 9)) == []


@pytest.mark.parametrize("market", SIDES)
def test_orders_expire_by_deadline_and_the_next_one_is_returned(market: MirroredMarket) -> None:
    """The shell sleeps until the earliest deadline of the resting orders."""
    matcher = SymbolMatcher(LTCBTC)
    for number, deadline_ns in ((1, 300), (2, 100), (3, 200)):
        matcher.rest(market.order(number=number), deadline_ns=deadline_ns)
    next_deadlines = [matcher.next_deadline_ns()]

    expiries = matcher.expire(250)
    next_deadlines.append(matcher.next_deadline_ns())

    assert [expiry.order.acceptance_number for expiry in expiries] == [2, 3]
    assert next_deadlines == [100, 300]


@pytest.mark.parametrize("market", SIDES)
def test_filled_order_never_expires(market: MirroredMarket) -> None:
    """An order ends once, and a later deadline changes nothing."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(5), deadline_ns=100)
    matcher.apply_quote(market.quote(1, 5))

    assert matcher.next_deadline_ns() is None
    assert matcher.expire(101) == []


@pytest.mark.parametrize("market", SIDES)
def test_expiry_gives_nothing_back(market: MirroredMarket) -> None:
    """The quantity that an expired order took stays taken."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(20, number=1), deadline_ns=100)
    matcher.apply_quote(market.quote(1, 5))
    matcher.expire(101)

    assert matcher.rest(market.order(5, number=2), deadline_ns=FAR_NS) == []


@pytest.mark.parametrize("market", SIDES)
def test_reason_without_a_single_quote_is_missing_market_data(market: MirroredMarket) -> None:
    """The order met no quote, so its limit was not the cause."""
    matcher = SymbolMatcher(LTCBTC, gate=7)
    matcher.rest(market.order(), deadline_ns=100)
    matcher.apply_quote(market.quote(7, 5))

    assert [one.reason for one in closings_of(matcher.expire(101))] == [Reason.NO_MARKET_DATA]


@pytest.mark.parametrize("market", SIDES)
def test_reason_after_meeting_only_the_current_quote_is_the_time(market: MirroredMarket) -> None:
    """The order met the current quote, although no other followed."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.rest(market.order(), deadline_ns=100)

    assert [one.reason for one in closings_of(matcher.expire(101))] == [Reason.TIMEOUT]


@pytest.mark.parametrize("market", SIDES)
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_reason_of_an_order_that_met_quotes_depends_on_the_end(
    market: MirroredMarket, *, is_interrupted: bool
) -> None:
    """With a current quote the reason is TIMEOUT, without one TIMEOUT_DURING_OUTAGE."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, 5, "101.00"))
    matcher.rest(market.order(number=1), deadline_ns=100)
    matcher.interrupt()
    matcher.rest(market.order(number=2), deadline_ns=100)
    matcher.apply_quote(market.quote(2, 5, "101.00"))
    if is_interrupted:
        matcher.interrupt()

    reasons = {one.reason for one in closings_of(matcher.expire(101))}

    assert reasons == {Reason.TIMEOUT_DURING_OUTAGE if is_interrupted else Reason.TIMEOUT}


@pytest.mark.parametrize("market", SIDES)
def test_order_that_met_quotes_before_a_restart_ran_out_during_an_outage(
    market: MirroredMarket,
) -> None:
    """Only the earlier process had quotes."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(number=1), deadline_ns=100, may_have_met_quotes=True)
    matcher.rest(market.order(number=2), deadline_ns=100)

    assert [one.reason for one in closings_of(matcher.expire(101))] == [
        Reason.TIMEOUT_DURING_OUTAGE,
        Reason.NO_MARKET_DATA,
    ]


def test_an_order_that_came_too_late_is_not_filled_by_the_arrival_of_the_next() -> None:
    """Of two orders of one commit, the first has a deadline before the current quote."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(make_quote(1, ask=("99.99", 5), received_ns=2_000))
    late, timely = make_order(3, number=1), make_order(4, number=2)

    (end,) = matcher.rest(late, deadline_ns=1_000)
    (fill,) = matcher.rest(timely, deadline_ns=3_000)

    assert (end.order, end.closes, end.filled_quantity) == (late, True, Decimal(0))
    assert (fill.order, fill.filled_quantity) == (timely, Decimal(4))
    assert matcher.expire(10_000) == []


def test_a_partly_filled_order_that_came_too_late_ran_out_of_time() -> None:
    """An order found at a start with splits has met quotes, so the reason is a timeout."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(make_quote(1, ask=("99.99", 5), received_ns=2_000))

    (end,) = matcher.rest(
        make_order(3, number=1),
        deadline_ns=1_000,
        filled_quantity=Decimal(1),
        quote_quantity=Decimal(99),
        splits_total=1,
        may_have_met_quotes=True,
    )

    assert isinstance(end, Closing)
    assert (end.reason, end.splits_total) == (Reason.TIMEOUT, 1)


@pytest.mark.parametrize("market", SIDES)
def test_an_end_that_met_no_quote_names_no_departure(market: MirroredMarket) -> None:
    """An old stored gate must not bound the splits of the order."""
    matcher = SymbolMatcher(LTCBTC, gate=7)
    matcher.rest(market.order(8), deadline_ns=100)

    (end,) = matcher.expire(101)

    assert isinstance(end, Closing)
    assert (end.reason, end.departure_update_id) == (Reason.NO_MARKET_DATA, None)


@pytest.mark.parametrize("market", SIDES)
def test_an_order_that_expired_unserved_keeps_its_values(market: MirroredMarket) -> None:
    """Its end has its sums, its arrival, and the stored gate."""
    matcher = SymbolMatcher(LTCBTC, gate=7)
    arrival = Arrival(update_id=3, price=market.price("99.99"))
    snapshot = OrderSnapshot(
        order=market.order(8),
        status=OrderStatus.PARTIALLY_FILLED,
        reason=None,
        filled_quantity=Decimal(4),
        quote_quantity=Decimal(400),
        splits_total=2,
        last_sequence=3,
        closed_at=None,
        arrival=arrival,
        quotes_seen=6,
    )

    end = matcher.end_unmet(snapshot)

    assert (end.status, end.reason) == (OrderStatus.EXPIRED, Reason.TIMEOUT_DURING_OUTAGE)
    assert (end.splits_total, end.filled_quantity) == (2, Decimal(4))
    assert end.quote_quantity == Decimal(400)
    assert (end.arrival, end.quotes_seen, end.departure_update_id) == (arrival, 6, 7)
    assert matcher.resting_total == 0
    assert matcher.end_unmet(replace(snapshot, arrival=None)).departure_update_id is None
    assert SymbolMatcher(LTCBTC).end_unmet(snapshot).departure_update_id == 3


@pytest.mark.parametrize("market", SIDES)
def test_an_end_without_a_stored_gate_names_the_first_quote(market: MirroredMarket) -> None:
    """After a crash no newer update id is known, and no update id is 0."""
    matcher = SymbolMatcher(LTCBTC)
    order = market.order(8)
    arrival = Arrival(update_id=3, price=market.price("99.99"))
    matcher.rest(order, deadline_ns=FAR_NS, arrival=arrival, may_have_met_quotes=True)

    end = matcher.cancel(order.order_id)

    assert end is not None
    assert (end.arrival, end.departure_update_id) == (arrival, 3)
