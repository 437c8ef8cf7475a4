"""Tests of ``app.simulator.faults.control_parameters``."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from app.simulator.faults import control_parameters as parameters
from app.simulator.faults.control_parameters import ON, SYMBOL, ControlError, read_parameters


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (parameters.flag, "true", True),
        (parameters.flag, "OFF", False),
        (parameters.seconds(60), "0.25", 0.25),
        (parameters.integer(1, 10), "10", 10),
        (parameters.one_of(("a", "b")), "b", "b"),
        (parameters.symbol, "ltcbtc", "LTCBTC"),
        (parameters.endpoint, "depth", "/api/v3/depth"),
        (parameters.endpoint, "/api/v3/ticker/bookTicker", "/api/v3/ticker/bookTicker"),
        (parameters.amount, "0.010", Decimal("0.010")),
        (parameters.text_of, "a b", "a b"),
    ],
)
def test_what_is_well_formed_is_read(
    read: Callable[[str], object], text: str, value: object
) -> None:
    """Symbols are in upper case, endpoints whole, amounts exact."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parameters.flag, "maybe"),
        (parameters.seconds(60), "60.1"),
        (parameters.seconds(60), "-1"),
        (parameters.seconds(60), "nan"),
        (parameters.seconds(60), "1e9"),
        (parameters.integer(1, 10), "0"),
        (parameters.integer(1, 10), "11"),
        (parameters.integer(1, 10), "9" * 5_000),
        (parameters.integer(1, 10), "٣"),
        (parameters.one_of(("a", "b")), "c"),
        (parameters.symbol, ""),
        (parameters.endpoint, "klines"),
        (parameters.amount, "1e3"),
        (parameters.text_of, "x" * 5_000),
    ],
)
def test_what_is_not_is_refused(read: Callable[[str], object], text: str) -> None:
    """The message is short, whatever was sent."""
    with pytest.raises(ValueError, match=r"^.{1,200}$"):
        read(text)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "symbol is missing"),
        ("symbol=A&symbol=B", "symbol is given twice"),
        ("symbol=A&nonsense=1", "no parameter 'nonsense'; known are symbol, on"),
        ("symbol=A&on=x", "on is true or false, not 'x'"),
    ],
)
def test_a_query_that_makes_no_sense_says_why(query: str, message: str) -> None:
    """It names the parameter."""
    with pytest.raises(ControlError, match=message):
        read_parameters((SYMBOL, ON), query)


def test_what_is_not_given_is_not_passed_on() -> None:
    """So the method's own default holds."""
    assert read_parameters((SYMBOL, ON), "symbol=%E5%B8%81USDT") == {"symbol": "币USDT"}
