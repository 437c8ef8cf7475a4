"""The REST endpoints of derived market data: their parameters, weights and answers.

Parameters and weights come from "Market Data endpoints" of Binance's documentation. ``startTime``
and ``endTime`` may be in milliseconds or microseconds; their size tells the unit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from app.ports import Clock
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.market_data import payloads
from app.simulator.market_data.candles import INTERVALS, Candle
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.market_data.trades import Trade
from app.simulator.venue.rest_query import (
    Query,
    RestRefusalError,
    Route,
    mandatory,
    mandatory_symbol,
    page_limit,
    wanted_status,
    wanted_symbols,
    whole_number,
)

_DAY_TICKER_WEIGHTS: Final = ((20, 2), (100, 40))
_ALL_DAY_TICKERS_WEIGHT: Final = 80

_MICROSECONDS_FROM: Final = 10**14
"""A time of at least this is in microseconds: in milliseconds it would lie in the year 5138."""

_TIME_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?")
_MINUTE_MS: Final = 60_000
_ZONE_HOURS: Final = (-12, 14)

FindData = Callable[[str, str | None], SymbolData]
"""Returns the data of a symbol, which must have a status if one is given; refuses others."""

ListData = Callable[[Sequence[str] | None, str | None], list[SymbolData]]
"""Returns the data of some or all symbols, of those with a status if one is given."""


class MarketDataRoutes:
    """The routes by endpoint below ``/api/v3/``."""

    def __init__(self, *, find: FindData, list_all: ListData, clock: Clock) -> None:
        self._find = find
        self._list = list_all
        self._clock = clock

    def routes(self) -> Mapping[str, Route]:
        """Return all routes."""
        candles = Route(
            known=("symbol", "interval", "startTime", "endTime", "timeZone", "limit"),
            weigh=lambda _: 2,
            answer=self._candles,
        )
        return {
            "trades": Route(
                known=("symbol", "limit"), weigh=lambda _: 25, answer=self._recent_trades
            ),
            "historicalTrades": Route(
                known=("symbol", "limit", "fromId"), weigh=lambda _: 25, answer=self._older_trades
            ),
            "aggTrades": Route(
                known=("symbol", "fromId", "startTime", "endTime", "limit"),
                weigh=lambda _: 4,
                answer=self._aggregate_trades,
            ),
            "klines": candles,
            "uiKlines": candles,
            "avgPrice": Route(known=("symbol",), weigh=lambda _: 2, answer=self._average_price),
            "ticker/24hr": Route(
                known=("symbol", "symbols", "type", "symbolStatus"),
                weigh=_day_ticker_weight,
                answer=self._day_tickers,
            ),
            "ticker/price": Route(
                known=("symbol", "symbols", "symbolStatus"),
                weigh=lambda query: 2 if "symbol" in query else 4,
                answer=self._prices,
            ),
            "executionRules": Route(
                known=("symbol", "symbols", "symbolStatus"),
                weigh=_execution_rules_weight,
                answer=self._execution_rules,
            ),
        }

    def _one(self, query: Query) -> SymbolData:
        return self._find(mandatory_symbol(query), None)

    def _recent_trades(self, query: Query, scale: int) -> object:
        limit, data = page_limit(query), self._one(query)
        return [payloads.rest_trade(one, scale) for one in list(data.trades.recent)[-limit:]]

    def _older_trades(self, query: Query, scale: int) -> object:
        limit, first_id, data = page_limit(query), whole_number(query, "fromId"), self._one(query)
        return [payloads.rest_trade(one, scale) for one in _page(data, first_id, limit)]

    def _aggregate_trades(self, query: Query, scale: int) -> object:
        limit, first_id = page_limit(query), whole_number(query, "fromId")
        start_ms, end_ms = _time(query, "startTime"), _time(query, "endTime")
        data = self._one(query)
        if first_id is not None:
            # "If fromId is sent, startTime and endTime cannot be sent": the combination is refused.
            if start_ms is not None or end_ms is not None:
                raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
            found = _page(data, first_id, limit)
        else:
            within = [one for one in data.trades.recent if _is_within(one.at_ms, start_ms, end_ms)]
            # "If startTime is sent, the oldest are returned first"; else the newest.
            found = within[:limit] if start_ms is not None else within[-limit:]
        return [payloads.rest_aggregate_trade(one, scale) for one in found]

    def _candles(self, query: Query, scale: int) -> object:
        symbol, interval = mandatory_symbol(query), mandatory(query, "interval")
        if interval not in INTERVALS:
            raise RestRefusalError(-1120, "Invalid interval.")
        start_ms, end_ms = _time(query, "startTime"), _time(query, "endTime")
        offset_ms, limit = _time_zone(query), page_limit(query)
        data = self._find(symbol, None)
        candles = data.candles.list(interval, now_ms=epoch_ms(self._clock), offset_ms=offset_ms)
        within = [one for one in candles if _is_within(one.open_ms, start_ms, end_ms)]
        # Without a startTime "the most recent klines are returned".
        found: list[Candle] = within[:limit] if start_ms is not None else within[-limit:]
        return [payloads.rest_candle(one, interval, offset_ms, scale) for one in found]

    def _average_price(self, query: Query, scale: int) -> object:
        data = self._one(query)
        return payloads.average_price(data, now_ms=epoch_ms(self._clock), scale=scale)

    def _day_tickers(self, query: Query, scale: int) -> object:
        form = query.get("type", "FULL")
        if form not in {"FULL", "MINI"}:
            raise RestRefusalError(-1130, "Data sent for parameter 'type' is not valid.")
        now_ms, is_full = epoch_ms(self._clock), form == "FULL"

        def ticker(data: SymbolData) -> object:
            return payloads.rest_ticker(data, now_ms=now_ms, scale=scale, is_full=is_full)

        return self._one_or_list(query, ticker)

    def _prices(self, query: Query, _scale: int) -> object:
        return self._one_or_list(query, payloads.price_ticker)

    def _execution_rules(self, query: Query, _scale: int) -> object:
        if len(query) > 1:
            raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
        symbols, status = wanted_symbols(query), wanted_status(query)
        listed = self._list(symbols, status)
        return {"symbolRules": [{"symbol": one.quote.symbol, "rules": []} for one in listed]}

    def _one_or_list(self, query: Query, answer: Callable[[SymbolData], object]) -> object:
        """Return an object for ``symbol``, and a list for ``symbols`` or for all."""
        symbols, status = wanted_symbols(query), wanted_status(query)
        if symbols is not None and "symbol" in query:
            return answer(self._find(symbols[0], status))
        return [answer(one) for one in self._list(symbols, status)]


def _page(data: SymbolData, first_id: int | None, limit: int) -> list[Trade]:
    """Return trades from an id on, or the newest ones without an id."""
    recent = list(data.trades.recent)
    if first_id is None:
        return recent[-limit:]
    return [one for one in recent if one.trade_id >= first_id][:limit]


def _time(query: Query, name: str) -> int | None:
    """Return a time in milliseconds; None if it is missing."""
    time = whole_number(query, name)
    return time // 1_000 if time is not None and time >= _MICROSECONDS_FROM else time


def _is_within(at_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or at_ms >= start_ms) and (end_ms is None or at_ms <= end_ms)


def _time_zone(query: Query) -> int:
    """Return the parameter ``timeZone``, hours from -12:00 to +14:00, in milliseconds."""
    text = query.get("timeZone", "0")
    found = _TIME_ZONE.fullmatch(text)
    if found is None:
        raise RestRefusalError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    if found[1] == "-":
        minutes = -minutes
    if not _ZONE_HOURS[0] * 60 <= minutes <= _ZONE_HOURS[1] * 60:
        raise RestRefusalError(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return minutes * _MINUTE_MS


def _day_ticker_weight(query: Query) -> int:
    """Return the weight by the number of symbols."""
    symbols = wanted_symbols(query)
    if symbols is None:
        return _ALL_DAY_TICKERS_WEIGHT
    weights = (weight for most, weight in _DAY_TICKER_WEIGHTS if len(symbols) <= most)
    return next(weights, _ALL_DAY_TICKERS_WEIGHT)


def _execution_rules_weight(query: Query) -> int:
    """Return 2 for each symbol, at most 40."""
    symbols = wanted_symbols(query)
    return 40 if symbols is None else min(2 * len(symbols), 40)
