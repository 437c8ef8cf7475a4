"""Tests of ``app.simulator.faults.garbage``."""

import json

import pytest

from app.simulator.faults.garbage import GARBAGE, OVERSIZED_BYTES, garbage_message
from app.simulator.market.venue_quotes import venue_quote

QUOTE = venue_quote(symbol="LTCBTC", update_id=7, bid=("0.1", "1"), ask=("0.2", "2"))
STREAM = "ltcbtc@bookTicker"
WHOLE = {"truncated", "binary", "invalid_utf8", "non_json", "empty", "nested"}
"""Kinds that spoil the wrapping of the frame too."""


@pytest.mark.parametrize("kind", GARBAGE)
def test_no_kind_of_garbage_is_a_quote(kind: str) -> None:
    """Only a sound kind can be read as a quote, both raw and wrapped."""
    for stream in (None, STREAM):
        message = garbage_message(kind, QUOTE, stream=stream)
        assert is_quote(message.payload, is_wrapped=stream is not None) == GARBAGE[kind].is_sound
        if stream is not None and kind not in WHOLE:
            assert message.payload.startswith(b'{"stream":"ltcbtc@bookTicker","data":')


def is_quote(payload: bytes, *, is_wrapped: bool) -> bool:
    """Return whether a careful client accepts a frame as a quote."""
    try:
        data = json.loads(payload)
        data = data["data"] if is_wrapped else data
        prices = [float(data[key]) for key in "bBaA"]
        is_known = data["s"] == "LTCBTC"
        is_in_order = isinstance(data["u"], int) and data["u"] >= 0 and data["b"] < data["a"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    has_sense = all(0 < price < 1e9 for price in prices)
    return is_known and is_in_order and has_sense and len(payload) < OVERSIZED_BYTES


def test_a_sound_quote_with_extra_keys_is_otherwise_the_same() -> None:
    """A client must ignore unknown keys, so the others must be unchanged."""
    data = json.loads(garbage_message("extra_keys", QUOTE, stream=None).payload)

    assert {key: data[key] for key in "usbBaA"} == json.loads(QUOTE.data)
    assert set(data) - set("usbBaA") == {"e", "ps", "T", "E"}


def test_an_empty_book_can_be_crossed_too() -> None:
    """The kind ``crossed`` also works without prices."""
    empty = venue_quote(symbol="LTCBTC", update_id=7)
    data = json.loads(garbage_message("crossed", empty, stream=None).payload)

    assert float(data["b"]) > float(data["a"]) > 0


def test_an_unknown_kind_is_refused() -> None:
    """The message lists the known kinds."""
    with pytest.raises(ValueError, match="garbage is one of truncated, binary, "):
        garbage_message("nonsense", QUOTE, stream=None)
