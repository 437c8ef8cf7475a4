"""IOC and FOK orders: their first quote fills and decides them.

Every test written for asks also runs mirrored for bids.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, Decision, Order, OrderStatus, Owner, Reason, Side, TimeInForce
from app.domain.resting import Closing, Fill, Step
from tests.support.builders import FAR_NS, LTCBTC, MirroredMarket, closings_of, quantities_given

GTD, IOC, FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
SIDES = [pytest.param(MirroredMarket(side), id=side.value) for side in Side]
both_sides = pytest.mark.parametrize("market", SIDES)
both_kinds = pytest.mark.parametrize(
    ("kind", "reason"), [(IOC, Reason.IOC_REMAINDER), (FOK, Reason.FOK_UNFILLABLE)]
)


def live_matcher(market: MirroredMarket, quantity: int, price: str = "99.99") -> SymbolMatcher:
    """Make a matcher whose current quote displays a quantity."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.quote(1, quantity, price))
    return matcher


def rest(matcher: SymbolMatcher, order: Order, deadline_ns: int = FAR_NS) -> list[Step]:
    """Rest an order."""
    return matcher.rest(order, deadline_ns=deadline_ns)


def outcomes(steps: list[Step]) -> list[tuple[int, Decimal | Reason]]:
    """Return of each step the order, and the quantity or the reason of the end."""
    return [
        (step.order.acceptance_number, step.quantity if isinstance(step, Fill) else step.reason)
        for step in steps
    ]


@both_sides
def test_ioc_takes_the_available_quantity_and_ends(market: MirroredMarket) -> None:
    """Its fills stay on record with the quote that decided it, and nothing rests."""
    matcher = live_matcher(market, 5)
    order = market.order(8, time_in_force=IOC)

    fill, end = rest(matcher, order)

    assert isinstance(fill, Fill)
    assert (fill.quantity, fill.closes) == (Decimal(5), False)
    assert end == Closing(
        order=order,
        status=OrderStatus.EXPIRED,
        reason=Reason.IOC_REMAINDER,
        splits_total=1,
        filled_quantity=Decimal(5),
        quote_quantity=5 * market.price("99.99"),
        arrival=Arrival(update_id=1, price=market.price("99.99")),
        quotes_seen=1,
        departure_update_id=1,
        decision=Decision(
            price=market.price("99.99"), displayed_quantity=Decimal(5), taken_quantity=Decimal(0)
        ),
    )
    assert matcher.resting_total == 0
    assert matcher.next_deadline_ns() is None
    assert matcher.apply_quote(market.quote(2, 9)) == []


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_order_that_can_be_filled_at_once_is_filled(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """An order whose whole quantity is displayed fills, and no end follows."""
    matcher = live_matcher(market, 5)

    (fill,) = rest(matcher, market.order(5, time_in_force=kind))

    assert isinstance(fill, Fill)
    assert fill.closes
    assert matcher.resting_total == 0
    assert matcher.expire(FAR_NS + 1) == []


@both_sides
def test_fok_that_cannot_have_all_gets_nothing_and_takes_nothing(market: MirroredMarket) -> None:
    """The whole displayed quantity is left to the next order."""
    matcher = live_matcher(market, 5)

    steps = rest(matcher, market.order(6, number=1, time_in_force=FOK))

    assert outcomes(steps) == [(1, Reason.FOK_UNFILLABLE)]
    assert closings_of(steps)[0].filled_quantity == 0
    assert matcher.ledger_levels() == []
    assert quantities_given(rest(matcher, market.order(9, number=2))) == [(2, Decimal(5))]


@both_sides
@both_kinds
def test_price_beyond_the_limit_decides_as_well(
    market: MirroredMarket, kind: TimeInForce, reason: Reason
) -> None:
    """The orders do not wait for a better quote."""
    matcher = live_matcher(market, 5, "100.01")

    assert outcomes(rest(matcher, market.order(5, time_in_force=kind))) == [(1, reason)]
    assert matcher.apply_quote(market.quote(2, 5)) == []


@both_sides
@both_kinds
def test_empty_side_decides_as_well(
    market: MirroredMarket, kind: TimeInForce, reason: Reason
) -> None:
    """A quote with an empty opposite side is a quote, and its price is zero."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.apply_quote(market.emptied(1))

    steps = rest(matcher, market.order(5, time_in_force=kind))

    assert outcomes(steps) == [(1, reason)]
    assert closings_of(steps)[0].arrival == Arrival(update_id=1, price=Decimal(0))


@both_sides
@both_kinds
def test_lot_that_was_taken_before_decides_as_well(
    market: MirroredMarket, kind: TimeInForce, reason: Reason
) -> None:
    """Quantity that the ledger holds as taken is not available to them."""
    matcher = live_matcher(market, 5)
    rest(matcher, market.order(5, number=1))

    assert outcomes(rest(matcher, market.order(1, number=2, time_in_force=kind))) == [(2, reason)]


@both_sides
@both_kinds
def test_without_a_current_quote_the_first_one_decides(
    market: MirroredMarket, kind: TimeInForce, reason: Reason
) -> None:
    """The orders wait for the first quote, and for no other."""
    matcher = SymbolMatcher(LTCBTC)

    waiting = rest(matcher, market.order(8, time_in_force=kind))
    decided = matcher.apply_quote(market.quote(1, 5))

    assert waiting == []
    first = [] if kind is FOK else [(1, Decimal(5))]
    assert outcomes(decided) == [*first, (1, reason)]
    assert matcher.apply_quote(market.quote(2, 8)) == []
    assert matcher.resting_total == 0


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_order_of_an_interruption_is_decided_by_the_seed_that_confirms_the_last_quote(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The repeated touch is the first touch that this order meets."""
    matcher = live_matcher(market, 5)
    matcher.interrupt()
    assert rest(matcher, market.order(5, time_in_force=kind)) == []

    steps = matcher.apply_seed(market.quote(1, 5))

    assert quantities_given(steps) == [(1, Decimal(5))]


@both_sides
def test_one_quote_serves_every_kind_by_priority(market: MirroredMarket) -> None:
    """Better limit, then acceptance. An order that cannot get its whole quantity is skipped."""
    matcher = SymbolMatcher(LTCBTC)
    rest(matcher, market.order(3, number=1, time_in_force=GTD))
    rest(matcher, market.order(9, number=2, time_in_force=FOK))
    rest(matcher, market.order(4, number=3, time_in_force=IOC))
    rest(matcher, market.order(2, number=4, time_in_force=FOK, limit_price=101))
    rest(matcher, market.order(2, number=5, time_in_force=FOK))
    rest(matcher, market.order(2, number=6, time_in_force=IOC, limit_price="99.50"))

    steps = matcher.apply_quote(market.quote(1, 10))

    assert outcomes(steps) == [
        (4, Decimal(2)),
        (1, Decimal(3)),
        (2, Reason.FOK_UNFILLABLE),
        (3, Decimal(4)),
        (5, Reason.FOK_UNFILLABLE),
        (6, Reason.IOC_REMAINDER),
    ]
    assert matcher.resting_total == 0


@both_sides
def test_fok_counts_the_quantity_left_in_its_turn(market: MirroredMarket) -> None:
    """The display suffices, but not after the order before it; the next order rests."""
    matcher = live_matcher(market, 8)
    rest(matcher, market.order(5, number=1))

    steps = rest(matcher, market.order(4, number=2, time_in_force=FOK))
    exactly = rest(matcher, market.order(3, number=3, time_in_force=FOK))

    assert outcomes(steps) == [(2, Reason.FOK_UNFILLABLE)]
    assert outcomes(exactly) == [(3, Decimal(3))]


@both_sides
def test_quantity_that_an_ioc_order_took_stays_taken(market: MirroredMarket) -> None:
    """Its end gives nothing back, so a resting order gets only added quantity."""
    matcher = live_matcher(market, 5)
    rest(matcher, market.order(9, number=1, time_in_force=IOC))
    rest(matcher, market.order(9, number=2))

    assert matcher.apply_quote(market.quote(2, 5, other_quantity=7)) == []
    assert quantities_given(matcher.apply_quote(market.quote(3, 7))) == [(2, Decimal(2))]


@both_sides
@both_kinds
def test_held_matcher_decides_at_the_release_by_the_current_quote(
    market: MirroredMarket, kind: TimeInForce, reason: Reason
) -> None:
    """A hold stops fills and decisions."""
    matcher = live_matcher(market, 9)
    matcher.hold()

    held = [
        rest(matcher, market.order(5, number=1, time_in_force=kind)),
        matcher.apply_quote(market.quote(2, 5, "99.49")),
        rest(matcher, market.order(5, number=2, time_in_force=kind)),
    ]
    released = matcher.release()

    assert held == [[], [], []]
    assert outcomes(released) == [(1, Decimal(5)), (2, reason)]
    assert closings_of(released)[0].arrival == Arrival(update_id=2, price=market.price("99.49"))
    assert matcher.resting_total == 0


@both_sides
def test_release_without_a_current_quote_leaves_the_decision_to_the_next_one(
    market: MirroredMarket,
) -> None:
    """The quote of the hold was lost with its connection."""
    matcher = live_matcher(market, 9)
    matcher.hold()
    rest(matcher, market.order(5, time_in_force=IOC))
    matcher.interrupt()

    assert matcher.release() == []
    assert quantities_given(matcher.apply_quote(market.quote(2, 5))) == [(1, Decimal(5))]


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_deadline_without_a_quote_is_missing_market_data(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The orders wait a limited time, and a quote after the deadline does not count."""
    matcher = SymbolMatcher(LTCBTC)
    rest(matcher, market.order(5, time_in_force=kind), 100)

    (end,) = closings_of(matcher.expire(101))

    assert (end.reason, end.arrival, end.quotes_seen) == (Reason.NO_MARKET_DATA, None, 0)
    assert matcher.apply_quote(market.quote(1, 5)) == []


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_order_whose_time_was_up_before_the_current_quote_is_not_decided_by_it(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The order ends at once, unfilled."""
    matcher = SymbolMatcher(LTCBTC)
    matcher.rest(market.order(number=9, limit_price=1), deadline_ns=FAR_NS)
    matcher.apply_quote(replace(market.quote(1, 5), received_ns=101))

    late = rest(matcher, market.order(5, number=1, time_in_force=kind), 100)

    assert outcomes(late) == [(1, Reason.NO_MARKET_DATA)]
    assert matcher.resting_total == 1


@both_sides
def test_owners_do_not_compete_for_a_fok(market: MirroredMarket) -> None:
    """One owner's fills do not reduce the quantity available to another."""
    alice, bob = Owner("alice"), Owner("bob")
    matcher = live_matcher(market, 5)
    rest(matcher, market.order(5, number=1, owner=alice, time_in_force=FOK))

    steps = rest(matcher, market.order(5, number=2, owner=bob, time_in_force=FOK))

    assert outcomes(steps) == [(2, Decimal(5))]


@both_sides
def test_decided_orders_leave_nothing_behind(market: MirroredMarket) -> None:
    """The matcher forgets every ended order, even if no quote follows."""
    matcher = SymbolMatcher(LTCBTC)
    for number in range(1, 500):
        kind = (GTD, IOC, FOK)[number % 3]
        rest(matcher, market.order(number=number, time_in_force=kind), number)
        matcher.expire(number + 1)
    for number in range(500, 1_000):
        kind = (GTD, IOC, FOK)[number % 3]
        order = market.order(number=number, time_in_force=kind)
        rest(matcher, order)
        matcher.cancel(order.order_id)
    without_quotes = len(matcher._undecided)
    matcher.apply_quote(market.quote(1, 1))
    for number in range(1_000, 1_500):
        rest(matcher, market.order(2, number=number, time_in_force=(IOC, FOK)[number % 2]))

    assert without_quotes == 0
    assert matcher.resting_total == 0
    assert not matcher._undecided
    assert not matcher._resting_by_id


@both_sides
def test_resting_orders_wait_for_their_arrival_only_until_they_met_a_quote(
    market: MirroredMarket,
) -> None:
    """One quote sets the arrival of all waiting orders, and later quotes do not change it."""
    matcher = SymbolMatcher(LTCBTC)
    for number in range(1, 100):
        rest(matcher, market.order(number=number, limit_price=90))
    were_awaited = bool(matcher._first_quotes.awaited)

    matcher.apply_quote(market.quote(1, 5))
    arrivals = {resting.arrival for resting in matcher._resting_by_id.values()}
    matcher.apply_quote(market.quote(2, 5))

    assert (were_awaited, bool(matcher._first_quotes.awaited)) == (True, False)
    assert arrivals == {Arrival(update_id=1, price=market.price("99.99"))}
    assert {resting.arrival for resting in matcher._resting_by_id.values()} == arrivals
    assert not matcher._undecided


def decisions(steps: list[Step]) -> list[tuple[int, str, str, str]]:
    """Return of each end the order, and price, displayed and taken quantity of its decision."""
    ends = [(end, end.decision) for end in closings_of(steps)]
    return [
        (
            end.order.acceptance_number,
            f"{decision.price:f}",
            f"{decision.displayed_quantity:f}",
            f"{decision.taken_quantity:f}",
        )
        for end, decision in ends
        if decision is not None
    ]


@both_sides
@pytest.mark.parametrize(
    ("kind", "quantity", "taken"),
    [(FOK, 6, "3"), (FOK, 9, "3"), (IOC, 6, "3"), (IOC, 9, "3")],
)
def test_end_has_the_quantity_taken_before_its_turn(
    market: MirroredMarket, kind: TimeInForce, quantity: int, taken: str
) -> None:
    """Only the orders before it count, neither the later orders nor its own fills."""
    matcher = SymbolMatcher(LTCBTC)
    rest(matcher, market.order(3, number=1))
    rest(matcher, market.order(quantity, number=2, time_in_force=kind))
    rest(matcher, market.order(9, number=3))

    steps = matcher.apply_quote(market.quote(1, 8))

    assert decisions(steps) == [(2, f"{market.price('99.99'):f}", "8", taken)]


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
@pytest.mark.parametrize(
    ("price", "displayed", "taken"),
    [("100.01", 5, "2"), ("99.99", 2, "2"), ("99.98", 5, "0")],
    ids=["beyond the limit", "all taken", "another level"],
)
def test_end_shows_why_the_quote_filled_nothing(
    market: MirroredMarket, kind: TimeInForce, price: str, displayed: int, taken: str
) -> None:
    """The limit did not reach the price, or the displayed quantity decisions been taken."""
    matcher = live_matcher(market, 9, price)
    if taken != "0":
        rest(matcher, market.order(2, number=1, limit_price=101))
    matcher.apply_quote(market.quote(2, displayed, price))

    steps = rest(matcher, market.order(8, number=2, time_in_force=kind))

    assert decisions(steps) == [(2, f"{market.price(price):f}", str(displayed), taken)]


@both_sides
@pytest.mark.parametrize("kind", [IOC, FOK])
def test_end_at_an_empty_side_shows_no_displayed_quantity(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The empty side also forgets the quantity taken at the last touch."""
    matcher = live_matcher(market, 5)
    rest(matcher, market.order(5, number=1))
    matcher.apply_quote(market.emptied(2))

    assert decisions(rest(matcher, market.order(5, number=2, time_in_force=kind))) == [
        (2, "0", "0", "0")
    ]


@both_sides
def test_held_order_has_the_quote_that_decided_it(market: MirroredMarket) -> None:
    """This is not the first quote that it met, which would have filled it."""
    matcher = live_matcher(market, 9)
    matcher.hold()
    rest(matcher, market.order(5, number=1, time_in_force=FOK))
    matcher.apply_quote(market.quote(2, 4, "99.49"))

    steps = matcher.release()

    (end,) = closings_of(steps)
    assert decisions(steps) == [(1, f"{market.price('99.49'):f}", "4", "0")]
    assert end.arrival == Arrival(update_id=1, price=market.price("99.99"))
    assert end.departure_update_id == 2


@both_sides
@pytest.mark.parametrize("kind", [GTD, IOC, FOK])
def test_order_that_ends_otherwise_has_no_decision(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """A canceled or expired order was decided by no quote."""
    matcher = live_matcher(market, 9)
    matcher.hold()
    canceled, late = (market.order(5, number=number, time_in_force=kind) for number in (1, 2))
    rest(matcher, canceled)
    rest(matcher, late, 100)

    ends = [matcher.cancel(canceled.order_id), *closings_of(matcher.expire(101))]

    assert [end is not None and end.decision for end in ends] == [None, None]
