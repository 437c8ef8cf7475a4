"""The fill rule, quote by quote: the quantity, the price and the priority of each order.

Every test written for asks also runs mirrored for bids.
"""

from collections.abc import Callable
from decimal import Decimal, localcontext

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Arrival, Owner, Side, Symbol, TimeInForce
from app.domain.resting import Fill
from tests.support.builders import (
    FAR_NS,
    LTCBTC,
    MirroredMarket,
    fills_of,
    make_order,
    make_quote,
    quantities_given,
)
from tests.unit.domain.conftest import matcher_after


@pytest.mark.parametrize(
    ("quantities", "touches", "total"),
    [
        pytest.param([5, 5], ["x5"], 5, id="two of 5: x5"),
        pytest.param([20], ["x5", "x5"], 5, id="20: x5, x5 (only the other side moved)"),
        pytest.param([20], ["x5", "x4"], 5, id="20: x5, x4"),
        pytest.param([20], ["x5", "x8"], 8, id="20: x5, x8"),
        pytest.param([40], ["x5", "x4", "x5", "x4", "x5"], 7, id="40: x5, x4, x5, x4, x5"),
        pytest.param([20], ["x5", "99.49x3", "99.99x5"], 8, id="20: a better level comes and goes"),
        pytest.param([20], ["x5", "101.00x3", "99.99x5"], 10, id="20: the level goes and returns"),
        pytest.param([20], ["x5", "101.00x3", "99.99x6"], 11, id="20: and returns with more"),
    ],
)
def test_scenario_of_the_design_fills_as_written(
    market: MirroredMarket, quantities: list[int], touches: list[str], total: int
) -> None:
    """The table of the fill rule, row by row."""
    matcher = matcher_after(
        *(market.order(quantity, number=number) for number, quantity in enumerate(quantities, 1))
    )
    fills: list[Fill] = []

    for update_id, touch in enumerate(touches, 1):
        price, _, quantity = touch.partition("x")
        quote = market.quote(update_id, quantity, price or "99.99", other_quantity=update_id)
        fills += fills_of(matcher.apply_quote(quote))

    assert sum(fill.quantity for fill in fills) == total


def test_fill_has_all_its_values(market: MirroredMarket) -> None:
    """Price and display come from the quote, number and sums from the order."""
    order = market.order(7)
    matcher = matcher_after(order)

    (first,) = matcher.apply_quote(market.quote(11, 5, "99.49"))
    (second,) = matcher.apply_quote(market.quote(12, 8, "99.99"))

    better, worse = market.price("99.49"), market.price("99.99")
    assert first == Fill(
        order=order,
        split_number=1,
        update_id=11,
        price=better,
        quantity=Decimal(5),
        displayed_quantity=Decimal(5),
        filled_quantity=Decimal(5),
        quote_quantity=5 * better,
        arrival=Arrival(update_id=11, price=better),
        quotes_seen=1,
    )
    assert second == Fill(
        order=order,
        split_number=2,
        update_id=12,
        price=worse,
        quantity=Decimal(2),
        displayed_quantity=Decimal(8),
        filled_quantity=Decimal(7),
        quote_quantity=5 * better + 2 * worse,
        arrival=Arrival(update_id=11, price=better),
        quotes_seen=2,
    )
    assert (first.closes, second.closes) == (False, True)
    assert matcher.resting_total == 0


def test_limit_is_inclusive_and_never_passed(market: MirroredMarket) -> None:
    """An order rests beyond its limit, even by one tick, and fills at it."""
    matcher = matcher_after(market.quote(1, 3, "100.01"))

    assert matcher.rest(market.order(5), deadline_ns=FAR_NS) == []
    assert matcher.apply_quote(market.quote(2, 4, "100.01")) == []
    assert quantities_given(matcher.apply_quote(market.quote(3, 3, "100.00"))) == [(1, 3)]


def test_better_limit_goes_first_then_earlier_acceptance(market: MirroredMarket) -> None:
    """Price-time priority does not depend on the order of arrival at the matcher."""
    matcher = matcher_after(
        market.order(2, number=4, limit_price="100.00"),
        market.order(2, number=3, limit_price="100.01"),
        market.order(2, number=2, limit_price="100.00"),
        market.order(2, number=1, limit_price="99.99"),
    )

    fills = matcher.apply_quote(market.quote(1, 7))

    assert quantities_given(fills) == [(3, 2), (2, 2), (4, 2), (1, 1)]


def test_partly_filled_order_keeps_its_place(market: MirroredMarket) -> None:
    """An earlier fill does not change the priority."""
    matcher = matcher_after(market.order(5, number=1), market.order(5, number=2))

    first = matcher.apply_quote(market.quote(1, 3))
    second = matcher.apply_quote(market.quote(2, 7))

    assert (quantities_given(first), quantities_given(second)) == ([(1, 3)], [(1, 2), (2, 2)])


def test_orders_of_one_owner_share_the_displayed_quantity(market: MirroredMarket) -> None:
    """A later order gets only the rest, also from the next quote."""
    matcher = matcher_after(market.order(4, number=1), market.quote(1, 5))

    fills = matcher.rest(market.order(4, number=2), deadline_ns=FAR_NS)

    assert quantities_given(fills) == [(2, 1)]
    assert matcher.apply_quote(market.quote(2, 5, other_quantity=9)) == []


def test_owners_do_not_share_a_ledger(market: MirroredMarket) -> None:
    """Each owner meets the whole display, in the same quote and with a later order."""
    alice, bob, carol = Owner("alice"), Owner("bob"), Owner("carol")
    matcher = matcher_after(
        market.order(4, number=1, owner=alice), market.order(4, number=2, owner=bob)
    )

    together = matcher.apply_quote(market.quote(1, 5))
    later = matcher.rest(market.order(9, number=3, owner=carol), deadline_ns=FAR_NS)

    assert quantities_given(together) == [(1, 4), (2, 4)]
    assert quantities_given(later) == [(3, 5)]
    assert {(level.owner, level.quantity) for level in matcher.ledger_levels()} == {
        (alice, Decimal(4)),
        (bob, Decimal(4)),
        (carol, Decimal(5)),
    }


def test_the_two_sides_of_the_book_do_not_touch_each_other() -> None:
    """One quote fills a BUY from the asks and a SELL from the bids, each with its own ledger."""
    matcher = matcher_after(
        make_order(9, number=1, side=Side.BUY, limit_price=100),
        make_order(9, number=2, side=Side.SELL, limit_price=99),
    )

    fills = fills_of(matcher.apply_quote(make_quote(1, bid=("99.98", 2), ask=("99.99", 5))))

    assert [(fill.order.side, fill.price, fill.quantity) for fill in fills] == [
        (Side.BUY, Decimal("99.99"), Decimal(5)),
        (Side.SELL, Decimal("99.98"), Decimal(2)),
    ]


def test_new_order_meets_the_current_quote_at_once(market: MirroredMarket) -> None:
    """A new order does not wait for the next quote."""
    matcher = matcher_after(market.quote(21, 5))

    (fill,) = fills_of(matcher.rest(market.order(3), deadline_ns=FAR_NS))

    assert (fill.update_id, fill.quantity, fill.closes) == (21, Decimal(3), True)


@pytest.mark.parametrize(
    "event",
    [
        SymbolMatcher.interrupt,
        lambda matcher: matcher.expire(FAR_NS + 1),
        lambda matcher: matcher.cancel_all(PUBLIC),
        lambda matcher: matcher.apply_seed(matcher.current),
    ],
    ids=["interruption", "expiry", "cancel", "confirming seed"],
)
@pytest.mark.parametrize("kind", [TimeInForce.GTD, TimeInForce.IOC])
def test_taken_quantity_stays_taken(
    market: MirroredMarket, kind: TimeInForce, event: Callable[[SymbolMatcher], object]
) -> None:
    """No end of an order and no trouble of the feed gives anything back."""
    matcher = matcher_after(market.quote(1, 5), market.order(20, number=1, time_in_force=kind))
    event(matcher)
    matcher.rest(market.order(9, number=2, limit_price=101), deadline_ns=FAR_NS)

    assert matcher.apply_quote(market.quote(2, 5, other_quantity=7)) == []
    assert quantities_given(matcher.apply_quote(market.quote(3, 7))) == [(2, 2)]


def test_empty_side_fills_nothing_and_forgets_the_taken_quantity(market: MirroredMarket) -> None:
    """Quantity displayed after an empty side is new, even at the same price."""
    matcher = matcher_after(market.order(20), market.quote(1, 5))

    assert matcher.apply_quote(market.emptied(2)) == []
    assert matcher.ledger_levels() == []
    assert quantities_given(matcher.apply_quote(market.quote(3, 5))) == [(1, 5)]


def test_fills_of_the_longest_amounts_are_exact() -> None:
    """Sums that the default context would round stay exact."""
    quantity, price = Decimal("9999999999999999.000000000001"), Decimal("1234567890123456.1")
    matcher = matcher_after(make_order(quantity, limit_price=price))

    (first,) = matcher.apply_quote(make_quote(1, ask=(price, "0.000000000001")))
    (second,) = matcher.apply_quote(make_quote(2, ask=(price, quantity)))

    assert first.quote_quantity == Decimal("1234.5678901234561")
    assert second.filled_quantity == quantity
    assert str(second.quote_quantity).replace(".", "") == str(
        9999999999999999000000000001 * 12345678901234561
    )


def test_fills_do_not_depend_on_the_context_of_the_thread(market: MirroredMarket) -> None:
    """Arithmetic names its context, so the context of the thread changes nothing."""
    limit_prices = ("100.00", "100.01", "100.02")
    orders = [
        market.order("1.23456789", number=number, limit_price=limit_price)
        for number, limit_price in enumerate(limit_prices, 1)
    ]
    quotes = [market.quote(1, "2.00000001"), market.quote(2, "3.70370367")]
    here, there = matcher_after(*orders), SymbolMatcher(LTCBTC)
    expected = [fill for quote in quotes for fill in here.apply_quote(quote)]

    with localcontext(prec=1):
        for order in orders:
            there.rest(order, deadline_ns=FAR_NS)
        fills = [fill for quote in quotes for fill in there.apply_quote(quote)]

    assert fills == expected
    assert sum(fill.closes for fill in fills) == 3


@pytest.mark.parametrize("update_id", [6, 7])
def test_quote_at_or_below_the_gate_changes_nothing(market: MirroredMarket, update_id: int) -> None:
    """A late or repeated frame is counted and ignored."""
    matcher = matcher_after(market.order(20), market.quote(7, 5))
    levels = matcher.ledger_levels()

    fills = matcher.apply_quote(market.quote(update_id, 9, "99.49"))

    assert fills == []
    assert matcher.ledger_levels() == levels
    assert matcher.current == market.quote(7, 5)
    assert (matcher.gate, matcher.quotes_applied, matcher.quotes_refused) == (7, 1, 1)


@pytest.mark.parametrize(("update_id", "filled"), [(6, None), (7, [(1, 5)]), (8, [(1, 5)])])
def test_seed_at_or_above_the_gate_makes_the_symbol_live_and_fills(
    market: MirroredMarket, update_id: int, filled: list[tuple[int, int]] | None
) -> None:
    """An equal id confirms the last quote, and a greater one is newer. An older seed is stale."""
    matcher = matcher_after(market.order(20), gate=7)

    fills = matcher.apply_seed(market.quote(update_id, 5))

    assert (None if fills is None else quantities_given(fills)) == filled
    assert matcher.is_live is (filled is not None)
    assert (matcher.gate, matcher.quotes_refused) == (max(7, update_id), int(filled is None))


def test_reset_by_the_venue_moves_the_gate_down_and_keeps_the_ledger(
    market: MirroredMarket,
) -> None:
    """The venue restarted its update ids, but it may still display the taken quantity."""
    matcher = matcher_after(market.order(20), market.quote(700, 5))

    fills = matcher.reset_gate(market.quote(3, 6))

    assert quantities_given(fills) == [(1, 1)]
    assert matcher.gate == 3
    assert quantities_given(matcher.apply_quote(market.quote(4, 8))) == [(1, 2)]


def test_an_earlier_arrival_is_the_gate_if_none_was_stored() -> None:
    """Arrivals raise the gate until the first quote is applied, and no older quote fills."""
    matcher = matcher_after()
    for number, update_id in ((1, 7), (2, 9), (3, 8)):
        arrival = Arrival(update_id=update_id, price=Decimal(101))
        matcher.rest(make_order(number=number), deadline_ns=FAR_NS, arrival=arrival)

    assert matcher.gate == 9
    assert matcher.apply_quote(make_quote(9, ask=("99", 5))) == []
    assert matcher.apply_quote(make_quote(10, ask=("99", 5)))


def test_a_stored_gate_stays_below_earlier_arrivals() -> None:
    """The venue may have restarted its update ids, and a higher gate would refuse its quotes."""
    arrival = Arrival(update_id=700, price=Decimal(101))
    stored, applied = SymbolMatcher(LTCBTC, gate=5), SymbolMatcher(LTCBTC)
    applied.apply_quote(make_quote(5))
    for matcher in (stored, applied):
        matcher.rest(make_order(), deadline_ns=FAR_NS, arrival=arrival)

        assert matcher.gate == 5


def test_foreign_and_repeated_orders_and_quotes_are_our_own_mistakes() -> None:
    """A matcher serves one symbol, and an order rests once and unfilled."""
    matcher = matcher_after(make_order(5, number=1))
    foreign = make_quote(1, symbol=Symbol("ETHBTC"))

    with pytest.raises(AssertionError, match="serves one symbol"):
        matcher.apply_quote(foreign)
    with pytest.raises(AssertionError, match="serves one symbol"):
        matcher.apply_seed(foreign)
    with pytest.raises(AssertionError, match="serves one symbol"):
        matcher.rest(make_order(number=2, symbol=Symbol("ETHBTC")), deadline_ns=FAR_NS)
    with pytest.raises(AssertionError, match="rests once"):
        matcher.rest(make_order(5, number=1), deadline_ns=FAR_NS)
    with pytest.raises(AssertionError, match="a filled order does not rest"):
        matcher.rest(make_order(5, number=2), deadline_ns=FAR_NS, filled_quantity=Decimal(5))
    assert matcher.resting_total == 1
