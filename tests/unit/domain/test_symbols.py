"""How a symbol is spelled."""

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
    """ASCII letters are upper case; nothing else becomes another character."""
    assert spelled_symbol(named) == symbol


@pytest.mark.parametrize("named", ["", "LTC/BTC", "LTC BTC", "x" * (SYMBOL_CHARACTERS_MAX + 1)])
def test_what_can_be_no_symbol_is_refused(named: str) -> None:
    """The message says what one looks like."""
    with pytest.raises(ValueError, match="must be 1 to 20 letters or digits, such as LTCBTC"):
        spelled_symbol(named)


def test_only_ascii_letters_have_another_case() -> None:
    """The long s is no S, and a dotless i no I."""
    assert upper("buy \u017f\u0131") == "BUY \u017f\u0131"
