"""Tests of ``app.simulator.market.book_side``."""

import pytest

from app.simulator.market.book_side import LEVELS_MAX, BookSide

BID = -1
ASK = 1


def best(side: BookSide) -> tuple[int, int]:
    """Return price and quantity of the best level."""
    return side.price, side.quantity


@pytest.mark.parametrize("outward", [BID, ASK])
def test_a_covered_level_returns_with_its_quantity(outward: int) -> None:
    """It stayed behind the better level."""
    side = BookSide(outward, 100, 7)
    side.cover(100 - 3 * outward, 2, stays=True)

    assert best(side) == (100 - 3 * outward, 2)
    assert side.uncover(3)
    assert best(side) == (100, 7)


def test_a_withdrawn_level_does_not_return() -> None:
    """Its orders moved to the better price."""
    side = BookSide(ASK, 100, 7)
    side.cover(98, 2, stays=False)

    assert not side.uncover(1_000)
    assert best(side) == (98, 2)


def test_a_level_too_far_behind_is_not_uncovered() -> None:
    """A new, nearer level comes first, and the covered level stays behind it."""
    side = BookSide(BID, 100, 7)
    side.cover(104, 2, stays=True)

    assert not side.uncover(3)
    side.recede(102, 5)
    assert best(side) == (102, 5)
    assert side.uncover(2)
    assert best(side) == (100, 7)


def test_levels_return_from_the_nearest_to_the_farthest() -> None:
    """The level that was covered last is the nearest to the best level."""
    side = BookSide(ASK, 100, 1)
    for price in (98, 95, 94):
        side.cover(price, price, stays=True)

    prices = [side.price for _ in range(3) if side.uncover(10)]
    assert prices == [95, 98, 100]


def test_only_so_many_levels_are_remembered() -> None:
    """The farthest level is dropped."""
    side = BookSide(ASK, 1_000, 1)
    for step in range(1, LEVELS_MAX + 3):
        side.cover(1_000 - step, 1, stays=True)
    while side.uncover(1_000):
        pass

    assert side.price == 998


@pytest.mark.parametrize(
    ("shown", "quantity", "changed"), [(5, 9, 9), (5, 5, 6), (10, 10, 9), (1, 1, 2)]
)
def test_a_change_of_quantity_always_changes_it(shown: int, quantity: int, changed: int) -> None:
    """An update never repeats a quote; the greatest quantity is 10 here."""
    side = BookSide(ASK, 100, shown)
    side.show(quantity, quantity_max=10)

    assert side.quantity == changed
    assert side.before == shown


def test_the_previous_quantity_belongs_to_one_level() -> None:
    """An undo never restores the quantity of another level."""
    side = BookSide(ASK, 100, 5)
    side.show(6, quantity_max=10)
    side.cover(99, 3, stays=True)
    assert side.before is None
    side.show(4, quantity_max=10)
    side.uncover(1)

    assert side.before is None


@pytest.mark.parametrize("outward", [BID, ASK])
def test_a_level_is_covered_by_a_better_and_lost_to_a_worse_one_only(outward: int) -> None:
    """Anything else is a bug of ours and fails an assertion."""
    side = BookSide(outward, 100, 5)

    with pytest.raises(AssertionError):
        side.cover(100 + outward, 1, stays=True)
    with pytest.raises(AssertionError):
        side.recede(100 - outward, 1)
