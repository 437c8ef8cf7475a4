"""Interruptions, holds and deadlines: when a resting order may fill, and how it ends unfilled."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, OrderSnapshot, OrderStatus, Reason, Side, TimeInForce
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
from tests.unit.domain.conftest import Event, happen, matcher_after


def test_order_of_an_interruption_meets_the_same_touch_when_it_is_back(
    market: MirroredMarket,
) -> None:
    """A repeated touch is new to it, even in a seed that equals the last quote."""
    events = (market.order(2), market.quote(1, 5), SymbolMatcher.interrupt)
    by_frame, by_seed = (matcher_after(*events, market.order(9, number=2)) for _ in range(2))

    assert quantities_given(by_frame.apply_quote(market.quote(2, 5))) == [(2, 3)]
    assert quantities_given(by_seed.apply_seed(market.quote(1, 5))) == [(2, 3)]


def test_held_matcher_fills_nothing_but_updates_its_ledger(market: MirroredMarket) -> None:
    """Steps 1 and 2 of the rule continue, so levels are forgotten and capped."""
    matcher = matcher_after(market.order(20), market.quote(1, 5), SymbolMatcher.hold)

    held = [
        matcher.apply_quote(market.quote(2, 2)),
        matcher.apply_quote(market.quote(3, 8)),
        matcher.rest(market.order(1, number=2, limit_price=101), deadline_ns=FAR_NS),
    ]

    assert held == [[], [], []]
    assert [level.quantity for level in matcher.ledger_levels()] == [2]
    assert matcher.gate == 3


def test_release_serves_the_current_quote_in_priority_order(market: MirroredMarket) -> None:
    """Price and acceptance rank the orders of the hold too."""
    matcher = matcher_after(
        market.order(20, number=1),
        SymbolMatcher.hold,
        market.quote(2, 5),
        market.order(2, number=2, limit_price=101),
    )

    fills = fills_of(matcher.release())

    assert quantities_given(fills) == [(2, 2), (1, 3)]
    assert [fill.update_id for fill in fills] == [2, 2]
    assert quantities_given(matcher.apply_quote(market.quote(3, 6))) == [(1, 1)]


@pytest.mark.parametrize("kind", TimeInForce)
def test_release_without_a_current_quote_waits_for_one(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """After an interruption during the hold there is no quote to fill against, or to decide."""
    order = market.order(5, time_in_force=kind)
    matcher = matcher_after(SymbolMatcher.hold, market.quote(1, 9), order, SymbolMatcher.interrupt)

    assert matcher.release() == []
    assert not matcher.is_live
    assert quantities_given(matcher.apply_quote(market.quote(2, 5))) == [(1, 5)]


def test_order_expires_after_its_deadline_and_not_at_it(market: MirroredMarket) -> None:
    """A quote received exactly at the deadline may still fill."""
    order = market.order(20)
    matcher = matcher_after()
    matcher.rest(order, deadline_ns=1_000)
    matcher.apply_quote(market.quote(1, 5))

    at_deadline = matcher.expire(1_000)
    fills = matcher.apply_quote(market.quote(2, 6))
    after_deadline = matcher.expire(1_001)

    assert at_deadline == []
    assert quantities_given(fills) == [(1, 1)]
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


def test_orders_expire_by_deadline_and_the_next_one_is_returned(market: MirroredMarket) -> None:
    """The shell sleeps until the earliest deadline of the resting orders."""
    matcher = matcher_after()
    for number, deadline_ns in ((1, 300), (2, 100), (3, 200)):
        matcher.rest(market.order(number=number), deadline_ns=deadline_ns)
    next_deadlines = [matcher.next_deadline_ns()]

    expiries = matcher.expire(250)
    next_deadlines.append(matcher.next_deadline_ns())

    assert [expiry.order.acceptance_number for expiry in expiries] == [2, 3]
    assert next_deadlines == [100, 300]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("before", "since", "carried", "reason"),
    [
        ([], [], {}, Reason.NO_MARKET_DATA),
        ([], [make_quote(7)], {}, Reason.NO_MARKET_DATA),
        ([make_quote(8), SymbolMatcher.interrupt], [], {}, Reason.NO_MARKET_DATA),
        ([make_quote(8)], [], {}, Reason.TIMEOUT),
        ([SymbolMatcher.interrupt], [make_quote(8)], {}, Reason.TIMEOUT),
        ([make_quote(8)], [SymbolMatcher.interrupt], {}, Reason.TIMEOUT_DURING_OUTAGE),
        ([], [], {"may_have_met_quotes": True}, Reason.TIMEOUT_DURING_OUTAGE),
        ([], [], {"quotes_seen": 1}, Reason.TIMEOUT_DURING_OUTAGE),
    ],
    ids=["nothing", "refused", "lost", "current", "next", "outage", "restart", "counted before"],
)
def test_reason_of_a_timeout_says_which_quotes_the_order_met(
    side: Side, before: list[Event], since: list[Event], carried: dict[str, Any], reason: Reason
) -> None:
    """TIMEOUT needs a current quote, and without any quote there was no market data.

    An end that met no quote names no departure: an old gate must not bound its splits.
    """
    order = MirroredMarket(side).order(limit_price=90)
    matcher = matcher_after(*before, gate=7)
    matcher.rest(order, deadline_ns=100, **carried)
    happen(matcher, *since)

    (end,) = closings_of(matcher.expire(101))

    assert end.reason is reason
    assert (end.departure_update_id is None) == (not end.quotes_seen)


def test_an_order_that_came_too_late_is_not_filled_by_the_arrival_of_the_next() -> None:
    """Of two orders of one commit, the first has a deadline before the current quote."""
    matcher = matcher_after(make_quote(1, ask=("99.99", 5), received_ns=2_000))
    late, timely = make_order(3, number=1), make_order(4, number=2)

    (end,) = matcher.rest(late, deadline_ns=1_000)
    (fill,) = matcher.rest(timely, deadline_ns=3_000)

    assert (end.order, end.closes, end.filled_quantity) == (late, True, Decimal(0))
    assert (fill.order, fill.filled_quantity) == (timely, Decimal(4))
    assert matcher.expire(10_000) == []


def test_a_partly_filled_order_that_came_too_late_ran_out_of_time() -> None:
    """An order found at a start with splits has met quotes, so the reason is a timeout."""
    matcher = matcher_after(make_quote(1, ask=("99.99", 5), received_ns=2_000))

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


def test_an_order_that_expired_unserved_keeps_its_values(market: MirroredMarket) -> None:
    """Its end has its sums, its arrival, and the stored gate."""
    matcher = matcher_after(gate=7)
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
