"""The matcher's memory: over a restart, in the changes that it returns, and within bounds."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from app.domain.liquidity import LEVELS_MAX, TakenLevel
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Order, Owner, Side, TimeInForce
from app.domain.resting import _STALE_KEYS_MAX
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


def test_carried_over_fills_continue_their_count(market: MirroredMarket) -> None:
    """Numbers and sums continue from the earlier process."""
    matcher = matcher_after()
    matcher.rest(
        market.order(20),
        deadline_ns=FAR_NS,
        filled_quantity=Decimal(16),
        quote_quantity=Decimal("1599.84"),
        splits_total=3,
    )

    (fill,) = fills_of(matcher.apply_quote(market.quote(1, 5)))

    assert (fill.split_number, fill.quantity, fill.filled_quantity) == (4, Decimal(4), Decimal(20))
    assert fill.quote_quantity == Decimal("1599.84") + 4 * market.price("99.99")


def test_restart_from_ledger_and_gate_sells_nothing_again(market: MirroredMarket) -> None:
    """Stored levels stay taken, touch or hidden, and old frames stay refused."""
    before = matcher_after(
        market.order(40), market.quote(1, 5, "99.99"), market.quote(2, 3, "99.49")
    )

    after = SymbolMatcher(LTCBTC, gate=before.gate, levels=before.ledger_levels())
    after.rest(market.order(40), deadline_ns=FAR_NS, filled_quantity=Decimal(8), splits_total=2)
    totals = [
        quantities_given(after.apply_quote(market.quote(2, 3, "99.49"))),
        quantities_given(after.apply_seed(market.quote(2, 3, "99.49"))),
        quantities_given(after.apply_quote(market.quote(3, 6, "99.99"))),
    ]

    assert totals == [[], [], [(1, 1)]]


def test_restart_into_an_empty_side_forgets_the_stored_levels(market: MirroredMarket) -> None:
    """The first quote counts, even if it displays nothing."""
    stored = [market.level("99.99", 5)]
    matcher = matcher_after(market.order(20), market.emptied(8), gate=7, levels=stored)

    assert matcher.ledger_levels() == []
    assert quantities_given(matcher.apply_quote(market.quote(9, 5))) == [(1, 5)]


def test_restart_gives_each_owner_its_own_levels() -> None:
    """Owner and side identify a ledger."""
    levels = [
        TakenLevel(owner=Owner(owner), side=side, price=Decimal(price), quantity=Decimal(3))
        for owner, side, price in (
            ("alice", Side.BUY, "100.5"),
            ("alice", Side.SELL, "99.5"),
            ("bob", Side.BUY, "100.5"),
        )
    ]

    matcher = SymbolMatcher(LTCBTC, levels=iter(levels))

    assert matcher.ledger_levels() == levels
    assert matcher.drain_ledger_changes() == []


def test_drained_changes_add_up_to_the_ledger(market: MirroredMarket) -> None:
    """Stored levels plus all changes equal the matcher's memory."""
    matcher = matcher_after(market.order(1000))
    stored: dict[Decimal, Decimal] = {}
    touches = [(5, "99.99"), (3, "99.49"), (4, "99.99"), (9, "100.00"), (7, "99.95"), (1, "100.00")]

    for update_id, (quantity, price) in enumerate(touches, 1):
        matcher.apply_quote(market.quote(update_id, quantity, price))
        for level in matcher.drain_ledger_changes():
            assert (level.owner, level.side) == (PUBLIC, market.side)
            stored[level.price] = level.quantity

        remembered = {level.price: level.quantity for level in matcher.ledger_levels()}
        assert {price: quantity for price, quantity in stored.items() if quantity} == remembered


@pytest.mark.parametrize(
    ("touch", "limit_price", "deadline_ns", "end"),
    [
        ("102", 101, FAR_NS, lambda matcher, order: matcher.expire(order.acceptance_number + 1)),
        ("102", 101, 0, lambda matcher, order: matcher.cancel(order.order_id)),
        ("99.99", 90, 0, lambda _matcher, _order: None),
    ],
    ids=["expired", "canceled", "filled at once"],
)
def test_ended_orders_do_not_pile_up_behind_a_lasting_one(
    market: MirroredMarket,
    touch: str,
    limit_price: int,
    deadline_ns: int,
    end: Callable[[SymbolMatcher, Order], object],
) -> None:
    """Keys of ended orders are dropped once there are too many, wherever the lasting one stands."""
    matcher = matcher_after(market.quote(1, 100_000, touch))
    matcher.rest(market.order(number=1, limit_price=limit_price), deadline_ns=deadline_ns)

    for number in range(2, 5_000):
        order = market.order(number=number)
        matcher.rest(order, deadline_ns=number)
        end(matcher, order)

    assert matcher.resting_total == 1
    for heap in (matcher._deadlines, matcher._book_of(PUBLIC, market.side).resting):
        assert len(heap) == 1
        assert len(heap._keys) <= 2 * _STALE_KEYS_MAX


def test_many_orders_closed_by_one_quote_are_counted_once(market: MirroredMarket) -> None:
    """No heap keeps more keys of ended orders than its bound."""
    matcher = matcher_after()
    for number in range(1, 1_001):
        limit_price = 100 if number <= 900 else 90
        matcher.rest(market.order(1, number=number, limit_price=limit_price), deadline_ns=number)

    fills = matcher.apply_quote(market.quote(1, 100_000))

    assert len(fills) == 900
    for heap in (matcher._deadlines, matcher._book_of(PUBLIC, market.side).resting):
        assert len(heap) == 100
        assert len(heap._keys) <= 100 + _STALE_KEYS_MAX


def test_levels_beyond_the_bound_are_dropped_and_counted(market: MirroredMarket) -> None:
    """The count includes all owners and sides."""
    levels = [market.level(100 + Decimal(step) / 100, 1) for step in range(1, LEVELS_MAX + 1)]
    matcher = matcher_after(market.order(5), levels=levels)
    before = matcher.levels_dropped

    matcher.apply_quote(market.quote(1, 5))

    assert (before, matcher.levels_dropped) == (0, 1)


def test_an_owner_without_orders_and_levels_is_forgotten() -> None:
    """Quotes cost nothing for such an owner."""
    orders = [make_order(1, number=one, owner=Owner(f"owner-{one}")) for one in range(1, 50)]
    matcher = matcher_after(*orders, make_quote(1), SymbolMatcher.drain_ledger_changes)
    assert len(matcher._books) == 49

    matcher.apply_quote(make_quote(2, ask=("101", 5)))
    matcher.drain_ledger_changes()

    assert len(matcher._books) == 0
    assert matcher.levels_dropped == 0


def test_an_owner_with_orders_or_levels_is_kept() -> None:
    """Draining the changes removes neither resting orders nor remembered levels."""
    waits, took = Owner("waits"), Owner("took")
    waiting, filled = make_order(1, owner=waits, limit_price=1), make_order(1, number=2, owner=took)
    matcher = matcher_after(waiting, filled, make_quote(1))

    matcher.drain_ledger_changes()

    assert set(matcher._books) == {(waits, Side.BUY), (took, Side.BUY)}
    assert [level.owner for level in matcher.ledger_levels()] == [took]


def test_a_killed_order_is_counted_as_closed_when_the_heap_is_rebuilt() -> None:
    """The end of a FOK order may make the closed orders the larger half."""
    matcher = matcher_after()
    for number in range(1, 2 * _STALE_KEYS_MAX + 1):
        kind = TimeInForce.FOK if number == 1 else TimeInForce.GTD
        order = make_order(5, number=number, time_in_force=kind)
        matcher.rest(order, deadline_ns=FAR_NS)
        if number > _STALE_KEYS_MAX:
            matcher.cancel(order.order_id)

    matcher.apply_quote(make_quote(1, ask=("99.99", 1)))
    matcher.cancel_all(PUBLIC)
    matcher.apply_quote(make_quote(2, ask=("101", 1)))
    matcher.drain_ledger_changes()

    assert matcher.resting_total == 0
    assert len(matcher._books) == 0


def test_only_open_orders_take_memory(market: MirroredMarket) -> None:
    """Thousands were filled, canceled and expired, and a hundred stay open."""
    matcher = matcher_after(market.quote(1, 1_000_000))
    for number in range(1, 101):
        matcher.rest(market.order(number=number, limit_price=50), deadline_ns=FAR_NS)
    for number in range(101, 20_101):
        limit_price = (100, 60, 60)[number % 3]
        order = market.order(number=number, limit_price=limit_price)
        matcher.rest(order, deadline_ns=number + 50)
        if number % 3 == 1:
            matcher.cancel(order.order_id)
        matcher.expire(number)
        matcher.drain_ledger_changes()
    matcher.expire(FAR_NS)

    heaps = (matcher._deadlines, matcher._book_of(PUBLIC, market.side).resting)
    assert matcher.resting_total == len(matcher._resting_by_id) == 100
    assert [len(heap) for heap in heaps] == [100, 100]
    assert all(len(heap._keys) <= 100 + _STALE_KEYS_MAX for heap in heaps)
    assert len(matcher._books) == 1
    assert not matcher._undecided
