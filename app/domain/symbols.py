"""The form of a symbol, wherever somebody names one."""

from typing import Final

from app.domain.order import Symbol

SYMBOL_CHARACTERS_MAX: Final = 20
"""The longest symbol that anybody may name."""

_ASCII_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def upper(text: str) -> str:
    """Return ``text`` with ASCII letters in upper case.

    ``str.upper`` would make an S of the long s, and so another name's symbol of a made-up one.
    """
    return text.translate(_ASCII_UPPER)


def spelled_symbol(text: str) -> Symbol:
    """Return a symbol in the venue's spelling: upper case, letters and digits of any script.

    Raises:
        ValueError: it can be none; the text goes behind its name.
    """
    symbol = upper(text)
    if not symbol.isalnum() or len(symbol) > SYMBOL_CHARACTERS_MAX:
        raise ValueError(f"must be 1 to {SYMBOL_CHARACTERS_MAX} letters or digits, such as LTCBTC")
    return Symbol(symbol)
