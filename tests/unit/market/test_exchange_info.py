"""Tests of ``app.market.exchange_info`` with bodies of four eras."""

import gzip
import json
from collections import Counter
from decimal import Decimal
from functools import cache
from itertools import zip_longest
from typing import Any

import pytest

from app.domain.order import Symbol
from app.domain.rules import TradingRules, order_problems
from app.market.exchange_info import (
    ParsedExchangeInfo,
    UnreadableExchangeInfoError,
    parse_exchange_info,
)
from tests.support.tapes import find_tape_file, read_quotes

LTCBTC: dict[str, Any] = {
    "symbol": "LTCBTC",
    "status": "TRADING",
    "baseAsset": "LTC",
    "quoteAsset": "BTC",
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.00000100",
            "maxPrice": "100000.00000000",
            "tickSize": "0.00000100",
        },
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "avgPriceMins": 5},
        {
            "filterType": "LOT_SIZE",
            "minQty": "0.00100000",
            "maxQty": "100000.00000000",
            "stepSize": "0.00100000",
        },
        {"filterType": "FROM_THE_FUTURE", "minQty": 5, "nested": {"minPrice": None}},
    ],
}
MIN_NOTIONAL = {"filterType": "MIN_NOTIONAL", "minNotional": "10"}
NOTIONAL = {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "90"}


def parse(*symbols: object) -> ParsedExchangeInfo:
    """Parse a body that lists these symbols."""
    return parse_exchange_info(json.dumps({"timezone": "UTC", "symbols": symbols}).encode())


def with_filters(*filters: object) -> dict[str, Any]:
    """Make a symbol with only these filters."""
    return {**LTCBTC, "filters": filters}


@cache
def capture(name: str) -> ParsedExchangeInfo:
    """Parse a real body once per process."""
    with gzip.open(find_tape_file(f"exchangeinfo-{name}.json.gz"), "rb") as body:
        return parse_exchange_info(body.read())


def test_rules_are_read_and_unknown_filters_ignored() -> None:
    """The used filters are read exactly, and unknown filters are ignored."""
    assert parse(LTCBTC).rules == (
        TradingRules(
            symbol=Symbol("LTCBTC"),
            status="TRADING",
            base_asset="LTC",
            quote_asset="BTC",
            price_min=Decimal("0.000001"),
            price_max=Decimal(100_000),
            tick_size=Decimal("0.000001"),
            quantity_min=Decimal("0.001"),
            quantity_max=Decimal(100_000),
            step_size=Decimal("0.001"),
        ),
    )


def test_missing_filters_and_parts_are_off() -> None:
    """A missing filter, or a missing part of one, restricts nothing."""
    (rules,) = parse(with_filters({"filterType": "LOT_SIZE", "stepSize": "0.1"})).rules

    assert rules.step_size == Decimal("0.1")
    assert not rules.quantity_max
    assert not rules.tick_size
    assert not rules.notional_min


@pytest.mark.parametrize(
    ("filters", "least", "most"),
    [
        ([MIN_NOTIONAL], 10, 0),
        ([NOTIONAL], 5, 90),
        ([NOTIONAL, MIN_NOTIONAL], 10, 90),
        ([MIN_NOTIONAL, NOTIONAL], 10, 90),
    ],
    ids=["until 2022", "since then", "both", "both in the other order"],
)
def test_notional_is_read_in_both_of_its_forms(
    filters: list[object], least: int, most: int
) -> None:
    """Both notional filters are read, and the stricter minimum counts."""
    (rules,) = parse(with_filters(*filters)).rules

    assert [rules.notional_min, rules.notional_max] == [Decimal(least), Decimal(most)]


@pytest.mark.parametrize(
    "broken",
    [
        5,
        {**LTCBTC, "symbol": None},
        {**LTCBTC, "symbol": ""},
        {**LTCBTC, "symbol": "X" * 21},
        {**LTCBTC, "status": ""},
        {name: value for name, value in LTCBTC.items() if name != "filters"},
        with_filters({"filterType": "PRICE_FILTER", "tickSize": "-0.1"}),
        with_filters({"filterType": "LOT_SIZE", "minQty": 0.001}),
        with_filters({"filterType": "NOTIONAL", "minNotional": "1e-5"}),
        with_filters({"noType": 1}),
    ],
    ids=str,
)
def test_unreadable_symbol_is_left_out_and_counted(broken: object) -> None:
    """An unreadable symbol is counted and affects no other symbol."""
    parsed = parse(broken, LTCBTC)

    assert [rules.symbol for rules in parsed.rules] == ["LTCBTC"]
    assert parsed.symbols_skipped == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"symbols":5}', b'{"symbols":[', b'{"a":' * 50_000],
    ids=lambda body: str(body[:12]),
)
def test_body_that_is_no_exchange_info_is_refused(body: bytes) -> None:
    """A body that is not exchangeInfo raises."""
    with pytest.raises(UnreadableExchangeInfoError):
        parse_exchange_info(body)


@pytest.mark.parametrize(
    ("name", "trading", "halted"),
    [
        ("20210417", 1_038, 367),
        ("20210814", 1_193, 396),
        ("20230813", 1_393, 883),
        ("20250807-25symbols", 12, 13),
    ],
)
def test_real_capture_is_read_completely(name: str, trading: int, halted: int) -> None:
    """Every symbol of every real body has a tick size and a step size."""
    parsed = capture(name)

    assert parsed.symbols_skipped == 0
    assert Counter(rules.is_trading for rules in parsed.rules) == {True: trading, False: halted}
    assert len({rules.symbol for rules in parsed.rules}) == trading + halted
    assert all(rules.tick_size and rules.step_size for rules in parsed.rules)
    assert all(rules.notional_min for rules in parsed.rules if rules.is_trading)


@pytest.mark.parametrize(
    ("tape", "name"),
    [
        ("alts10-20210405", "20210417"),
        ("alts4-20210814", "20210814"),
        ("majors-20240808", "20230813"),
        ("ethusdt-20240809", "20230813"),
    ],
)
def test_everything_that_was_quoted_keeps_to_the_rules_of_its_time(tape: str, name: str) -> None:
    """Real quotes pass the filters of their time, notional excepted."""
    rules_by_symbol = {rules.symbol: rules for rules in capture(name).rules}

    for symbol, quotes in read_quotes(tape).items():
        rules = rules_by_symbol[symbol]
        prices = {quote.bid_price for quote in quotes} | {quote.ask_price for quote in quotes}
        quantities = {quote.bid_quantity for quote in quotes}
        quantities |= {quote.ask_quantity for quote in quotes}
        pairs = zip_longest(prices, quantities, fillvalue=Decimal(1))
        for price, quantity in pairs:
            problems = order_problems(rules, quantity=quantity, limit_price=price)
            assert [one for one in problems if one.code != "notional"] == []


def test_ticks_that_changed_since_are_noticed() -> None:
    """Quotes of April fail the rules of August, so the check above can fail."""
    rules_by_symbol = {rules.symbol: rules for rules in capture("20210814").rules}

    unfit = {
        symbol
        for symbol, quotes in read_quotes("alts10-20210405").items()
        for quote in quotes
        for problem in order_problems(
            rules_by_symbol[symbol], quantity=quote.ask_quantity, limit_price=quote.ask_price
        )
        if problem.code != "notional"
    }

    assert unfit == {"MANAUSDT", "RENBTCETH"}
