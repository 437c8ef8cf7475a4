"""IOC and FOK orders: their first quote fills and decides them.

Every test written for asks also runs mirrored for bids.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, Decision, Order, OrderStatus, Owner, Reason, TimeInForce
from app.domain.resting import Closing, Fill, Step
from tests.support.builders import FAR_NS, MirroredMarket, closings_of, quantities_given
from tests.unit.domain.conftest import matcher_after

GTD, IOC, FOK = TimeInForce.GTD, TimeInForce.IOC, TimeInForce.FOK
REASONS = {IOC: Reason.IOC_REMAINDER, FOK: Reason.FOK_UNFILLABLE}


@pytest.fixture(params=[IOC, FOK])
def kind(request: pytest.FixtureRequest) -> TimeInForce:
    """Run the test for both kinds."""
    kind: TimeInForce = request.param
    return kind


def rest(matcher: SymbolMatcher, order: Order, deadline_ns: int = FAR_NS) -> list[Step]:
    """Rest an order."""
    return matcher.rest(order, deadline_ns=deadline_ns)


def outcomes(steps: list[Step]) -> list[tuple[int, Decimal | Reason | int]]:
    """Return of each step the order, and the quantity or the reason of the end."""
    return [
        (step.order.acceptance_number, step.quantity if isinstance(step, Fill) else step.reason)
        for step in steps
    ]


def decision(price: Decimal, displayed: int, taken: int) -> Decision:
    """Make the decision that an end reports."""
    return Decision(
        price=price, displayed_quantity=Decimal(displayed), taken_quantity=Decimal(taken)
    )


def test_ioc_takes_the_available_quantity_and_ends(market: MirroredMarket) -> None:
    """Its fills stay on record with the quote that decided it, and nothing rests."""
    matcher = matcher_after(market.quote(1, 5))
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
        decision=decision(market.price("99.99"), 5, 0),
    )
    assert matcher.resting_total == 0
    assert matcher.next_deadline_ns() is None
    assert matcher.apply_quote(market.quote(2, 9)) == []


def test_order_that_can_be_filled_at_once_is_filled(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """An order whose whole quantity is displayed fills, and no end follows."""
    matcher = matcher_after(market.quote(1, 5))

    (fill,) = rest(matcher, market.order(5, time_in_force=kind))

    assert isinstance(fill, Fill)
    assert fill.closes
    assert (matcher.resting_total, matcher.next_deadline_ns()) == (0, None)
    assert matcher.expire(FAR_NS + 1) == []


def test_fok_that_cannot_have_all_gets_nothing_and_takes_nothing(market: MirroredMarket) -> None:
    """The whole displayed quantity is left to the next order."""
    matcher = matcher_after(market.quote(1, 5))

    steps = rest(matcher, market.order(6, number=1, time_in_force=FOK))

    assert outcomes(steps) == [(1, Reason.FOK_UNFILLABLE)]
    assert closings_of(steps)[0].filled_quantity == 0
    assert matcher.ledger_levels() == []
    assert quantities_given(rest(matcher, market.order(9, number=2))) == [(2, 5)]


@pytest.mark.parametrize(
    ("taken", "displayed", "price"),
    [(2, 5, "100.01"), (2, 2, "99.99"), (0, 5, "99.98"), (2, 0, "0")],
    ids=["beyond the limit", "all taken", "another level", "empty side"],
)
def test_quote_that_cannot_fill_an_order_ends_it(
    market: MirroredMarket, kind: TimeInForce, taken: int, displayed: int, price: str
) -> None:
    """The order waits for no better quote, and its end shows why the quote did not fill it."""
    before = market.quote(1, 9, price if displayed else "99.99")
    quote = market.quote(2, displayed, price) if displayed else market.emptied(2)
    earlier = [market.order(taken, number=1, limit_price=101)] if taken else []
    matcher = matcher_after(before, *earlier, quote)

    *_, end = closings_of(rest(matcher, market.order(8, number=2, time_in_force=kind)))

    shown = market.price(price) if displayed else Decimal(0)
    assert (end.reason, end.arrival) == (REASONS[kind], Arrival(update_id=2, price=shown))
    assert end.decision == decision(shown, displayed, taken if displayed else 0)
    assert matcher.apply_quote(market.quote(3, 50)) == []


@pytest.mark.parametrize("quantity", [6, 9])
def test_end_has_the_quantity_taken_before_its_turn(
    market: MirroredMarket, kind: TimeInForce, quantity: int
) -> None:
    """Only the orders before it count, neither the later orders nor its own fills."""
    matcher = matcher_after(
        market.order(3, number=1),
        market.order(quantity, number=2, time_in_force=kind),
        market.order(9, number=3),
    )

    (end,) = closings_of(matcher.apply_quote(market.quote(1, 8)))

    assert (end.order.acceptance_number, end.reason) == (2, REASONS[kind])
    assert end.decision == decision(market.price("99.99"), 8, 3)


def test_without_a_current_quote_the_first_one_decides(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The orders wait for the first quote, and for no other."""
    matcher = matcher_after()

    waiting = rest(matcher, market.order(8, time_in_force=kind))
    decided = matcher.apply_quote(market.quote(1, 5))

    assert waiting == []
    first = [] if kind is FOK else [(1, 5)]
    assert outcomes(decided) == [*first, (1, REASONS[kind])]
    assert matcher.apply_quote(market.quote(2, 8)) == []
    assert matcher.resting_total == 0


def test_one_quote_serves_every_kind_by_priority(market: MirroredMarket) -> None:
    """Better limit, then acceptance. An order that cannot get its whole quantity is skipped."""
    matcher = matcher_after(
        market.order(3, number=1, time_in_force=GTD),
        market.order(9, number=2, time_in_force=FOK),
        market.order(4, number=3, time_in_force=IOC),
        market.order(2, number=4, time_in_force=FOK, limit_price=101),
        market.order(2, number=5, time_in_force=FOK),
        market.order(2, number=6, time_in_force=IOC, limit_price="99.50"),
    )

    steps = matcher.apply_quote(market.quote(1, 10))

    assert outcomes(steps) == [
        (4, 2),
        (1, 3),
        (2, Reason.FOK_UNFILLABLE),
        (3, 4),
        (5, Reason.FOK_UNFILLABLE),
        (6, Reason.IOC_REMAINDER),
    ]
    assert matcher.resting_total == 0


def test_fok_counts_the_quantity_left_in_its_turn(market: MirroredMarket) -> None:
    """The display suffices, but not after the order before it; the next order rests."""
    matcher = matcher_after(market.quote(1, 8), market.order(5, number=1))

    steps = rest(matcher, market.order(4, number=2, time_in_force=FOK))
    exactly = rest(matcher, market.order(3, number=3, time_in_force=FOK))

    assert outcomes(steps) == [(2, Reason.FOK_UNFILLABLE)]
    assert outcomes(exactly) == [(3, 3)]


def test_held_matcher_decides_at_the_release_by_the_current_quote(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """A hold stops fills and decisions. The first quote, which would have filled all, is gone."""
    matcher = matcher_after(market.quote(1, 19), SymbolMatcher.hold)

    held = [
        rest(matcher, market.order(5, number=1, time_in_force=kind)),
        matcher.apply_quote(market.quote(2, 5, "99.49")),
        rest(matcher, market.order(5, number=2, time_in_force=kind)),
    ]
    released = matcher.release()

    assert held == [[], [], []]
    assert outcomes(released) == [(1, 5), (2, REASONS[kind])]
    assert released[0].arrival == Arrival(update_id=1, price=market.price("99.99"))
    (end,) = closings_of(released)
    assert end.arrival == Arrival(update_id=2, price=market.price("99.49"))
    assert (end.departure_update_id, end.decision) == (2, decision(end.arrival.price, 5, 5))
    assert matcher.resting_total == 0


def test_order_that_no_quote_decides_in_time_lacks_market_data(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The order waits a limited time. A quote received after its deadline does not count."""
    waiting, late = (market.order(5, number=number, time_in_force=kind) for number in (1, 2))
    matcher = matcher_after(market.order(number=9, limit_price=1))
    rest(matcher, waiting, 100)

    expired = matcher.expire(101)
    matcher.apply_quote(replace(market.quote(1, 5), received_ns=101))
    too_late = rest(matcher, late, 100)

    ends = closings_of([*expired, *too_late])
    assert [end.order for end in ends] == [waiting, late]
    assert {end.reason for end in ends} == {Reason.NO_MARKET_DATA}
    assert {(end.arrival, end.quotes_seen) for end in ends} == {(None, 0)}
    assert matcher.resting_total == 1


def test_order_of_an_interruption_is_decided_by_the_seed_that_confirms_the_last_quote(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """The repeated touch is the first touch that these orders meet."""
    matcher = matcher_after(market.quote(1, 5), SymbolMatcher.interrupt)
    assert rest(matcher, market.order(4, number=1, time_in_force=kind)) == []
    assert rest(matcher, market.order(1, number=2, time_in_force=kind)) == []
    assert rest(matcher, market.order(1, number=3, time_in_force=kind)) == []

    steps = matcher.apply_seed(market.quote(1, 5))

    assert outcomes(steps or []) == [(1, 4), (2, 1), (3, REASONS[kind])]


def test_owners_do_not_compete_for_a_fok(market: MirroredMarket) -> None:
    """One owner's fills do not reduce the quantity available to another."""
    alice, bob = Owner("alice"), Owner("bob")
    matcher = matcher_after(
        market.quote(1, 5), market.order(5, number=1, owner=alice, time_in_force=FOK)
    )

    steps = rest(matcher, market.order(5, number=2, owner=bob, time_in_force=FOK))

    assert outcomes(steps) == [(2, 5)]


def test_decided_orders_leave_nothing_behind(market: MirroredMarket) -> None:
    """The matcher forgets every ended order, even if no quote follows."""
    matcher = matcher_after()
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


def test_order_that_ends_otherwise_has_no_decision(
    market: MirroredMarket, kind: TimeInForce
) -> None:
    """A canceled or expired order was decided by no quote."""
    matcher = matcher_after(market.quote(1, 9), SymbolMatcher.hold)
    canceled, late = (market.order(5, number=number, time_in_force=kind) for number in (1, 2))
    rest(matcher, canceled)
    rest(matcher, late, 100)

    ends = [matcher.cancel(canceled.order_id), *closings_of(matcher.expire(101))]

    assert [end is not None and end.decision for end in ends] == [None, None]
