"""Amounts as integers: units of the last of the eight decimals on the wire.

A market publishes thousands of quotes a second, and integers are faster than decimals.
"""

from typing import Final

from app.simulator.market.venue_quotes import DECIMALS

ONE: Final = 10**DECIMALS
"""The units of the amount 1."""


def units_of(text: str) -> int:
    """Return the units of a plain decimal text; decimals beyond the eighth are cut off."""
    whole, _, fraction = text.partition(".")
    return int(whole) * ONE + int(fraction[:DECIMALS].ljust(DECIMALS, "0"))


def text_of(units: int) -> str:
    """Return the text of units with eight decimals, as the venue sends it."""
    sign = "-" if units < 0 else ""
    whole, fraction = divmod(abs(units), ONE)
    return f"{sign}{whole}.{fraction:0{DECIMALS}d}"


def text_of_product(units: int) -> str:
    """Return the text of a price times a quantity, both in units, cut to eight decimals."""
    return text_of(units // ONE)
