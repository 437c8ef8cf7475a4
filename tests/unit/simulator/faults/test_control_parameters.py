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
def test_a_well_formed_value_is_read(
    read: Callable[[str], object], text: str, value: object
) -> None:
    """Symbols become upper case, endpoints complete paths, and amounts exact."""
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
        (parameters.endpoint, "ticker/tradingDay"),
        (parameters.amount, "1e3"),
        (parameters.text_of, "x" * 5_000),
    ],
)
def test_a_malformed_value_is_refused(read: Callable[[str], object], text: str) -> None:
    """The message is short, even for a long value."""
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
def test_a_wrong_query_is_refused_with_a_reason(query: str, message: str) -> None:
    """The message names the parameter."""
    with pytest.raises(ControlError, match=message):
        read_parameters((SYMBOL, ON), query, required={"symbol"})


def test_a_missing_parameter_is_left_out() -> None:
    """The default of the method applies then."""
    assert read_parameters((SYMBOL, ON), "symbol=%E5%B8%81USDT", required=()) == {
        "symbol": "币USDT"
    }
