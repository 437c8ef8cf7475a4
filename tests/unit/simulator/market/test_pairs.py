"""Tests of ``app.simulator.market.pairs``."""

from decimal import Decimal

import pytest

from app.domain.rules import order_problems
from app.simulator.market.pairs import PAIRS, Pair


def test_the_market_lists_what_the_documentation_names() -> None:
    """It has the documented pair, two majors, a thin and a halted pair, and sixty in total."""
    symbols = [pair.symbol for pair in PAIRS]

    assert {"LTCBTC", "BTCUSDT", "ETHUSDT", "QTUMETH", "BCCBTC"} <= set(symbols)
    assert len(symbols) == len(set(symbols)) >= 60
    assert [pair.symbol for pair in PAIRS if pair.dynamics is None] == ["BCCBTC"]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.symbol)
def test_a_pair_stays_on_its_grid(pair: Pair) -> None:
    """The first price and the median quantity are on the grid of the pair."""
    assert pair.price % pair.tick_size == 0
    assert pair.quantity % pair.step_size == 0
    assert pair.price / pair.tick_size >= 100, "a tick of over 1 % is no believable market"


def test_the_documented_order_keeps_to_the_rules() -> None:
    """The rules accept a SELL of 1,000 LTC at 0.0001."""
    rules = next(pair.rules for pair in PAIRS if pair.symbol == "LTCBTC")

    assert order_problems(rules, quantity=Decimal(1000), limit_price=Decimal("0.0001")) == []
