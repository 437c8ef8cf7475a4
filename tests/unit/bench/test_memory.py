"""The goals of the benchmark of memory, and the assertions of its loads."""

import asyncio

import pytest

from bench.memory import BYTES_LEFT_MAX, BYTES_MAX, GROWTH_MAX, bytes_result, grown, left_result
from bench.memory_loads import passing_orders


@pytest.mark.parametrize(
    ("allocated", "resident", "holds"),
    [
        (BYTES_MAX, BYTES_MAX, True),
        (BYTES_MAX + 1, BYTES_MAX, False),
        (BYTES_MAX, BYTES_MAX + 1, False),
    ],
)
def test_an_order_has_to_be_small_by_both_ways_of_counting(
    allocated: float, resident: float, *, holds: bool
) -> None:
    """Neither the allocated nor the resident bytes may be above the goal."""
    result = bytes_result(
        {"bytes_per_order": allocated},
        {"bytes_per_order": resident},
        {"bytes_per_order": 2 * allocated},
    )

    assert result.holds is holds
    assert result.ratio == 2


def test_the_memory_left_has_to_be_less_than_the_open_orders_take() -> None:
    """As much memory as the orders that stayed is a leak."""
    assert left_result({"bytes_left": BYTES_LEFT_MAX - 1}).holds
    assert not left_result({"bytes_left": BYTES_LEFT_MAX}).holds


def test_a_cost_may_grow_up_to_its_bound() -> None:
    """The bound is about the ratio of many to few."""
    assert grown("a quote", few=1, many=GROWTH_MAX).holds
    assert not grown("a quote", few=1, many=GROWTH_MAX + 0.01).holds


def test_orders_that_pass_rest_before_they_end() -> None:
    """The load asserts it of each order; otherwise their memory could not be seen at all."""
    found = asyncio.run(passing_orders(2_000))

    assert set(found) == {"bytes_left"}
