"""Exact decimal amounts: one arithmetic context, one way in from text, one way out.

The default decimal context rounds at 28 digits without a word, and a context set in one thread
does not reach another. So arithmetic names its context: ``EXACT.add(a, b)``, never ``a + b``. An
amount has at most 16 digits before the point and 12 behind it; a product of two then has at most
56 digits, and a sum of such products that is bounded by ``quantity * price`` stays below the 60
that ``EXACT`` holds. Comparisons of decimals are exact in any context and use the plain operators.
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

_match_plain_notation = re.compile(
    rf"[0-9]{{1,{INTEGER_DIGITS_MAX}}}+(?:\.[0-9]{{1,{FRACTION_DIGITS_MAX}}}+)?+", re.ASCII
).fullmatch  # no part begins like the one before, so none has to remember where it could end sooner
_AVERAGE = Context(
    prec=AVERAGE_PRICE_DIGITS, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero]
)


def parse_amount(text: str) -> Decimal:
    """Read a non-negative amount in plain decimal notation, exact to the digit.

    Raises:
        ValueError: a sign, an exponent, white space, a digit that is not ASCII, more than 16
            digits before the point or more than 12 behind it.
    """
    if not _match_plain_notation(text):
        message = (
            "must be a plain decimal number without sign or exponent, with at most "
            f"{INTEGER_DIGITS_MAX} digits before the point and {FRACTION_DIGITS_MAX} behind it"
        )
        raise ValueError(message)
    return Decimal(text)


def format_amount(amount: Decimal) -> str:
    """Write an amount in plain notation: no exponent, no trailing zeros, ``0`` for zero."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in {"-0", ""} else "0"


def average_price(*, quote_quantity: Decimal, filled_quantity: Decimal) -> Decimal | None:
    """Divide cost by quantity, half-even at 16 significant digits; None while nothing is filled.

    The only place where an amount is rounded.
    """
    if not filled_quantity:
        return None
    return _AVERAGE.divide(quote_quantity, filled_quantity)
