"""The REST side of the venue: GET requests of the market-data API, answered as Binance does."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from websockets.http11 import Response

from app.ports import Clock
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.market_data import payloads
from app.simulator.market_data.rest_routes import MarketDataRoutes
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.http_answers import HTML, http_answer, json_answer
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import Listing, exchange_info
from app.simulator.venue.rest_query import (
    DEPTH_LEVELS_MAX,
    Query,
    RestRefusalError,
    Route,
    depth_limit,
    mandatory_symbol,
    read_query,
    wanted_status,
    wanted_symbols,
)
from app.simulator.venue.venue_limits import VenueLimits

_NOT_FOUND: Final = "<html><body><h2>404 Not found</h2></body></html>"
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (DEPTH_LEVELS_MAX, 250))
_EXCHANGE_INFO_WEIGHT: Final = 20
_ONE_TICKER_WEIGHT: Final = 2
_ALL_TICKERS_WEIGHT: Final = 4

REST_ROOT: Final = "/api/v3/"
ENDPOINTS: Final = (
    "ping",
    "time",
    "exchangeInfo",
    "executionRules",
    "depth",
    "trades",
    "historicalTrades",
    "aggTrades",
    "klines",
    "uiKlines",
    "avgPrice",
    "ticker/24hr",
    "ticker/price",
    "ticker/bookTicker",
)
"""The endpoints that are served, below ``REST_ROOT``."""

_TIME_UNITS: Final = {"millisecond": 1, "microsecond": 1_000}


@dataclass(slots=True)
class RestFailure:
    """An answer that replaces the real ones of a path.

    Attributes:
        answer: the answer.
        times: how often it is sent; None until the failure is cleared.
    """

    answer: Response
    times: int | None


class RestApi:
    """Answers requests from the listings and the market data, which it only reads.

    ``failures`` and ``delays`` hold the faults by path. The key None applies to every path that
    has no entry.
    """

    def __init__(
        self,
        *,
        listed: ListedSymbols,
        data: Mapping[str, SymbolData],
        admission: Admission,
        clock: Clock,
        limits: VenueLimits,
    ) -> None:
        self._listed = listed
        self._data = data
        self._admission = admission
        self._clock = clock
        self._weight_max = limits.weight_per_minute_max
        self.failures: dict[str | None, RestFailure] = {}
        self.delays: dict[str | None, float] = {}
        market_data = MarketDataRoutes(find=self._symbol_data, list_all=self._all_data, clock=clock)
        routes = {
            **market_data.routes(),
            "ping": Route(known=(), weigh=lambda _: 1, answer=lambda _query, _scale: {}),
            "time": Route(known=(), weigh=lambda _: 1, answer=self._time),
            "exchangeInfo": Route(
                known=("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"),
                weigh=lambda _: _EXCHANGE_INFO_WEIGHT,
                answer=self._exchange_info,
            ),
            "depth": Route(
                known=("symbol", "limit", "symbolStatus"), weigh=_depth_weight, answer=self._depth
            ),
            "ticker/bookTicker": Route(
                known=("symbol", "symbols", "symbolStatus"),
                weigh=_ticker_weight,
                answer=self._book_ticker,
            ),
        }
        self._routes = {REST_ROOT + endpoint: routes[endpoint] for endpoint in ENDPOINTS}

    def delay_seconds(self, path: str) -> float:
        """Return the delay of the answers for a path."""
        return self.delays.get(path, self.delays.get(None, 0.0))

    def answer(
        self, path: str, query_text: str, *, address: str = "", time_unit: str | None = None
    ) -> Response:
        """Answer a GET request from a client at ``address``.

        ``time_unit`` is the header ``X-MBX-TIME-UNIT``.
        """
        failure = self._pending_failure(path)
        if failure is not None:
            return failure
        route = self._routes.get(path)
        # An unknown path gets HTML instead of JSON, as at Binance.
        if route is None:
            return http_answer(404, _NOT_FOUND, content_type=HTML)
        try:
            scale = time_scale(time_unit)
            query = read_query(query_text, known=route.known)
            answer = self._admission.spend(address, route.weigh(query))
            if answer is None:
                answer = json_answer(200, route.answer(query, scale))
        except RestRefusalError as error:
            answer = json_answer(400, {"code": error.code, "msg": error.message})
        # "Each request will contain X-MBX-USED-WEIGHT-(intervalNum)(intervalLetter) in the response
        # headers"; a refusal has them too.
        used = str(self._admission.used_weight(address))
        answer.headers["X-MBX-USED-WEIGHT"] = answer.headers["X-MBX-USED-WEIGHT-1M"] = used
        return answer

    def _pending_failure(self, path: str) -> Response | None:
        # A failure of the path itself has priority over a failure of all paths.
        key = path if path in self.failures else None
        failure = self.failures.get(key)
        if failure is None:
            return None
        if failure.times is not None:
            failure.times -= 1
            if failure.times <= 0:
                del self.failures[key]
        return failure.answer

    def _time(self, _query: Query, scale: int) -> object:
        return {"serverTime": epoch_ms(self._clock) * scale}

    def _exchange_info(self, query: Query, scale: int) -> object:
        # symbolStatus: "Cannot be used in combination with symbols or symbol".
        if "symbolStatus" in query and query.keys() & {"symbol", "symbols"}:
            raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
        symbols, status = wanted_symbols(query), wanted_status(query)
        listings = self._listings(symbols, status)
        return exchange_info(
            listings, server_time_ms=epoch_ms(self._clock) * scale, weight_limit=self._weight_max
        )

    def _depth(self, query: Query, _scale: int) -> object:
        symbol, levels_max = mandatory_symbol(query), depth_limit(query)
        data = self._symbol_data(symbol, wanted_status(query))
        return data.book.levels(data.quote, levels_max)

    def _book_ticker(self, query: Query, _scale: int) -> object:
        symbols, status = wanted_symbols(query), wanted_status(query)
        if symbols is not None and "symbol" in query:
            return payloads.book_ticker(self._symbol_data(symbols[0], status).quote)
        # Binance answers ``symbol`` with an object, and ``symbols`` with a list of any length.
        return [payloads.book_ticker(one.quote) for one in self._all_data(symbols, status)]

    def _symbol_data(self, symbol: str, status: str | None) -> SymbolData:
        return self._data[self._listing(symbol, status).symbol]

    def _all_data(self, symbols: Collection[str] | None, status: str | None) -> list[SymbolData]:
        return [self._data[one.symbol] for one in self._listings(symbols, status)]

    def _listings(self, symbols: Collection[str] | None, status: str | None) -> list[Listing]:
        """Return the listings of these symbols, or of all, with this status if one is given."""
        # "For multiple or all symbols, non-matching ones are simply excluded from the response."
        listings = (
            list(self._listed) if symbols is None else [self._listing(symbol) for symbol in symbols]
        )
        return [one for one in listings if status in {None, one.status}]

    def _listing(self, symbol: str, status: str | None = None) -> Listing:
        """Return the listing of a symbol, which must have this status if one is given."""
        listing = self._listed.get(symbol)
        if listing is None:
            raise RestRefusalError(-1121, "Invalid symbol.")
        if status not in {None, listing.status}:
            message = "The symbol's status does not match the requested symbolStatus."
            raise RestRefusalError(-1220, message)
        return listing


def time_scale(unit: str | None) -> int:
    """Return how many units of time a millisecond has.

    "Supported values: MILLISECOND, millisecond, MICROSECOND, microsecond."
    """
    if not unit:
        return 1
    scale = _TIME_UNITS.get(unit.lower()) if unit in {unit.lower(), unit.upper()} else None
    if scale is None:
        message = "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
        raise RestRefusalError(-1194, message)
    return scale


def _depth_weight(query: Query) -> int:
    levels = depth_limit(query)
    return next(weight for levels_max, weight in _DEPTH_WEIGHTS if levels <= levels_max)


def _ticker_weight(query: Query) -> int:
    return _ONE_TICKER_WEIGHT if "symbol" in query else _ALL_TICKERS_WEIGHT
