"""Tests of ``app.domain.liquidity``."""

from decimal import Decimal, localcontext

import pytest

from app.domain.liquidity import LEVELS_MAX, LiquidityLedger
from app.domain.order import PUBLIC, Side
from tests.support.builders import MirroredMarket


def _ledger(market: MirroredMarket, **taken: int) -> LiquidityLedger:
    """Make a ledger from keyword arguments such as ``at_101=5``."""
    levels = [market.level(name.removeprefix("at_"), quantity) for name, quantity in taken.items()]
    return LiquidityLedger(PUBLIC, market.side, levels)


def test_taken_quantity_is_not_available_again(market: MirroredMarket) -> None:
    """The sum of the taken quantities counts against the displayed quantity."""
    ledger = _ledger(market)
    assert ledger.available(market.price(100), Decimal(5)) == 5

    ledger.take(market.price(100), Decimal(2))
    ledger.take(market.price("100.00"), Decimal(1))

    assert ledger.available(market.price(100), Decimal(5)) == 2


def test_touch_forgets_better_levels_and_keeps_worse_ones(market: MirroredMarket) -> None:
    """A level that the touch has passed is empty, and a level behind the touch is only hidden."""
    ledger = _ledger(market, at_99=3, at_100=4, at_101=5)

    ledger.observe(market.price(100), Decimal(9))

    assert ledger.levels() == [market.level("101", 5), market.level("100", 4)]


def test_touch_caps_the_taken_quantity(market: MirroredMarket) -> None:
    """A smaller display reduces the taken quantity, and a larger one gives nothing back."""
    ledger = _ledger(market, at_100=5)

    ledger.observe(market.price(100), Decimal(4))
    ledger.observe(market.price(100), Decimal(9))

    assert ledger.levels() == [market.level("100", 4)]
    assert ledger.available(market.price(100), Decimal(9)) == 5


def test_empty_side_forgets_everything(market: MirroredMarket) -> None:
    """An empty side displays none of our taken quantity."""
    ledger = _ledger(market, at_99=3, at_101=5)

    ledger.observe(Decimal(0), Decimal(0))

    assert ledger.levels() == []
    assert {level.quantity for level in ledger.drain_changes()} == {0}


def test_changes_are_returned_once_and_forgetting_as_zero(market: MirroredMarket) -> None:
    """Taking, capping and forgetting are changes; an unchanged level is none."""
    ledger = _ledger(market, at_98=1, at_99=5, at_101=7)

    ledger.observe(market.price(99), Decimal(4))
    ledger.take(market.price(99), Decimal("0.5"))
    changes = {level.price: level.quantity for level in ledger.drain_changes()}

    assert changes == {market.price(98): 0, market.price(99): Decimal("4.5")}
    assert ledger.drain_changes() == []


def test_level_taken_again_is_returned_with_its_last_quantity(market: MirroredMarket) -> None:
    """Between two calls only the last quantity counts."""
    ledger = _ledger(market, at_99=5)

    ledger.observe(market.price(100), Decimal(1))
    ledger.observe(market.price(99), Decimal(8))
    ledger.take(market.price(99), Decimal(8))

    assert ledger.drain_changes() == [market.level("99", 8)]


def test_level_beyond_the_bound_drops_the_farthest_and_counts_it(market: MirroredMarket) -> None:
    """Memory is bounded, and the level least likely to return is dropped."""
    levels = [market.level(110 - Decimal(number) / 1_000, 1) for number in range(LEVELS_MAX + 1)]
    prices = [level.price for level in levels]
    ledger = LiquidityLedger(PUBLIC, market.side, levels[: LEVELS_MAX - 1])

    ledger.take(prices[-2], Decimal(1))
    dropped_at_the_bound = ledger.levels_dropped
    ledger.take(prices[-1], Decimal(1))

    assert (dropped_at_the_bound, ledger.levels_dropped) == (0, 1)
    assert [level.price for level in ledger.levels()] == prices[1:]
    assert {level.price: level.quantity for level in ledger.drain_changes()} == {
        prices[0]: 0,
        prices[-2]: 1,
        prices[-1]: 1,
    }


def test_levels_stay_in_order_wherever_they_are_taken(market: MirroredMarket) -> None:
    """The level farthest from the touch stands first, so that the right one is dropped."""
    ledger = _ledger(market)

    for price in (101, 99, 100, 98):
        ledger.take(market.price(price), Decimal(1))

    assert [level.price for level in ledger.levels()] == [
        market.price(price) for price in (101, 100, 99, 98)
    ]


def test_account_does_not_depend_on_the_context_of_the_thread() -> None:
    """Arithmetic names its context, so the context of the thread changes nothing."""
    ledger = _ledger(MirroredMarket(Side.BUY))
    price, quantity = Decimal(100), Decimal("1.00000001")

    with localcontext(prec=1):
        ledger.take(price, quantity)
        ledger.take(price, quantity)
        available = ledger.available(price, Decimal("5.00000005"))

    assert [level.quantity for level in ledger.levels()] == [Decimal("2.00000002")]
    assert available == Decimal("3.00000003")


def test_taking_nothing_is_our_own_mistake() -> None:
    """A fill is positive."""
    with pytest.raises(AssertionError, match="a fill is positive"):
        _ledger(MirroredMarket(Side.BUY)).take(Decimal(100), Decimal(0))


def test_reading_an_unobserved_touch_is_our_own_mistake() -> None:
    """Only an observed touch is capped, and only then the difference is available."""
    ledger = _ledger(MirroredMarket(Side.BUY), at_100=5)

    with pytest.raises(AssertionError, match="observes a touch before"):
        ledger.available(Decimal(100), Decimal(4))
