"""Tests of ``app.domain.symbols``."""

import pytest

from app.domain.symbols import SYMBOL_CHARACTERS_MAX, spelled_symbol, upper


@pytest.mark.parametrize(
    ("named", "symbol"),
    [
        ("LTCBTC", "LTCBTC"),
        ("ltcBtc", "LTCBTC"),
        ("1000satsusdt", "1000SATSUSDT"),
        ("币安人生usdt", "币安人生USDT"),
        ("\u017fusdt", "\u017fUSDT"),
        ("x" * SYMBOL_CHARACTERS_MAX, "X" * SYMBOL_CHARACTERS_MAX),
    ],
)
def test_a_symbol_is_spelled_as_the_venue_does(named: str, symbol: str) -> None:
    """ASCII letters become upper case, and no other character changes."""
    assert spelled_symbol(named) == symbol


@pytest.mark.parametrize("named", ["", "LTC/BTC", "LTC BTC", "x" * (SYMBOL_CHARACTERS_MAX + 1)])
def test_an_invalid_symbol_is_refused(named: str) -> None:
    """The message describes a valid symbol."""
    with pytest.raises(ValueError, match="must be 1 to 20 letters or digits, such as LTCBTC"):
        spelled_symbol(named)


def test_only_ascii_letters_have_another_case() -> None:
    """The long s does not become S, and a dotless i does not become I."""
    assert upper("buy \u017f\u0131") == "BUY \u017f\u0131"
