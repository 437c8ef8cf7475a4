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
