"""Tests of ``app.domain.rules``."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.errors import FieldProblem
from app.domain.order import Symbol
from app.domain.rules import TradingRules, order_problems

OPEN = TradingRules(symbol=Symbol("LTCBTC"), status="TRADING", base_asset="LTC", quote_asset="BTC")
"""Every part is off."""

RULES = replace(
    OPEN,
    price_min=Decimal("0.01"),
    price_max=Decimal(1_000),
    tick_size=Decimal("0.01"),
    quantity_min=Decimal("0.1"),
    quantity_max=Decimal(900),
    step_size=Decimal("0.1"),
    notional_min=Decimal(10),
    notional_max=Decimal(9_000),
)


NARROW = {"step_size": "1", "notional_min": "15", "notional_max": "18"}


def with_bounds(rules: TradingRules, bounds: dict[str, str]) -> TradingRules:
    """Return the rules with other bounds."""
    changes: dict[str, Any] = {name: Decimal(bound) for name, bound in bounds.items()}
    return replace(rules, **changes)


def problems(rules: TradingRules, *, price: str = "100", quantity: str = "1") -> list[FieldProblem]:
    """Check an order."""
    return order_problems(rules, quantity=Decimal(quantity), limit_price=Decimal(price))


def only_message(rules: TradingRules, *, price: str = "100", quantity: str = "1") -> str:
    """Check an order that has one problem, and return its message."""
    (problem,) = problems(rules, price=price, quantity=quantity)
    return problem.message


@pytest.mark.parametrize(
    ("price", "quantity"),
    [("100", "1"), ("0.01", "900"), ("1000", "9"), ("10.01", "1"), ("100", "0.1"), ("10", "900")],
)
def test_order_within_all_bounds_has_no_problem(price: str, quantity: str) -> None:
    """The bounds themselves are valid, including notionals of exactly 10 and 9,000."""
    rules = replace(RULES, notional_min=Decimal(9))

    assert problems(rules, price=price, quantity=quantity) == []


@pytest.mark.parametrize("value", ["0.000000000001", "9999999999999999.999999999999"])
def test_rules_that_are_all_off_allow_everything(value: str) -> None:
    """Zero switches a bound or step off, as in the venue's own lists."""
    assert problems(OPEN, price=value, quantity=value) == []


@pytest.mark.parametrize("status", ["BREAK", "HALT", "END_OF_DAY"])
def test_symbol_that_is_not_trading_is_the_only_problem(status: str) -> None:
    """No other price would help while the symbol is halted."""
    rules = replace(RULES, status=status)

    (problem,) = problems(rules, price="0.001", quantity="0.001")

    assert not rules.is_trading
    assert (problem.field, problem.code) == ("symbol", "symbol_not_trading")
    assert status in problem.message
    assert "LTCBTC" in problem.message


@pytest.mark.parametrize(
    ("order", "fault", "nearest"),
    [
        ({"price": "0.001"}, "is below the minimum 0.01", "0.01"),
        ({"price": "1000.01"}, "is above the maximum 1000", "1000"),
        ({"price": "100.004"}, "is not a multiple of 0.01", "100"),
        ({"price": "100.006"}, "is not a multiple of 0.01", "100.01"),
        ({"price": "100.005"}, "is not a multiple of 0.01", "100"),
        ({"price": "9999999999999999.999999999999"}, "is above the maximum 1000", "1000"),
        ({"quantity": "0.05"}, "is below the minimum 0.1", "0.1"),
        ({"quantity": "900.1"}, "is above the maximum 900", "900"),
        ({"quantity": "0.16"}, "is not a multiple of 0.1", "0.2"),
    ],
    ids=str,
)
def test_value_off_its_filter_is_named_with_fault_and_nearest(
    order: dict[str, str], fault: str, nearest: str
) -> None:
    """Of two equally near values the message names the smaller. Fields are the public JSON's."""
    ((name, value),) = order.items()
    field, code = ("price", "price_filter") if name == "price" else ("order_size", "lot_size")
    message = f"{code.upper()}: {value} {fault}; the nearest valid value is {nearest}"

    assert problems(RULES, **order) == [FieldProblem(field=field, code=code, message=message)]


@pytest.mark.parametrize(
    ("bounds", "price", "nearest"),
    [
        ({"price_min": "5"}, "4", "5"),
        ({"price_max": "5"}, "6", "5"),
        ({"tick_size": "5"}, "6", "5"),
        ({"tick_size": "5"}, "2", "5"),
        ({"price_min": "0.25", "price_max": "2", "tick_size": "0.3"}, "0.1", "0.3"),
        ({"price_min": "0.25", "price_max": "2", "tick_size": "0.3"}, "5", "1.8"),
        ({"price_min": "11", "price_max": "19", "tick_size": "10"}, "15", None),
    ],
    ids=str,
)
def test_nearest_price_is_valid_itself(
    bounds: dict[str, str], price: str, nearest: str | None
) -> None:
    """It is never zero, and bounds off the step are rounded inwards. There may be none."""
    message = only_message(with_bounds(OPEN, bounds), price=price)

    advice = message.partition("; the nearest valid value is ")[2]
    assert advice == (nearest or "")


def test_price_and_quantity_are_both_named_and_notional_waits() -> None:
    """The notional of invalid values means nothing."""
    fields = [problem.field for problem in problems(RULES, price="0.001", quantity="0.001")]

    assert fields == ["price", "order_size"]


@pytest.mark.parametrize(
    ("bounds", "price", "quantity", "fault", "nearest"),
    [
        ({}, "99", "0.1", "9.9, below the minimum 10", "0.2"),
        ({}, "3", "0.1", "0.3, below the minimum 10", "3.4"),
        ({}, "5", "0.1", "0.5, below the minimum 10", "2"),
        ({}, "100", "90.1", "9010, above the maximum 9000", "90"),
        ({}, "70", "900", "63000, above the maximum 9000", "128.5"),
        ({"quantity_min": "0.15"}, "20", "0.2", "4, below the minimum 10", "0.5"),
        # There is no quantity to name: above the largest lot, without a step, below a step or lot.
        ({"notional_min": "8000"}, "7", "900", "6300, below the minimum 8000", None),
        ({"quantity_max": "9"}, "1", "0.5", "0.5, below the minimum 10", None),
        ({"step_size": "0"}, "1", "0.5", "0.5, below the minimum 10", None),
        ({"step_size": "0"}, "1000", "10", "10000, above the maximum 9000", None),
        ({"notional_max": "15"}, "1000", "0.1", "100, above the maximum 15", None),
        (
            {"quantity_min": "1", "notional_max": "500"},
            *("1000", "1", "1000, above the maximum 500", None),
        ),
        # What reaches the one bound exceeds the other.
        (NARROW, "10", "1", "10, below the minimum 15", None),
        (NARROW, "10", "2", "20, above the maximum 18", None),
    ],
)
def test_notional_off_its_bounds_names_the_nearest_quantity(
    bounds: dict[str, str], price: str, quantity: str, fault: str, nearest: str | None
) -> None:
    """No advice is better than advice that would be refused."""
    rules = with_bounds(RULES, bounds)
    advice = f"; at this price the nearest valid order_size is {nearest}" if nearest else ""

    (problem,) = problems(rules, price=price, quantity=quantity)

    assert (problem.field, problem.code) == ("order_size", "notional")
    assert problem.message == f"NOTIONAL: price times order_size is {fault}{advice}"
    assert nearest is None or problems(rules, price=price, quantity=nearest) == []
