"""Tests of ``app.simulator.venue.listed_symbols``."""

from decimal import Decimal
from typing import Any

import pytest

from app.simulator.venue.listed_symbols import RULES, ListedSymbols
from app.simulator.venue.listing import inferred_rules, listing_from_rules

SYMBOLS = ("LTCBTC", "ETHBTC", "BNBBTC")


@pytest.fixture
def listed() -> ListedSymbols:
    """Return the listings of three symbols."""
    cent = Decimal("0.01")
    return ListedSymbols(
        [listing_from_rules(inferred_rules(one, tick_size=cent, step_size=cent)) for one in SYMBOLS]
    )


def rules_of(listed: ListedSymbols, symbol: str) -> dict[str, Any]:
    """Return the filters of a symbol by type."""
    listing = listed.get(symbol)
    assert listing is not None
    filters: Any = listing.entry["filters"]
    return {one["filterType"]: one for one in filters}


def test_a_status_is_listed_and_silences_quotes(listed: ListedSymbols) -> None:
    """Only this symbol is silent, until its status is TRADING again."""
    listed.set_status("ETHBTC", "BREAK")
    assert [(one.symbol, one.status) for one in listed] == [
        ("LTCBTC", "TRADING"),
        ("ETHBTC", "BREAK"),
        ("BNBBTC", "TRADING"),
    ]
    assert [listed.is_silent(symbol) for symbol in SYMBOLS] == [False, True, False]
    assert listed.changed == {"ETHBTC": "BREAK"}
    listed.set_status("ETHBTC")

    assert not listed.is_silent("ETHBTC")


def test_a_relisted_symbol_has_its_former_position(listed: ListedSymbols) -> None:
    """The order of exchangeInfo stays the order of the market."""
    listed.remove("LTCBTC")
    assert [one.symbol for one in listed] == ["ETHBTC", "BNBBTC"]
    assert listed.is_silent("LTCBTC")
    assert listed.changed == {"LTCBTC": "delisted"}
    with pytest.raises(ValueError, match="LTCBTC is delisted"):
        listed.change_rules("LTCBTC", tick_size=Decimal(1))
    listed.set_status("LTCBTC")

    assert [one.symbol for one in listed] == list(SYMBOLS)


def test_every_rule_can_be_changed(listed: ListedSymbols) -> None:
    """Each rule changes in its filter, and the listing of the market stays unchanged."""
    listed.change_rules("LTCBTC", **{name: Decimal(number) for number, name in enumerate(RULES, 1)})
    changed = rules_of(listed, "LTCBTC")

    for number, (kinds, key) in enumerate(RULES.values(), 1):
        [value] = [changed[kind][key] for kind in kinds if kind in changed]
        assert value == f"{number}.00000000"
    listing = listed.get("LTCBTC")
    assert listing is not None
    assert [listing.tick_size, listing.step_size] == [Decimal(3), Decimal(6)]
    assert not listed.is_silent("LTCBTC")
    listed.restore()
    assert rules_of(listed, "LTCBTC")["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert listed.changed == {}


def test_a_symbol_that_is_not_there_is_refused(listed: ListedSymbols) -> None:
    """A rule without a filter is refused too."""
    for change in (listed.set_status, listed.remove, listed.change_rules):
        with pytest.raises(ValueError, match="the market has no symbol 'NOPE'"):
            change("NOPE")
    filters = rules_of(listed, "LTCBTC")
    listing = listed.get("LTCBTC")
    assert listing is not None
    listing.entry["filters"] = [filters["PRICE_FILTER"]]
    with pytest.raises(ValueError, match="LTCBTC has no filter NOTIONAL or MIN_NOTIONAL"):
        listed.change_rules("LTCBTC", notional_min=Decimal(1))
