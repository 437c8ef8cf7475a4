"""Tests of ``app.domain.amounts``."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal, FloatOperation, Inexact, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.amounts import EXACT, average_price, format_amount, parse_amount, parse_number

LARGEST = "9999999999999999.999999999999"

amounts = st.decimals(min_value=0, max_value=Decimal(LARGEST), places=12)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", Decimal(0)),
        ("0.0001", Decimal("0.0001")),
        ("00012.50", Decimal("12.5")),
        ("1000", Decimal(1000)),
        (LARGEST, Decimal(LARGEST)),
    ],
)
def test_plain_notation_is_read_to_the_digit(text: str, amount: Decimal) -> None:
    """The parsed amount equals the sent amount."""
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        "1\n",
        "+1",
        "-1",
        "-0",
        ".5",
        "5.",
        "1e3",
        "1E+999999",
        "1_000",
        "1,5",
        "0x10",
        "NaN",
        "Infinity",
        "sNaN",
        "\u0661\u0662\u0663",  # Arabic digits, which Decimal would read as 123
        "\uff11",  # a full-width one
        "1\x00",
        "\ud800",
        "1" * 17,
        "0." + "1" * 13,
        "9" * 5000,
    ],
)
def test_anything_but_plain_notation_is_refused(text: str) -> None:
    """A sign, an exponent, white space, a foreign digit or too many digits are refused."""
    with pytest.raises(ValueError, match="must be a plain decimal number"):
        parse_amount(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0E-8", "0"),
        ("0E+5", "0"),
        ("32.580000", "32.58"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-12", "0.000000000001"),
        ("100.000", "100"),
    ],
)
def test_amounts_leave_without_exponent_and_trailing_zeros(amount: str, text: str) -> None:
    """One amount has one spelling."""
    assert format_amount(Decimal(amount)) == text


@given(amount=amounts)
def test_parsing_a_formatted_amount_gives_the_same_amount(amount: Decimal) -> None:
    """Formatting and parsing lose nothing."""
    assert parse_amount(format_amount(amount)) == amount


def test_the_largest_notional_is_exact() -> None:
    """A product of the two longest amounts fits, where the default context would round it."""
    longest = Decimal(LARGEST)

    notional = EXACT.multiply(longest, longest)

    assert notional == Decimal(int(LARGEST.replace(".", "")) ** 2).scaleb(-24, EXACT)
    assert notional != longest * longest


def test_an_operation_that_would_round_raises_in_every_thread() -> None:
    """Each operation names its context, so no thread can use another one."""

    def round_something() -> None:
        EXACT.divide(Decimal(1), Decimal(3))

    with ThreadPoolExecutor(max_workers=1) as pool:
        outcome = pool.submit(round_something).exception()

    assert isinstance(outcome, Inexact)


def test_floats_and_nonsense_raise() -> None:
    """A float never becomes an amount, and no operation ends in NaN."""
    with pytest.raises(FloatOperation):
        EXACT.create_decimal(0.1)
    with pytest.raises(InvalidOperation):
        EXACT.subtract(Decimal("Infinity"), Decimal("Infinity"))


@pytest.mark.parametrize(
    ("cost", "filled", "average"),
    [
        ("0.257731", "100", "0.00257731"),
        ("1", "3", "0.3333333333333333"),
        ("2", "3", "0.6666666666666667"),
        ("10000000000000005", "10", "1000000000000000"),
        ("10000000000000015", "10", "1000000000000002"),
    ],
)
def test_average_price_has_sixteen_digits_half_even(cost: str, filled: str, average: str) -> None:
    """Only this function rounds."""
    price = average_price(quote_quantity=Decimal(cost), filled_quantity=Decimal(filled))

    assert price == Decimal(average)


def test_nothing_filled_has_no_average_price() -> None:
    """An order without fills has no average price."""
    assert average_price(quote_quantity=Decimal(0), filled_quantity=Decimal("0.00")) is None


@given(amounts.filter(bool), st.integers(0, 30))
def test_a_json_number_is_its_value(amount: Decimal, zeros: int) -> None:
    """Any split of a value into digits and exponent reads as the value, exactly."""
    digits = format_amount(amount).replace(".", "").lstrip("0")
    exponent = -len(format_amount(amount).partition(".")[2])
    number = f"{digits[0]}.{digits[1:]}{'0' * (zeros + 1)}e{exponent + len(digits) - 1}"

    assert parse_number(number) == amount
    assert parse_number(f"{digits}{'0' * zeros}E{exponent - zeros:+d}") == amount


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", ".5", "5.", "1e", "e1", "1e5.5", "NaN", " 1", "1e1\n"]
)
def test_no_json_number_is_refused(text: str) -> None:
    """The grammar is RFC 8259's, without the sign."""
    with pytest.raises(ValueError, match="must be a decimal number"):
        parse_number(text)


@pytest.mark.parametrize(
    "text",
    ["1e16", "1e-13", "0.1e-12", "1e99999999999999999999", "1E-999999999", "1" * 5_000 + ".0"],
)
def test_a_json_number_out_of_bounds_is_refused(text: str) -> None:
    """A huge exponent is refused without being computed."""
    with pytest.raises(ValueError, match="must have at most 16 digits before and 12 after"):
        parse_number(text)
