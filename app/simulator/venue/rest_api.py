"""The REST side of the venue: GET requests of the market-data API, answered as Binance does."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.ports import Clock
from app.simulator.market.depth_levels import depth_levels
from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.venue.client_admission import Admission, Refusal
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import Listing, exchange_info
from app.simulator.venue.rest_bodies import is_page
from app.simulator.venue.rest_query import (
    RestRefusalError,
    limit_of,
    mandatory_symbol,
    read_query,
    wanted_symbols,
)
from app.simulator.venue.venue_limits import VenueLimits

DEPTH_LEVELS_DEFAULT: Final = 100
DEPTH_LEVELS_MAX: Final = 5000

_JSON: Final = "application/json;charset=UTF-8"
_HTML: Final = "text/html"
_NOT_FOUND: Final = b"<html><body><h2>404 Not found</h2></body></html>"
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (DEPTH_LEVELS_MAX, 250))
_EXCHANGE_INFO_WEIGHT: Final = 20
_ONE_TICKER_WEIGHT: Final = 2
_ALL_TICKERS_WEIGHT: Final = 4

REST_ROOT: Final = "/api/v3/"
ENDPOINTS: Final = ("ping", "time", "exchangeInfo", "depth", "ticker/bookTicker")
"""What is answered, below the root."""

_Query = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestAnswer:
    """What goes back to the client."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RestFailure:
    """An answer given instead of the real one, to ``path`` or to all, ``times`` or for good."""

    status: int
    body: str
    retry_after: int | None
    path: str | None
    times: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """An endpoint: the parameters it knows, what it weighs, what it answers."""

    known: Collection[str]
    weigh: Callable[[_Query], int]
    answer: Callable[[_Query], object]


class RestApi:
    """Answers from the listings and the current quotes, which it only reads.

    Faults are by path, None standing for every path; that of the path itself comes first.
    """

    def __init__(
        self,
        *,
        listed: ListedSymbols,
        quotes: Mapping[str, VenueQuote],
        admission: Admission,
        clock: Clock,
        limits: VenueLimits,
    ) -> None:
        self._listed = listed
        self._quotes = quotes
        self._admission = admission
        self._clock = clock
        self._weight_max = limits.weight_per_minute_max
        self.failures: dict[str | None, RestFailure] = {}
        self.delays: dict[str | None, float] = {}
        routes = {
            "ping": _Route(known=(), weigh=lambda _: 1, answer=lambda _: {}),
            "time": _Route(known=(), weigh=lambda _: 1, answer=self._time),
            "exchangeInfo": _Route(
                known=("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"),
                weigh=lambda _: _EXCHANGE_INFO_WEIGHT,
                answer=self._exchange_info,
            ),
            "depth": _Route(known=("symbol", "limit"), weigh=_depth_weight, answer=self._depth),
            "ticker/bookTicker": _Route(
                known=("symbol", "symbols"), weigh=_ticker_weight, answer=self._book_ticker
            ),
        }
        self._routes = {REST_ROOT + endpoint: routes[endpoint] for endpoint in ENDPOINTS}

    def fail(self, failure: RestFailure) -> None:
        """Answer its path with a failure from now on."""
        self.failures[failure.path] = failure

    def delay_seconds(self, path: str) -> float:
        """Return how long an answer is held back."""
        return self.delays.get(path, self.delays.get(None, 0.0))

    def answer(self, path: str, query_text: str, *, address: str = "") -> RestAnswer:
        """Answer a GET request of a client at ``address``."""
        failure = self._pending_failure(path)
        if failure is not None:
            return failure
        route = self._routes.get(path)
        if route is None:
            return RestAnswer(status=404, body=_NOT_FOUND, content_type=_HTML)
        try:
            query = read_query(query_text, known=route.known)
            refused = self._admission.spend(address, route.weigh(query))
            if refused is None:
                answer = RestAnswer(status=200, body=_dump(route.answer(query)))
            else:
                answer = refusal_answer(refused)
        except RestRefusalError as error:
            answer = RestAnswer(status=400, body=_dump({"code": error.code, "msg": error.message}))
        used = str(self._admission.used_weight(address))
        answer.headers["X-MBX-USED-WEIGHT"] = answer.headers["X-MBX-USED-WEIGHT-1M"] = used
        return answer

    def _pending_failure(self, path: str) -> RestAnswer | None:
        failure = self.failures.get(path) or self.failures.get(None)
        if failure is None:
            return None
        if failure.times is not None:
            failure.times -= 1
            if failure.times <= 0:
                del self.failures[failure.path]
        headers = {} if failure.retry_after is None else {"Retry-After": str(failure.retry_after)}
        content_type = _HTML if is_page(failure.body) else _JSON
        return RestAnswer(
            status=failure.status,
            body=failure.body.encode(),
            content_type=content_type,
            headers=headers,
        )

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _time(self, _: _Query) -> object:
        return {"serverTime": self._now_ms()}

    def _exchange_info(self, query: _Query) -> object:
        symbols = wanted_symbols(query)
        listings = (
            list(self._listed) if symbols is None else [self._listing(symbol) for symbol in symbols]
        )
        if "symbolStatus" in query:
            listings = [one for one in listings if one.status == query["symbolStatus"]]
        return exchange_info(listings, server_time_ms=self._now_ms(), weight_limit=self._weight_max)

    def _depth(self, query: _Query) -> object:
        listing = self._listing(mandatory_symbol(query))
        levels_max = limit_of(query, default=DEPTH_LEVELS_DEFAULT, most=DEPTH_LEVELS_MAX)
        return depth_levels(self._quotes[listing.symbol], listing, levels_max)

    def _book_ticker(self, query: _Query) -> object:
        symbols = wanted_symbols(query)
        if symbols is None:
            return [_ticker(self._quotes[one.symbol]) for one in self._listed]
        tickers = [_ticker(self._quotes[self._listing(symbol).symbol]) for symbol in symbols]
        return tickers[0] if "symbol" in query else tickers

    def _listing(self, symbol: str) -> Listing:
        listing = self._listed.get(symbol)
        if listing is None:
            raise RestRefusalError(-1121, "Invalid symbol.")
        return listing


def refusal_answer(refusal: Refusal) -> RestAnswer:
    """Answer a request, or a handshake, of an address that is not served."""
    headers = {"Retry-After": str(refusal.retry_after_seconds)}
    return RestAnswer(status=refusal.status, body=_dump(refusal.body), headers=headers)


def _ticker(quote: VenueQuote) -> dict[str, str]:
    return {
        "symbol": quote.symbol,
        "bidPrice": quote.bid_price,
        "bidQty": quote.bid_quantity,
        "askPrice": quote.ask_price,
        "askQty": quote.ask_quantity,
    }


def _depth_weight(query: _Query) -> int:
    levels = limit_of(query, default=DEPTH_LEVELS_DEFAULT, most=DEPTH_LEVELS_MAX)
    return next(weight for levels_max, weight in _DEPTH_WEIGHTS if levels <= levels_max)


def _ticker_weight(query: _Query) -> int:
    return _ONE_TICKER_WEIGHT if "symbol" in query else _ALL_TICKERS_WEIGHT


def _dump(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
