"""Tests of ``app.simulator.venue.rest_api`` and ``app.simulator.venue.rest_query``."""

import itertools
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote as percent_encoded

import pytest
from websockets.http11 import Response

from app.simulator.market.venue_quotes import venue_quote
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.http_answers import http_answer
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import inferred_rules, listing_from_rules
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import RestApi, RestFailure, depth_levels
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
        quotes=QUOTES,
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
        ("depth", "symbol=LTCBTC&symbol=LTCBTC", -1101, "Duplicate values"),
        ("depth", "symbol=LTCBTC&x=1", -1104, "read '1' parameter(s) but was sent '2'."),
        ("time", "x=1", -1101, "Too many parameters; expected '0' and received '1'."),
        ("exchangeInfo", "symbol=NOPE", -1121, "Invalid symbol."),
        ("exchangeInfo", "symbol=LTCBTC&symbols=[]", -1128, "Combination of optional"),
        ("exchangeInfo", "symbols=LTCBTC", -1100, "parameter 'symbols'"),
        ("exchangeInfo", "symbols=[]", -1100, "parameter 'symbols'"),
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
    answer = get("klines", "symbol=LTCBTC")

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


# --- depth ---

DEPTH_QUOTE = venue_quote(
    symbol="LTCBTC",
    update_id=42,
    bid=("0.00257700", "21.46100000"),
    ask=("0.00257900", "0.00100000"),
)


def levels_of(levels_max: int = 20, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - quote fields
    """Return the depth of the quote, or of a changed quote."""
    quote = venue_quote(symbol="LTCBTC", update_id=42, **changes) if changes else DEPTH_QUOTE
    return depth_levels(quote, LISTINGS[0], levels_max)


def test_the_first_level_is_the_quote_exactly() -> None:
    """Update id, price and quantity equal the newest frame."""
    answer = levels_of(levels_max=1)

    assert answer == {
        "lastUpdateId": 42,
        "bids": [["0.00257700", "21.46100000"]],
        "asks": [["0.00257900", "0.00100000"]],
    }


def test_deeper_levels_have_worse_prices_on_the_grid() -> None:
    """Bids fall and asks rise in whole ticks, and the same quote has the same levels."""
    answer = levels_of()
    assert levels_of() == answer
    bids = [Decimal(price) for price, _ in answer["bids"]]
    asks = [Decimal(price) for price, _ in answer["asks"]]

    assert len(bids) == len(asks) == 20
    assert all(a > b for a, b in itertools.pairwise(bids))
    assert all(a < b for a, b in itertools.pairwise(asks))
    for price, quantity in answer["bids"] + answer["asks"]:
        assert Decimal(price) % LISTINGS[0].tick_size == 0
        assert Decimal(quantity) % LISTINGS[0].step_size == 0
        assert Decimal(quantity) > 0


def test_an_empty_side_has_no_levels() -> None:
    """An empty ask side leaves the bid side complete."""
    answer = levels_of(bid=("0.00257700", "21.46100000"))

    assert answer["asks"] == []
    assert len(answer["bids"]) == 20


def test_bids_end_above_zero() -> None:
    """No bid is below one tick."""
    answer = levels_of(levels_max=100, bid=("0.00000500", "1.00000000"))
    prices = [Decimal(price) for price, _ in answer["bids"]]

    assert 1 < len(prices) <= 5
    assert min(prices) >= LISTINGS[0].tick_size
