"""The form of a symbol in the input of clients and operators."""

from typing import Final

from app.domain.order import Symbol

SYMBOL_CHARACTERS_MAX: Final = 20
"""The longest symbol that an input may name."""

_ASCII_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def upper(text: str) -> str:
    """Return ``text`` with ASCII letters in upper case.

    ``str.upper`` also changes other letters: it turns the long s (U+017F) into S. An invalid name
    would become the symbol of a real pair.
    """
    return text.translate(_ASCII_UPPER)


def spelled_symbol(text: str) -> Symbol:
    """Return a symbol in the venue's spelling: upper case, letters and digits of any script.

    Raises:
        ValueError: the text is not a symbol. The message continues a sentence that begins with the
            name of the field.
    """
    symbol = upper(text)
    if not symbol.isalnum() or len(symbol) > SYMBOL_CHARACTERS_MAX:
        raise ValueError(f"must be 1 to {SYMBOL_CHARACTERS_MAX} letters or digits, such as LTCBTC")
    return Symbol(symbol)
