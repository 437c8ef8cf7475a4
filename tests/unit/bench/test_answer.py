"""The arithmetic of the benchmark of answers."""

import pytest

from bench.answer import quantile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_quantile_is_the_least_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    """No value is made up between two that were measured."""
    assert quantile([float(number) for number in range(100, 0, -1)], share) == expected


def test_quantile_of_one_value_is_that_value() -> None:
    """A single measurement is its own p99."""
    assert quantile([3.0], 0.99) == 3.0
