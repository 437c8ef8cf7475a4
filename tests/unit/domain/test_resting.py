"""Tests of ``app.domain.resting``."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.amounts import ZERO
from app.domain.order import Side
from app.domain.resting import _STALE_KEYS_MAX, RestingHeap, RestingOrder, deadline_key_of, rank_of
from tests.support.builders import Amount, make_order

EARLY, LATE = 1, 2**63 - 1


def make_resting(number: int, *, deadline_ns: int = 0) -> RestingOrder:
    """Make a resting order."""
    order = make_order(number=number)
    return RestingOrder(
        order=order,
        rank=rank_of(order),
        deadline_key=deadline_key_of(order, deadline_ns),
        filled_quantity=ZERO,
        quote_quantity=ZERO,
        splits_total=0,
        quotes_base=0,
        first_quote=None,
        may_have_met_quotes=False,
    )


@pytest.mark.parametrize(
    ("side", "limit_prices"),
    [
        (Side.BUY, ["100", "99.999999999999", "99.99", "0.000000000001"]),
        (Side.SELL, ["0.000000000001", "99.99", "99.999999999999", "9999999999999999"]),
    ],
)
def test_better_limit_price_ranks_first_then_earlier_acceptance(
    side: Side, limit_prices: Sequence[Amount]
) -> None:
    """The last digit of an amount decides before the acceptance number does."""
    ranks = [
        rank_of(make_order(number=number, limit_price=limit_price, side=side))
        for limit_price in limit_prices
        for number in (EARLY, LATE)
    ]

    assert ranks == sorted(set(ranks))


def test_equal_limit_prices_rank_alike() -> None:
    """Trailing zeros do not change the rank."""
    ranks = {rank_of(make_order(limit_price=text)) for text in ("100", "100.0", "100.000000000000")}

    assert len(ranks) == 1


def test_a_limit_price_is_ranked_exactly_or_not_at_all() -> None:
    """A price with too many digits is a mistake of ours, and its rank is never rounded."""
    with pytest.raises(AssertionError):
        rank_of(make_order(limit_price=Decimal("1E-13")))


def test_earlier_deadline_comes_first_then_earlier_acceptance() -> None:
    """The key contains the deadline."""
    keys = [
        deadline_key_of(make_order(number=number), deadline_ns)
        for deadline_ns in (-5, 0, 10**18)
        for number in (EARLY, LATE)
    ]

    assert keys == sorted(set(keys))
    assert make_resting(3, deadline_ns=-5).deadline_ns == -5
    assert make_resting(LATE, deadline_ns=10**18).deadline_ns == 10**18


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=400))
def test_first_is_always_the_open_one_with_the_smallest_key(acts: list[tuple[bool, int]]) -> None:
    """The heap agrees with a plain dictionary, and never exceeds its bound."""
    heap = RestingHeap()
    plain: dict[int, RestingOrder] = {}
    for is_taken_out, key in acts:
        if key in plain:
            heap.remove(key)
            del plain[key]
        elif is_taken_out and plain:
            heap.remove(min(plain))
            del plain[min(plain)]
        else:
            plain[key] = make_resting(key)
            heap.add(key, plain[key])

        assert heap.first is (plain[min(plain)] if plain else None)
        assert len(heap) == len(plain)
        assert len(heap._keys) <= max(2 * len(plain), len(plain) + _STALE_KEYS_MAX)
    assert heap.all_open() == list(plain.values())


def test_many_removed_orders_are_not_popped_one_by_one() -> None:
    """The heap is rebuilt when the first order leaves, which takes a bounded time."""
    heap = RestingHeap()
    for key in range(10_000):
        heap.add(key, make_resting(key))
    for key in range(1, 4_000):
        heap.remove(key)
    stale_before = len(heap._keys) - len(heap)

    heap.remove(0)

    assert stale_before == 3_999
    assert len(heap._keys) == len(heap) == 6_000
    assert heap.first is not None
    assert heap.first.order.acceptance_number == 4_000
