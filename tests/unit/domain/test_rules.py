"""Tests of ``app.domain.rules``."""

from dataclasses import replace
from decimal import Decimal

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
    ("price", "fault", "nearest"),
    [
        ("0.001", "is below the minimum 0.01", "0.01"),
        ("1000.01", "is above the maximum 1000", "1000"),
        ("100.004", "is not a multiple of 0.01", "100"),
        ("100.006", "is not a multiple of 0.01", "100.01"),
        ("100.005", "is not a multiple of 0.01", "100"),
        ("9999999999999999.999999999999", "is above the maximum 1000", "1000"),
    ],
)
def test_price_off_the_filter_names_value_fault_and_nearest(
    price: str, fault: str, nearest: str
) -> None:
    """Of two equally near prices the message names the smaller one."""
    (problem,) = problems(RULES, price=price)

    assert (problem.field, problem.code) == ("price", "price_filter")
    expected = f"PRICE_FILTER: {price} {fault}; the nearest valid value is {nearest}"
    assert problem.message == expected


@pytest.mark.parametrize(
    ("quantity", "fault", "nearest"),
    [
        ("0.05", "is below the minimum 0.1", "0.1"),
        ("900.1", "is above the maximum 900", "900"),
        ("0.16", "is not a multiple of 0.1", "0.2"),
    ],
)
def test_quantity_off_the_lot_size_names_value_fault_and_nearest(
    quantity: str, fault: str, nearest: str
) -> None:
    """The field has the name of the public JSON."""
    (problem,) = problems(RULES, quantity=quantity)

    assert (problem.field, problem.code) == ("order_size", "lot_size")
    expected = f"LOT_SIZE: {quantity} {fault}; the nearest valid value is {nearest}"
    assert problem.message == expected


def test_bounds_off_the_step_are_rounded_inwards_for_the_nearest_value() -> None:
    """A minimum that is no multiple of the step is not valid itself."""
    rules = replace(OPEN, price_min=Decimal("0.25"), price_max=Decimal(2), tick_size=Decimal("0.3"))

    assert only_message(rules, price="0.1").endswith("the nearest valid value is 0.3")
    assert only_message(rules, price="5").endswith("the nearest valid value is 1.8")


@pytest.mark.parametrize(
    ("rules", "price", "nearest"),
    [
        (replace(OPEN, price_min=Decimal(5)), "4", "5"),
        (replace(OPEN, price_max=Decimal(5)), "6", "5"),
        (replace(OPEN, tick_size=Decimal(5)), "6", "5"),
        (replace(OPEN, tick_size=Decimal(5)), "2", "5"),
    ],
    ids=["minimum alone", "maximum alone", "tick alone", "below the first tick"],
)
def test_each_bound_works_alone(rules: TradingRules, price: str, nearest: str) -> None:
    """The message never names zero as a valid price."""
    assert only_message(rules, price=price).endswith(f"the nearest valid value is {nearest}")


def test_filter_that_nothing_passes_names_no_value() -> None:
    """No multiple of 10 lies between 11 and 19."""
    rules = replace(OPEN, price_min=Decimal(11), price_max=Decimal(19), tick_size=Decimal(10))

    assert only_message(rules, price="15") == "PRICE_FILTER: 15 is not a multiple of 10"


def test_price_and_quantity_are_both_named_and_notional_waits() -> None:
    """The notional of invalid values means nothing."""
    fields = [problem.field for problem in problems(RULES, price="0.001", quantity="0.001")]

    assert fields == ["price", "order_size"]


@pytest.mark.parametrize(
    ("price", "quantity", "text"),
    [
        ("100", "0.1", None),
        ("99", "0.1", "is 9.9, below the minimum 10; at this price the nearest valid order_size"),
        ("100", "90", None),
        ("100", "90.1", "is 9010, above the maximum 9000; at this price the nearest valid"),
    ],
)
def test_notional_is_checked_at_both_ends(price: str, quantity: str, text: str | None) -> None:
    """The bounds themselves are valid."""
    found = problems(RULES, price=price, quantity=quantity)

    if text is None:
        assert found == []
    else:
        (problem,) = found
        assert (problem.field, problem.code) == ("order_size", "notional")
        assert text in problem.message


@pytest.mark.parametrize(
    ("price", "quantity", "nearest"),
    [("99", "0.1", "0.2"), ("3", "0.1", "3.4"), ("5", "0.1", "2"), ("7", "900", None)],
)
def test_notional_too_small_names_the_next_quantity(
    price: str, quantity: str, nearest: str | None
) -> None:
    """It is the first multiple of the step whose notional reaches the minimum."""
    rules = replace(RULES, notional_min=Decimal(10) if nearest else Decimal(8_000))

    message = only_message(rules, price=price, quantity=quantity)

    if nearest is None:
        assert "nearest" not in message
    else:
        assert message.endswith(f"the nearest valid order_size is {nearest}")
        assert problems(rules, price=price, quantity=nearest) == []


@pytest.mark.parametrize(
    ("price", "quantity", "nearest"), [("100", "90.1", "90"), ("70", "900", "128.5")]
)
def test_notional_too_large_names_the_last_quantity(
    price: str, quantity: str, nearest: str
) -> None:
    """It is the last multiple of the step whose notional is within the maximum."""
    message = only_message(RULES, price=price, quantity=quantity)

    assert message.endswith(f"the nearest valid order_size is {nearest}")
    assert problems(RULES, price=price, quantity=nearest) == []


@pytest.mark.parametrize(
    ("rules", "price", "quantity"),
    [
        (replace(RULES, step_size=Decimal(0)), "1", "0.5"),
        (replace(RULES, step_size=Decimal(0)), "1000", "10"),
        (replace(RULES, quantity_max=Decimal(9)), "1", "0.5"),
        (replace(RULES, notional_max=Decimal(15)), "1000", "0.1"),
        (replace(RULES, quantity_min=Decimal(1), notional_max=Decimal(500)), "1000", "1"),
    ],
    ids=[
        "no step, small",
        "no step, large",
        "above the largest lot",
        "below a step",
        "below a lot",
    ],
)
def test_notional_without_a_valid_quantity_names_none(
    rules: TradingRules, price: str, quantity: str
) -> None:
    """No advice is better than advice that would be refused."""
    message = only_message(rules, price=price, quantity=quantity)

    assert message.startswith("NOTIONAL: ")
    assert "nearest" not in message


def test_minimum_and_maximum_notional_that_no_step_meets_name_no_quantity() -> None:
    """A quantity that reaches the minimum must not exceed the maximum, and the reverse."""
    rules = replace(RULES, step_size=Decimal(1), notional_min=Decimal(15), notional_max=Decimal(18))

    assert "nearest" not in only_message(rules, price="10", quantity="1")
    assert "nearest" not in only_message(rules, price="10", quantity="2")


def test_quantity_that_reaches_the_notional_is_a_lot_of_its_own() -> None:
    """The named quantity passes LOT_SIZE too, even if the smallest lot is larger."""
    rules = replace(RULES, quantity_min=Decimal("0.15"))

    nearest = only_message(rules, price="20", quantity="0.2").rsplit(" ", 1)[-1]

    assert problems(rules, price="20", quantity=nearest) == []
