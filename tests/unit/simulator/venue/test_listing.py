"""Tests of ``app.simulator.venue.listing``."""

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from app.simulator.venue.listing import (
    exchange_info,
    inferred_rules,
    listing_from_rules,
    listings_from_exchange_info,
    split_symbol,
)
from tests.support.tapes import find_tape_file


def make_entry(**changes: object) -> dict[str, Any]:
    """Return an entry of ours."""
    rules = inferred_rules("LTCUSDT", tick_size=Decimal("0.01"), step_size=Decimal("0.001"))
    return {**listing_from_rules(rules).entry, **changes}


def captured_body() -> bytes:
    """Return the recorded answer."""
    return gzip.decompress(find_tape_file("exchangeinfo-20250807-25symbols.json.gz").read_bytes())


def test_an_entry_has_the_keys_of_the_live_answer() -> None:
    """The keys and filters equal the recorded answer of 2025."""
    captured = json.loads(captured_body())["symbols"][1]
    entry = make_entry()

    assert entry.keys() == captured.keys()
    assert [one["filterType"] for one in entry["filters"]] == [
        one["filterType"] for one in captured["filters"]
    ]
    assert [set(one) for one in entry["filters"]] == [set(one) for one in captured["filters"]]


def test_a_captured_answer_is_listed_unchanged() -> None:
    """The entries of a capture are served unchanged, including halted symbols."""
    body = captured_body()
    listings = listings_from_exchange_info(body)

    assert [listing.entry for listing in listings] == json.loads(body)["symbols"]
    assert {listing.symbol: listing.is_trading for listing in listings}["BCCBTC"] is False


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"symbols": [{}]}',
        json.dumps({"symbols": [make_entry(filters={})]}).encode(),
        json.dumps({"symbols": [make_entry(filters=[])]}).encode(),
    ],
    ids=lambda body: str(body)[:40],
)
def test_anything_else_is_refused(body: bytes) -> None:
    """Any content that is not an exchangeInfo answer raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - json brings its own text
        listings_from_exchange_info(body)


@pytest.mark.parametrize(
    ("symbol", "assets"),
    [
        ("LTCBTC", ("LTC", "BTC")),
        ("1000SATSUSDT", ("1000SATS", "USDT")),
        ("BTCAUD", ("BTC", "AUD")),
        ("BTC", ("BT", "C")),
        ("ABCXYZ", ("ABC", "XYZ")),
    ],
)
def test_a_symbol_is_split_at_its_quote_asset(symbol: str, assets: tuple[str, str]) -> None:
    """Known quote assets are found, and other symbols are split in the middle."""
    assert split_symbol(symbol) == assets


def test_exchange_info_tells_the_venues_own_weight_limit() -> None:
    """The limit in the answer is the limit that the venue applies."""
    body: dict[str, Any] = exchange_info([], server_time_ms=5, weight_limit=77)

    assert body["rateLimits"][0]["limit"] == 77
    assert body["serverTime"] == 5
