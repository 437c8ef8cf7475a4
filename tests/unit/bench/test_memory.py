"""What the benchmark of memory makes of its figures, and that its loads are what they say."""

import asyncio

import pytest

from bench.memory import BYTES_LEFT_MAX, BYTES_MAX, FLAT_MAX, bytes_result, grown, left_result
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
    """Neither what the allocators say nor what is resident may be above the goal."""
    result = bytes_result(
        {"bytes_per_order": allocated},
        {"bytes_per_order": resident},
        {"bytes_per_order": 2 * allocated},
    )

    assert result.holds is holds
    assert result.ratio == 2


def test_what_is_left_has_to_be_less_than_the_open_orders_take() -> None:
    """As much as the orders that stayed is a leak."""
    assert left_result({"bytes_left": BYTES_LEFT_MAX - 1}).holds
    assert not left_result({"bytes_left": BYTES_LEFT_MAX}).holds


def test_a_cost_is_flat_up_to_its_bound() -> None:
    """The ratio is of many to few."""
    assert grown("a quote", few=1, many=FLAT_MAX).holds
    assert not grown("a quote", few=1, many=FLAT_MAX + 0.01).holds


def test_orders_that_pass_rest_before_they_end() -> None:
    """The load asserts it of each, so that what is left of them can be seen at all."""
    found = asyncio.run(passing_orders(2_000))

    assert set(found) == {"bytes_left", "seconds_per_order"}
