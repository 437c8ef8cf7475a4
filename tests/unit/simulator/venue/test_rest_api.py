"""Tests of ``app.simulator.venue.rest_api`` and ``app.simulator.venue.rest_query``."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote as percent_encoded

import pytest
from websockets.http11 import Response

from app.simulator.market.venue_quotes import venue_quote
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.http_answers import http_answer
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import inferred_rules, listing_from_rules
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import RestApi, RestFailure
from app.simulator.venue.venue_limits import VenueLimits
from tests.support.hand_driven import HandClock

SYMBOLS = ("LTCBTC", "ETHBTC", "币安人生USDT")
LISTINGS = [
    listing_from_rules(
        inferred_rules(symbol, tick_size=Decimal("0.000001"), step_size=Decimal("0.001"))
    )
    for symbol in SYMBOLS
]
QUOTES = {
    symbol: venue_quote(
        symbol=symbol, update_id=42, bid=("0.00257700", "1.00000000"), ask=("0.0025800", "2.0000")
    )
    for symbol in SYMBOLS
}

OPENED_MS = 1_723_161_200_000
"""54 seconds before the clock of the tests."""


def make_api(
    *,
    weight_max: int = 6000,
    clock: HandClock | None = None,
    listed: ListedSymbols | None = None,
) -> RestApi:
    """Return the REST side of a venue with three symbols."""
    clock = clock or HandClock()
    limits = VenueLimits(weight_per_minute_max=weight_max)
    return RestApi(
        listed=listed or ListedSymbols(LISTINGS),
        data={one.symbol: SymbolData(one, QUOTES[one.symbol], at_ms=OPENED_MS) for one in LISTINGS},
        admission=Admission(clock=clock, limits=limits, observations=Observations()),
        clock=clock,
        limits=limits,
    )


def get(path: str, query: str = "", *, api: RestApi | None = None) -> Response:
    """Send a GET request to a path under ``/api/v3``."""
    return (api or make_api()).answer(f"/api/v3/{path}", query)


def body_of(answer: Response) -> Any:  # noqa: ANN401 - JSON
    """Return the body of an answer."""
    return json.loads(answer.body)


def test_ping_and_time_answer() -> None:
    """The time comes from the clock, in milliseconds."""
    assert body_of(get("ping")) == {}
    assert body_of(get("time")) == {"serverTime": 1_723_161_254_000}


def test_depth_has_a_hundred_levels_unless_told_otherwise_and_5000_at_most() -> None:
    """A greater limit is silently reduced to 5,000."""
    assert len(body_of(get("depth", "symbol=LTCBTC"))["asks"]) == 100
    assert len(body_of(get("depth", "symbol=LTCBTC&limit=99999"))["asks"]) == 5000


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("symbol=" + percent_encoded(SYMBOLS[2]), [SYMBOLS[2]]),
        ("symbols=" + percent_encoded('["LTCBTC","ETHBTC"]'), ["LTCBTC", "ETHBTC"]),
        ("", list(SYMBOLS)),
    ],
    ids=["one", "some", "all"],
)
def test_one_some_and_all_symbols_are_answered(query: str, symbols: list[str]) -> None:
    """Symbols may have characters outside ASCII. Only one symbol has a ticker without a list."""
    listed = body_of(get("exchangeInfo", query))["symbols"]
    tickers = body_of(get("ticker/bookTicker", query))
    if len(symbols) == 1:
        tickers = [tickers]

    assert [entry["symbol"] for entry in listed] == symbols
    assert [ticker["symbol"] for ticker in tickers] == symbols
    assert list(tickers[0]) == ["symbol", "bidPrice", "bidQty", "askPrice", "askQty"]


@pytest.mark.parametrize("status", ["BREAK", "HALT", "END_OF_DAY"])
def test_a_status_is_asked_for(status: str) -> None:
    """Only one symbol that has another status is refused; lists leave it out."""
    listed = ListedSymbols(LISTINGS)
    listed.set_status("ETHBTC", status)
    api = make_api(listed=listed)

    def symbols_of(path: str, query: str) -> list[str]:
        body = body_of(get(path, query, api=api))
        entries = body["symbols"] if isinstance(body, dict) else body
        return [entry["symbol"] for entry in entries]

    some = percent_encoded('["ETHBTC","LTCBTC"]')
    trading = ["LTCBTC", SYMBOLS[2]]
    assert symbols_of("exchangeInfo", "symbolStatus=TRADING") == trading
    assert symbols_of("ticker/bookTicker", "symbolStatus=TRADING") == trading
    assert symbols_of("ticker/bookTicker", f"symbols={some}&symbolStatus=TRADING") == ["LTCBTC"]
    assert symbols_of("ticker/bookTicker", f"symbols={some}") == ["ETHBTC", "LTCBTC"]
    for path in ("depth", "ticker/bookTicker"):
        refused = body_of(get(path, "symbol=ETHBTC&symbolStatus=TRADING", api=api))
        assert refused["code"] == -1220
        assert "code" not in body_of(get(path, "symbol=ETHBTC", api=api))
        assert "code" not in body_of(get(path, "symbol=LTCBTC&symbolStatus=TRADING", api=api))


@pytest.mark.parametrize(
    ("path", "query", "code", "text"),
    [
        ("depth", "", -1102, "Mandatory parameter 'symbol' was not sent"),
        ("depth", "symbol=", -1102, "Mandatory parameter 'symbol' was not sent"),
        ("depth", "symbol=NOPE", -1121, "Invalid symbol."),
        ("depth", "symbol=ltcbtc", -1100, "Illegal characters found in parameter 'symbol'"),
        ("depth", "symbol=LTC%2FBTC", -1100, "legal range is '^[\\w\\-._&&[^a-z]]{1,50}$'."),
        ("depth", "symbol=LTCBTC&limit=abc", -1100, "parameter 'limit'; legal range is '^[0-9]"),
        ("depth", "symbol=LTCBTC&limit=-5", -1100, "parameter 'limit'"),
        ("depth", "symbol=LTCBTC&limit=0", -1130, "parameter 'limit' is not valid"),
        ("depth", "symbol=LTCBTC&limit=", -1105, "Parameter 'limit' was empty."),
        ("depth", "symbol=LTCBTC&limit=99999999999", -1108, "Parameter 'limit' overflowed."),
        ("depth", "symbols=%5B%22LTCBTC%22%5D", -1104, "read '0' parameter(s)"),
        ("depth", "symbol=LTCBTC&symbol=LTCBTC", -1101, "Duplicate values"),
        ("depth", "symbol=LTCBTC&x=1", -1104, "read '1' parameter(s) but was sent '2'."),
        ("time", "x=1", -1101, "Too many parameters; expected '0' and received '1'."),
        ("exchangeInfo", "symbol=NOPE", -1121, "Invalid symbol."),
        ("exchangeInfo", "symbol=LTCBTC&symbols=[]", -1128, "Combination of optional"),
        ("exchangeInfo", "symbols=LTCBTC", -1100, "parameter 'symbols'"),
        ("exchangeInfo", "symbols=[]", -1105, "Parameter 'symbols' was empty."),
        ("exchangeInfo", "symbols=", -1105, "Parameter 'symbols' was empty."),
        ("exchangeInfo", 'symbols=["LTCBTC", "ETHBTC"]', -1100, "parameter 'symbols'"),
        ("exchangeInfo", 'symbols=["LTCBTC","LTCBTC"]', -1101, "Duplicate values"),
        ("exchangeInfo", 'symbols=["LTCBTC",]', -1100, "parameter 'symbols'"),
        ("ticker/bookTicker", 'symbols=[ "LTCBTC"]', -1100, "parameter 'symbols'"),
        ("exchangeInfo", "symbols=" + "[" * 15_000, -1100, "parameter 'symbols'"),
        ("exchangeInfo", 'symbols=["ltcbtc"]', -1100, "parameter 'symbols'"),
        ("exchangeInfo", "symbol=LTCBTC&symbolStatus=TRADING", -1128, "Combination of optional"),
        ("exchangeInfo", "symbolStatus=END_OF_DAY", -1122, "Invalid symbolStatus."),
        ("depth", "symbol=LTCBTC&symbolStatus=", -1122, "Invalid symbolStatus."),
        ("depth", "symbol=LTCBTC&symbolStatus=HALT", -1220, "does not match the requested"),
        ("ticker/bookTicker", "symbol=LTCBTC&symbolStatus=BREAK", -1220, "does not match"),
        ("ticker/bookTicker", "symbolStatus=trading", -1122, "Invalid symbolStatus."),
        ("ticker/bookTicker", 'symbols=["LTCBTC","NOPE"]', -1121, "Invalid symbol."),
        ("ticker/bookTicker", 'symbols=["NOPE"]&symbolStatus=TRADING', -1121, "Invalid symbol."),
        ("ticker/24hr", "symbol=LTCBTC&type=HALF", -1130, "parameter 'type' is not valid"),
        ("ticker/24hr", "symbol=LTCBTC&symbolStatus=HALT", -1220, "does not match"),
        ("ticker/price", "symbol=LTCBTC&symbols=[]", -1128, "Combination of optional"),
        ("klines", "symbol=LTCBTC", -1102, "Mandatory parameter 'interval'"),
        ("klines", "symbol=LTCBTC&interval=7m", -1120, "Invalid interval."),
        ("klines", "symbol=LTCBTC&interval=1M&limit=0", -1130, "parameter 'limit' is not valid"),
        ("klines", "symbol=LTCBTC&interval=1m&startTime=x", -1100, "parameter 'startTime'"),
        ("klines", "symbol=LTCBTC&interval=1m&endTime=", -1105, "Parameter 'endTime' was empty."),
        ("klines", "symbol=LTCBTC&interval=1m&timeZone=15", -1130, "parameter 'timeZone'"),
        ("klines", "symbol=LTCBTC&interval=1m&timeZone=Z", -1130, "parameter 'timeZone'"),
        ("uiKlines", "symbol=NOPE&interval=1m", -1121, "Invalid symbol."),
        ("trades", "limit=5", -1102, "Mandatory parameter 'symbol'"),
        ("trades", "symbol=LTCBTC&limit=99999999999999999999", -1108, "'limit' overflowed."),
        ("historicalTrades", "symbol=LTCBTC&fromId=-1", -1100, "parameter 'fromId'"),
        ("aggTrades", "symbol=LTCBTC&fromId=1&startTime=1", -1128, "Combination of optional"),
        ("avgPrice", "", -1102, "Mandatory parameter 'symbol'"),
        ("executionRules", "symbol=LTCBTC&symbolStatus=TRADING", -1128, "Combination"),
    ],
)
def test_a_bad_request_is_refused_in_binances_words(
    path: str, query: str, code: int, text: str
) -> None:
    """The answer has status 400 with Binance's code and text."""
    answer = get(path, query)

    assert answer.status_code == 400
    assert body_of(answer)["code"] == code
    assert text in body_of(answer)["msg"]


def test_an_unknown_path_is_not_found() -> None:
    """The answer is HTML, as at Binance."""
    answer = get("ticker/tradingDay", "symbol=LTCBTC")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("ping", "", 1),
        ("exchangeInfo", "", 20),
        ("depth", "symbol=LTCBTC&limit=5", 5),
        ("depth", "symbol=LTCBTC&limit=101", 25),
        ("depth", "symbol=LTCBTC&limit=1000", 50),
        ("depth", "symbol=LTCBTC&limit=5000", 250),
        ("ticker/bookTicker", "symbol=LTCBTC", 2),
        ("ticker/bookTicker", "", 4),
        ("trades", "symbol=LTCBTC", 25),
        ("historicalTrades", "symbol=LTCBTC", 25),
        ("aggTrades", "symbol=LTCBTC", 4),
        ("klines", "symbol=LTCBTC&interval=1m", 2),
        ("avgPrice", "symbol=LTCBTC", 2),
        ("ticker/24hr", "symbol=LTCBTC", 2),
        ("ticker/24hr", 'symbols=["LTCBTC","ETHBTC"]', 2),
        ("ticker/24hr", "", 80),
        ("ticker/price", "symbol=LTCBTC", 2),
        ("ticker/price", "", 4),
        ("executionRules", 'symbols=["LTCBTC","ETHBTC"]', 4),
        ("executionRules", "", 40),
    ],
)
def test_a_request_weighs_what_it_weighs_at_binance(path: str, query: str, weight: int) -> None:
    """The headers of each answer show the used weight."""
    headers = get(path, query).headers

    assert headers["X-MBX-USED-WEIGHT-1M"] == headers["X-MBX-USED-WEIGHT"] == str(weight)


def test_too_much_weight_is_429_with_retry_after_until_the_minute_is_over() -> None:
    """The body is the recorded one with this venue's limit, and the next minute is free."""
    clock = HandClock()
    api = make_api(weight_max=20, clock=clock)
    assert get("exchangeInfo", api=api).status_code == 200
    refused = get("ping", api=api)
    clock.advance(60)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "46"
    assert body_of(refused) == {
        "code": -1003,
        "msg": "Too much request weight used; current limit is 20 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API.",
    }
    assert get("ping", api=api).status_code == 200


def test_a_failure_is_answered_as_often_as_told() -> None:
    """Later answers are normal again, and have the used weight again."""
    api = make_api()
    api.failures[None] = RestFailure(http_answer(418, headers={"Retry-After": "720"}), times=2)
    answers = [get("ping", api=api) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [418, 418, 200]
    assert answers[0].headers["Retry-After"] == "720"


def test_a_failure_can_be_for_one_path_without_a_limit() -> None:
    """Other paths answer normally, and so does this path after the failure."""
    api = make_api()
    api.failures["/api/v3/depth"] = RestFailure(http_answer(502), times=None)

    assert get("ping", api=api).status_code == 200
    failed = [get("depth", "symbol=LTCBTC", api=api) for _ in range(3)]
    assert {one.status_code for one in failed} == {502}
    api.failures.clear()
    assert get("depth", "symbol=LTCBTC", api=api).status_code == 200


@pytest.mark.parametrize(("unit", "scale"), [("MICROSECOND", 1_000), ("millisecond", 1)])
def test_a_client_chooses_the_unit_of_times(unit: str, scale: int) -> None:
    """The header X-MBX-TIME-UNIT has effect on every time of an answer."""

    def body(path: str, query: str = "") -> Any:  # noqa: ANN401 - JSON
        return body_of(make_api().answer(f"/api/v3/{path}", query, time_unit=unit))

    (candle,) = body("klines", "symbol=LTCBTC&interval=1h")
    assert body("time") == {"serverTime": 1_723_161_254_000 * scale}
    assert body("trades", "symbol=LTCBTC")[0]["time"] == OPENED_MS * scale
    assert body("aggTrades", "symbol=LTCBTC")[0]["T"] == OPENED_MS * scale
    assert candle[0] == 1_723_158_000_000 * scale
    assert candle[6] == (1_723_158_000_000 + 3_600_000) * scale - 1
    assert body("ticker/24hr", "symbol=LTCBTC")["closeTime"] == 1_723_161_254_000 * scale


def test_an_unknown_unit_of_times_is_refused() -> None:
    """Binance takes two units, each in upper or lower case."""
    for unit in ("SECOND", "Millisecond"):
        answer = make_api().answer("/api/v3/time", "", time_unit=unit)
        assert body_of(answer)["code"] == -1194
