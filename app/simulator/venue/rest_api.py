"""The REST side of the venue: GET requests of the market-data API, answered as Binance does.

Only the best levels are part of a market. The deeper levels of a depth answer are derived from the
symbol, its steps and the quantities at the best levels, so the same quote has the same depth.
"""

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from websockets.http11 import Response

from app.domain.amounts import EXACT, ZERO
from app.ports import Clock
from app.simulator.market.venue_quotes import VenueQuote, epoch_ms, wire_amount
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.http_answers import HTML, http_answer, json_answer
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import Listing, exchange_info
from app.simulator.venue.rest_query import (
    DEPTH_LEVELS_MAX,
    RestRefusalError,
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
ENDPOINTS: Final = ("ping", "time", "exchangeInfo", "depth", "ticker/bookTicker")
"""The endpoints that are served, below ``REST_ROOT``."""

_Query = dict[str, str]


@dataclass(slots=True)
class RestFailure:
    """An answer that replaces the real ones of a path.

    Attributes:
        answer: the answer.
        times: how often it is sent; None until the failure is cleared.
    """

    answer: Response
    times: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """An endpoint: its parameters, its weight and its answer."""

    known: Collection[str]
    weigh: Callable[[_Query], int]
    answer: Callable[[_Query], object]


class RestApi:
    """Answers requests from the listings and the current quotes, which it only reads.

    ``failures`` and ``delays`` hold the faults by path. The key None applies to every path that
    has no entry.
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
            "depth": _Route(
                known=("symbol", "limit", "symbolStatus"), weigh=_depth_weight, answer=self._depth
            ),
            "ticker/bookTicker": _Route(
                known=("symbol", "symbols", "symbolStatus"),
                weigh=_ticker_weight,
                answer=self._book_ticker,
            ),
        }
        self._routes = {REST_ROOT + endpoint: routes[endpoint] for endpoint in ENDPOINTS}

    def delay_seconds(self, path: str) -> float:
        """Return the delay of the answers for a path."""
        return self.delays.get(path, self.delays.get(None, 0.0))

    def answer(self, path: str, query_text: str, *, address: str = "") -> Response:
        """Answer a GET request from a client at ``address``."""
        failure = self._pending_failure(path)
        if failure is not None:
            return failure
        route = self._routes.get(path)
        # An unknown path gets HTML instead of JSON, as at Binance.
        if route is None:
            return http_answer(404, _NOT_FOUND, content_type=HTML)
        try:
            query = read_query(query_text, known=route.known)
            answer = self._admission.spend(address, route.weigh(query))
            if answer is None:
                answer = json_answer(200, route.answer(query))
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

    def _time(self, _: _Query) -> object:
        return {"serverTime": epoch_ms(self._clock)}

    def _exchange_info(self, query: _Query) -> object:
        # symbolStatus: "Cannot be used in combination with symbols or symbol".
        if "symbolStatus" in query and query.keys() & {"symbol", "symbols"}:
            raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
        symbols, status = wanted_symbols(query), wanted_status(query)
        listings = self._listings(symbols, status)
        return exchange_info(
            listings, server_time_ms=epoch_ms(self._clock), weight_limit=self._weight_max
        )

    def _depth(self, query: _Query) -> object:
        symbol, levels_max = mandatory_symbol(query), depth_limit(query)
        listing = self._listing(symbol, wanted_status(query))
        return depth_levels(self._quotes[listing.symbol], listing, levels_max)

    def _book_ticker(self, query: _Query) -> object:
        symbols, status = wanted_symbols(query), wanted_status(query)
        if symbols is not None and "symbol" in query:
            return _ticker(self._quotes[self._listing(symbols[0], status).symbol])
        # Binance answers ``symbol`` with an object, and ``symbols`` with a list of any length.
        return [_ticker(self._quotes[one.symbol]) for one in self._listings(symbols, status)]

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


def _ticker(quote: VenueQuote) -> dict[str, str]:
    return {
        "symbol": quote.symbol,
        "bidPrice": quote.bid_price,
        "bidQty": quote.bid_quantity,
        "askPrice": quote.ask_price,
        "askQty": quote.ask_quantity,
    }


def _depth_weight(query: _Query) -> int:
    levels = depth_limit(query)
    return next(weight for levels_max, weight in _DEPTH_WEIGHTS if levels <= levels_max)


def _ticker_weight(query: _Query) -> int:
    return _ONE_TICKER_WEIGHT if "symbol" in query else _ALL_TICKERS_WEIGHT


# --- depth ----------------------------------------------------------------------------------------

_GAP_TICKS_MAX: Final = 3
_FINEST: Final = Decimal("0.00000001")

Level = list[str]


def depth_levels(quote: VenueQuote, listing: Listing, levels_max: int) -> dict[str, object]:
    """Return the answer to ``GET /api/v3/depth``; an empty side has no levels."""
    typical = max(Decimal(quote.bid_quantity), Decimal(quote.ask_quantity))
    levels = partial(_levels, listing=listing, typical=typical, levels_max=levels_max)
    return {
        "lastUpdateId": quote.update_id,
        "bids": levels([quote.bid_price, quote.bid_quantity], direction=-1),
        "asks": levels([quote.ask_price, quote.ask_quantity], direction=1),
    }


def _levels(
    best: Level, *, listing: Listing, typical: Decimal, levels_max: int, direction: int
) -> list[Level]:
    """Return the levels of a side, starting with the best one."""
    price = Decimal(best[0])
    if price == ZERO:
        return []
    # A filter may have a step of 0, which disables the rule at Binance.
    tick = listing.tick_size or _FINEST
    step = listing.step_size or _FINEST
    levels = [best]
    while len(levels) < levels_max:
        digest = zlib.crc32(f"{listing.symbol}{levels[-1][0]}{direction}".encode())
        ticks = direction * (1 + digest % _GAP_TICKS_MAX)
        price = EXACT.fma(tick, Decimal(ticks), price)
        # A bid cannot be below one tick, so a cheap symbol has fewer levels than asked for.
        if price < tick:
            break
        levels.append([wire_amount(price), wire_amount(_quantity(typical, step, digest))])
    return levels


def _quantity(typical: Decimal, step: Decimal, digest: int) -> Decimal:
    """Return 0.5 to 2.5 times the typical quantity, in whole steps and at least one step."""
    share = Decimal(50 + (digest >> 8) % 200).scaleb(-2)
    steps = EXACT.divide_int(EXACT.multiply(typical, share), step)
    return EXACT.multiply(max(steps, Decimal(1)), step)
