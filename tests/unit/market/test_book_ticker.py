"""Tests of ``app.market.book_ticker``."""

import gzip
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import (
    BEGINNING_CHARACTERS,
    FRAME_BYTES_MAX,
    SYMBOL_CHARACTERS_MAX,
    UPDATE_ID_MAX,
    Acknowledgment,
    Drop,
    DropReason,
    ParsedFrame,
    ShutdownNotice,
    VenueTime,
    parse_frame,
)
from tests.support.builders import LTCBTC
from tests.support.tapes import find_tape_file

MISSING = "missing"
TICKER = {"u": 7, "s": "LTCBTC", "b": "0.0025", "B": "3.1", "a": "0.0026", "A": "40.66"}
QUOTE = Quote(
    symbol=LTCBTC,
    update_id=7,
    bid_price=Decimal("0.0025"),
    bid_quantity=Decimal("3.1"),
    ask_price=Decimal("0.0026"),
    ask_quantity=Decimal("40.66"),
    received_ns=99,
)

MINI_TICKER = {
    "e": "24hrMiniTicker",
    "E": 1672515782136,
    "s": "LTCBTC",
    **dict.fromkeys("cohlvq", "0.0025"),
}
CONTRADICTORY = json.dumps(TICKER)[:-1] + ',"A":40.66,"A":"40.66"}'
COMPACT = json.dumps(TICKER, separators=(",", ":"))
"""A ticker as the venue writes it."""


def amounts_of(quote: Quote) -> list[Decimal]:
    """Return the amounts of a quote in the order of the frame."""
    return [quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity]


def parsed(message: object) -> ParsedFrame:
    """Parse a message as it arrives on the wire."""
    return parse_frame(json.dumps(message).encode(), 99)


@pytest.mark.parametrize(
    "message",
    [
        TICKER,
        {"stream": "ltcbtc@bookTicker", "data": TICKER},
        {"e": "bookTicker", "T": 1, "E": 2, "ps": "LTCBTC", **TICKER},
        {"new": {"a": [1]}, **TICKER},
    ],
    ids=["raw", "combined", "futures keys", "unknown keys"],
)
def test_book_ticker_becomes_an_exact_quote(message: object) -> None:
    """Raw and combined frames give the same quote, and unknown keys are ignored."""
    assert parsed(message) == QUOTE
    assert parse_frame(json.dumps(message), 99) == QUOTE


@pytest.mark.parametrize(
    "change",
    [
        {"A": "9007199254740993.000000000010"},
        {"b": "0.00000000", "B": "0.00000000", "a": "0", "A": "0.0"},
        {"s": "币安人生USDT"},
    ],
    ids=["every digit", "empty sides", "Chinese characters"],
)
def test_amounts_and_symbols_arrive_as_sent(change: dict[str, str]) -> None:
    """Amounts keep all digits, trailing zeros included, and a side of zeros is a valid one."""
    ticker = {**TICKER, **change}

    quote = parsed({"stream": f"{ticker['s']}".lower() + "@bookTicker", "data": ticker})

    assert isinstance(quote, Quote)
    assert quote.symbol == ticker["s"]
    assert [f"{amount:f}" for amount in amounts_of(quote)] == [ticker[key] for key in "bBaA"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"b": "-0.0025"}, DropReason.NEGATIVE),
        ({"A": "-0"}, DropReason.NEGATIVE),
        ({"A": "NaN"}, DropReason.NOT_AN_AMOUNT),
        ({"A": "Infinity"}, DropReason.NOT_AN_AMOUNT),
        ({"A": "1e3"}, DropReason.NOT_AN_AMOUNT),
        ({"A": "+1"}, DropReason.NOT_AN_AMOUNT),
        ({"A": " 1"}, DropReason.NOT_AN_AMOUNT),
        ({"A": "1_0"}, DropReason.NOT_AN_AMOUNT),
        ({"A": "\u0661"}, DropReason.NOT_AN_AMOUNT),
        ({"A": ""}, DropReason.NOT_AN_AMOUNT),
        ({"A": "1" * 17}, DropReason.NOT_AN_AMOUNT),
        ({"A": "0." + "1" * 13}, DropReason.NOT_AN_AMOUNT),
        ({"A": 40.66}, DropReason.WRONG_TYPE),
        ({"a": None}, DropReason.WRONG_TYPE),
        ({"b": [["1", "2"]]}, DropReason.WRONG_TYPE),
        ({"u": "7"}, DropReason.WRONG_TYPE),
        ({"u": True}, DropReason.WRONG_TYPE),
        ({"u": 7.5}, DropReason.WRONG_TYPE),
        ({"u": UPDATE_ID_MAX + 1}, DropReason.WRONG_TYPE),
        ({"u": 0}, DropReason.UPDATE_ID_NOT_POSITIVE),
        ({"u": -1}, DropReason.UPDATE_ID_NOT_POSITIVE),
        ({"b": "0"}, DropReason.BID_HALF_EMPTY),
        ({"A": "0.000"}, DropReason.ASK_HALF_EMPTY),
        ({"b": "0.0026"}, DropReason.CROSSED),
        ({"b": "0.1"}, DropReason.CROSSED),
        ({"A": "x", "code": 1, "result": None}, DropReason.NOT_AN_AMOUNT),
        *(({key: MISSING}, DropReason.MISSING_KEY) for key in ("u", "b", "B", "a", "A")),
    ],
    ids=str,
)
def test_unsound_book_ticker_is_dropped_with_reason_and_symbol(
    change: dict[str, object], reason: DropReason
) -> None:
    """An invalid book ticker is dropped with its reason and symbol, raw or combined."""
    message = {key: value for key, value in {**TICKER, **change}.items() if value is not MISSING}

    dropped = Drop(reason=reason, symbol=LTCBTC)
    assert parsed(message) == dropped
    assert parsed({"stream": "ltcbtc@bookTicker", "data": message}) == dropped


@pytest.mark.parametrize("change", [{"b": "9"}, {"b": "x"}, {"u": 0}], ids=str)
def test_a_dropped_frame_echoes_no_long_symbol(change: dict[str, object]) -> None:
    """A dropped frame names at most the first characters of a long symbol."""
    result = parsed({**TICKER, "s": "X" * 60_000, **change})

    assert isinstance(result, Drop)
    assert result.symbol == "X" * SYMBOL_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({**TICKER, "s": 5}, DropReason.WRONG_TYPE),
        ({**TICKER, "s": ""}, DropReason.WRONG_TYPE),
        ({"stream": "ltcbtc@bookTicker", "data": {"u": 1}}, DropReason.MISSING_KEY),
        ({"stream": "ltcbtc@bookTicker", "data": {**TICKER, "s": 1}}, DropReason.WRONG_TYPE),
        ({"stream": "ltcbtc@bookTicker", "data": [1]}, DropReason.WRONG_TYPE),
        ({"stream": "ethbtc@bookTicker", "data": TICKER}, DropReason.FOREIGN),
        ({"stream": 5, "data": {"u": 1}}, DropReason.FOREIGN),
        ({"stream": None, "data": TICKER}, DropReason.FOREIGN),
        ({"e": "trade", **TICKER}, DropReason.FOREIGN),
        ({"lastUpdateId": 1, "bids": [], "asks": []}, DropReason.FOREIGN),
        ({}, DropReason.FOREIGN),
        ([TICKER], DropReason.WRONG_TYPE),
        (5, DropReason.WRONG_TYPE),
        (None, DropReason.WRONG_TYPE),
    ],
    ids=str,
)
def test_frame_of_no_readable_symbol_is_dropped(message: object, reason: DropReason) -> None:
    """A frame without a readable symbol is dropped without a symbol."""
    result = parsed(message)

    assert isinstance(result, Drop)
    assert result.reason == reason


@pytest.mark.parametrize(
    ("frame", "symbol"),
    [
        (b"", None),
        (b"{", None),
        (b"\x00\xff\xfe", None),
        (json.dumps(TICKER).encode()[:-5], None),
        (json.dumps(TICKER).encode() + b"x", None),
        (b'{"s":"\xff"}', None),
        (json.dumps(TICKER).encode()[:-1] + b',"x":"\xff"}', None),
        (json.dumps(TICKER).encode()[:-1] + b',"\xed\xa0\x80":1}', None),
        (json.dumps(TICKER)[:-1] + ',"x":"\ud800"}', None),
        (b"[" * 60_000, None),
        (b'{"a":' * 12_000, None),
        (json.dumps(TICKER)[:-1] + ',"x":' + "[" * 300 + "]" * 300 + "}", None),
        (b"NaN", None),
        ("\ud800", None),
        (b'{"u":' + b"9" * 5_000 + b"}", None),
        (b'{"u":7,"s":"LTCBTC","b":"0.00', "LTCBTC"),
        ('{"u":7,"s":"LTCBTC","b":NaN}', "LTCBTC"),
        ('{"u":7,"s":"币安人生USDT","b":"0.1'.encode()[:-1] + b"\xff", "币安人生USDT"),
        (b'{"stream":"ltcbtc@bookTicker","data":{"u":40', "LTCBTC"),
        (b'{"stream":"ltcbtc@bookTicker","data":{"u":40,"s":"LTCBTC",', "LTCBTC"),
        (b'{"u":7,"s":"LTC', None),
        (b'{"u":7,"s":"","b":"0.1', None),
        (b'{"stream":"ltcbtc@trade","data":{"u":40', None),
        (b"x" * BEGINNING_CHARACTERS + b'"s":"LTCBTC"', None),
        ('{"s":"' + "L" * (SYMBOL_CHARACTERS_MAX + 1) + '"', None),
        ('{"s":"\ud800"', None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_json_is_dropped_with_the_symbol_that_its_beginning_names(
    frame: bytes | str, symbol: Symbol | None
) -> None:
    """Truncated, binary, deeply nested and unbounded texts are dropped."""
    assert parse_frame(frame, 1) == Drop(reason=DropReason.NOT_JSON, symbol=symbol)


@pytest.mark.parametrize(
    ("frame", "result"),
    [
        (json.dumps({"x": "x" * FRAME_BYTES_MAX, **TICKER}), Drop(reason=DropReason.OVERSIZED)),
        (
            COMPACT[:-1] + ',"x":"' + "x" * FRAME_BYTES_MAX + '"}',
            Drop(reason=DropReason.OVERSIZED, symbol=LTCBTC),
        ),
        (
            '{"stream":"ltcbtc@bookTicker","data":null}',
            Drop(reason=DropReason.WRONG_TYPE, symbol=LTCBTC),
        ),
        (CONTRADICTORY, Drop(reason=DropReason.CONTRADICTORY, symbol=LTCBTC)),
        (
            f'{{"stream":"ltcbtc@bookTicker","data":{CONTRADICTORY}}}',
            Drop(reason=DropReason.CONTRADICTORY, symbol=LTCBTC),
        ),
    ],
    ids=["oversized", "oversized, named", "empty", "contradictory", "contradictory, combined"],
)
def test_frame_that_is_read_no_further_names_its_symbol_in_the_same_way(
    frame: str, result: Drop
) -> None:
    """An oversized frame is not decoded, and of two readings only one may be valid."""
    assert parse_frame(frame, 1) == result


@pytest.mark.parametrize(
    ("message", "result"),
    [
        ({"result": None, "id": 1}, Acknowledgment(request_id=1, error=None)),
        ({"result": ["btcusdt@aggTrade"], "id": 3}, Acknowledgment(request_id=3, error=None)),
        (
            {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 19},
            Acknowledgment(request_id=19, error="4: Too many subscriptions"),
        ),
        (
            {"code": 2, "msg": "Invalid request: too many parameters"},
            Acknowledgment(request_id=None, error="2: Invalid request: too many parameters"),
        ),
        (
            {"code": 2, "msg": "Invalid request: invalid stream", "id": 7},
            Acknowledgment(request_id=7, error="2: Invalid request: invalid stream"),
        ),
        (
            {"error": {"code": 3, "msg": "Invalid JSON"}, "id": None},
            Acknowledgment(request_id=None, error="3: Invalid JSON"),
        ),
        ({"error": "no", "id": "x"}, Acknowledgment(request_id=None, error="no")),
        ({"result": None, "id": True}, Acknowledgment(request_id=None, error=None)),
        ({"error": [[5]], "id": 4}, Acknowledgment(request_id=4, error="unreadable")),
        ({"error": "n" * 999, "id": 4}, Acknowledgment(request_id=4, error="n" * 200)),
        ({"e": "serverShutdown", "E": 1}, ShutdownNotice()),
        ({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}, ShutdownNotice()),
        (MINI_TICKER, VenueTime(at_ms=1672515782136)),
        ({"stream": "ltcbtc@miniTicker", "data": MINI_TICKER}, VenueTime(at_ms=1672515782136)),
        ({**MINI_TICKER, "x": [1]}, VenueTime(at_ms=1672515782136)),
        ({"e": "24hrMiniTicker", "s": "LTCBTC"}, Drop(reason=DropReason.MISSING_KEY)),
        ({**MINI_TICKER, "E": None}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": "1672515782136"}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": 1672515782136.5}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": True}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": []}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": 1672515782136000}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": 10**400}, Drop(reason=DropReason.WRONG_TYPE)),
        ({**MINI_TICKER, "E": -1}, Drop(reason=DropReason.NEGATIVE)),
    ],
    ids=str,
)
def test_answers_notices_and_times_are_recognized(message: object, result: ParsedFrame) -> None:
    """Answers come with or without an id, notices in both documented forms.

    A mini ticker gives the venue's time in milliseconds and nothing else. An invalid time affects
    no quote, so it is dropped without a symbol.
    """
    assert parsed(message) == result


def test_real_frames_of_other_streams_and_venues_are_told_apart() -> None:
    """Of 125 real frames the 40 book tickers become quotes, and the others are foreign."""
    with gzip.open(find_tape_file("wire-samples.jsonl.gz"), "rt", encoding="utf-8") as lines:
        frames = [json.loads(line)["frame"] for line in lines]

    for frame in frames:
        result = parse_frame(frame, 1)
        if "@bookTicker" in frame:
            data = json.loads(frame)["data"]
            assert isinstance(result, Quote)
            assert result.update_id == data["u"]
            assert str(result.ask_quantity) == data["A"]
        else:
            assert result == Drop(reason=DropReason.FOREIGN)
    assert len(frames) == 125


@pytest.mark.parametrize("tape", ["alts10-20210405", "alts4-20210814"])
def test_every_line_of_a_real_tape_is_read_to_the_digit(tape: str) -> None:
    """Every frame of a real tape keeps all its digits."""
    with gzip.open(find_tape_file(f"{tape}.jsonl.gz"), "rb") as lines:
        for line in lines:
            raw = bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["data"])
            data = json.loads(raw)
            quote = parse_frame(raw, 5)
            assert isinstance(quote, Quote)
            assert [str(amount) for amount in amounts_of(quote)] == [
                data[key] for key in ("b", "B", "a", "A")
            ]
            stream = f"{data['s'].lower()}@bookTicker".encode()
            assert parse_frame(b'{"stream":"%b","data":%b}' % (stream, raw), 5) == quote


AMOUNTS = st.one_of(
    st.from_regex(r"-?[0-9]{0,20}(\.[0-9]{0,14})?(e[+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["0", "NaN", "-Infinity", "0.00000000", ""]),
    st.integers(),
    st.none(),
)
TICKERS = st.fixed_dictionaries(
    {},
    optional={
        "u": st.one_of(st.integers(), st.floats(allow_nan=False), st.text()),
        "s": st.one_of(st.just("LTCBTC"), st.text(), st.integers()),
        "b": AMOUNTS,
        "B": AMOUNTS,
        "a": AMOUNTS,
        "A": AMOUNTS,
        "e": st.sampled_from(["bookTicker", "trade", "serverShutdown", 1]),
        "id": st.integers(),
        "result": st.none(),
        "error": st.one_of(st.none(), st.text(), st.just({"code": 1})),
    },
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FRAMES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200),
    JSON_VALUES.map(json.dumps),
    TICKERS.map(json.dumps),
    TICKERS.map(lambda data: json.dumps({"stream": "ltcbtc@bookTicker", "data": data})),
    TICKERS.map(lambda data: json.dumps(data).encode()[:-3]),
)


@given(frame=FRAMES)
def test_no_exception_and_no_bad_amount_leaves_the_parser(frame: bytes | str) -> None:
    """No input raises, and every quote is valid and exact."""
    result = parse_frame(frame, 1)

    assert isinstance(result, ParsedFrame)
    if isinstance(result, Quote):
        assert result.malformation is None
        for amount in amounts_of(result):
            assert amount.is_finite()
            assert not amount.is_signed()
