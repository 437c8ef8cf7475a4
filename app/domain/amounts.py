"""Exact decimal amounts: one arithmetic context, one function to parse, one to format.

Python's default decimal context rounds at 28 digits without an error, and each thread has its own
default. Therefore arithmetic names its context: ``EXACT.add(a, b)``, never ``a + b``.

An amount has at most 16 digits before the decimal point and 12 after it. A product of two amounts
has at most 56 digits. A sum of such products is at most ``quantity * price``, so the 60 digits of
``EXACT`` hold it. Comparisons of decimals are exact in any context and use the plain operators.
"""

import re
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)

EXACT = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    traps=[Inexact, InvalidOperation, FloatOperation, DivisionByZero, Overflow],
)
ZERO = Decimal(0)

INTEGER_DIGITS_MAX = 16
FRACTION_DIGITS_MAX = 12
AVERAGE_PRICE_DIGITS = 16

# `++` is possessive: the parts start with different characters, so backtracking finds no match.
_match_plain_notation = re.compile(
    rf"[0-9]{{1,{INTEGER_DIGITS_MAX}}}+(?:\.[0-9]{{1,{FRACTION_DIGITS_MAX}}}+)?+", re.ASCII
).fullmatch
_match_json_number = re.compile(
    r"(?P<whole>0|[1-9][0-9]*+)(?:\.(?P<fraction>[0-9]++))?+(?:[eE](?P<sign>[+-]?)(?P<exponent>[0-9]++))?+",
    re.ASCII,
).fullmatch
EXPONENT_DIGITS = 9
_AVERAGE = Context(
    prec=AVERAGE_PRICE_DIGITS, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero]
)


def parse_amount(text: str) -> Decimal:
    """Parse a non-negative amount in plain decimal notation, exact to the digit.

    Raises:
        ValueError: the text has a sign, an exponent, white space, a digit that is not ASCII, more
            than 16 digits before the decimal point, or more than 12 after it.
    """
    if not _match_plain_notation(text):
        message = (
            "must be a plain decimal number without sign or exponent, with at most "
            f"{INTEGER_DIGITS_MAX} digits before and {FRACTION_DIGITS_MAX} after the decimal point"
        )
        raise ValueError(message)
    return Decimal(text)


def parse_number(text: str) -> Decimal:
    """Parse a non-negative JSON number in any notation, exact to the digit: ``1e-05`` is 0.00001.

    Encoders of Python, JavaScript and PHP write small and large floats with an exponent. The
    bounds are those of ``parse_amount``, for the value without leading and trailing zeros. A huge
    exponent is never computed.

    Raises:
        ValueError: the text is no JSON number (RFC 8259 section 6), has a sign, or is out of
            bounds.
    """
    if _match_plain_notation(text):
        return Decimal(text)
    parts = _match_json_number(text)
    if parts is None:
        raise ValueError("must be a decimal number")
    digits = (parts["whole"] + (parts["fraction"] or "")).lstrip("0")
    if not digits:
        return ZERO
    significant = digits.rstrip("0")
    # More digits than these mean an exponent that no text of a request can make up for.
    exponent = int((parts["exponent"] or "").lstrip("0")[:EXPONENT_DIGITS] or "0")
    exponent = -exponent if parts["sign"] == "-" else exponent
    exponent += len(digits) - len(significant) - len(parts["fraction"] or "")
    if exponent < -FRACTION_DIGITS_MAX or len(significant) + exponent > INTEGER_DIGITS_MAX:
        message = (
            f"must have at most {INTEGER_DIGITS_MAX} digits before and {FRACTION_DIGITS_MAX} after "
            "the decimal point"
        )
        raise ValueError(message)
    return (
        EXACT.scaleb(Decimal(significant), exponent)
        if exponent <= 0
        else Decimal(significant + "0" * exponent)
    )


def format_amount(amount: Decimal) -> str:
    """Format an amount in plain notation: no exponent, no trailing zeros, ``0`` for zero."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"


def average_price(*, quote_quantity: Decimal, filled_quantity: Decimal) -> Decimal | None:
    """Divide cost by quantity, rounded half-even to 16 significant digits.

    Return None while nothing is filled. No other function rounds an amount.
    """
    if not filled_quantity:
        return None
    return _AVERAGE.divide(quote_quantity, filled_quantity)
