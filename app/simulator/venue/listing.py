"""A listed symbol and its entry in exchangeInfo.

An entry has the form of the live answer of August 2025: ``permissionSets`` instead of
``permissions``, ``amendAllowed``, ``otoAllowed``, and NOTIONAL instead of MIN_NOTIONAL.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.domain.order import Symbol
from app.domain.rules import TRADING, TradingRules
from app.simulator.market.venue_quotes import wire_amount

HALTED: Final = "BREAK"
"""Binance's status of a symbol whose trading is stopped, often permanently."""

QUOTE_ASSETS: Final = "USDT USDC FDUSD TUSD BUSD BTC ETH BNB EUR TRY BRL AUD JPY USD"
"""Quote assets, tried in this order to split a symbol into its assets."""

_ORDER_TYPES: Final = (
    "LIMIT LIMIT_MAKER MARKET STOP_LOSS STOP_LOSS_LIMIT TAKE_PROFIT TAKE_PROFIT_LIMIT"
)
_SELF_TRADE_PREVENTION: Final = "EXPIRE_TAKER EXPIRE_MAKER EXPIRE_BOTH DECREMENT"


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol's entry in exchangeInfo."""

    entry: dict[str, Any]

    @property
    def symbol(self) -> str:
        """The symbol."""
        return str(self.entry["symbol"])

    @property
    def status(self) -> str:
        """``TRADING``, ``BREAK`` or another status of Binance."""
        return str(self.entry["status"])

    @property
    def is_trading(self) -> bool:
        """Whether the symbol trades."""
        return self.status == TRADING

    @property
    def tick_size(self) -> Decimal:
        """The step of its prices."""
        return self._step("PRICE_FILTER", "tickSize")

    @property
    def step_size(self) -> Decimal:
        """The step of its quantities."""
        return self._step("LOT_SIZE", "stepSize")

    def _step(self, filter_type: str, key: str) -> Decimal:
        filters = {one["filterType"]: one for one in self.entry["filters"]}
        return Decimal(filters[filter_type][key])


def listing_from_rules(rules: TradingRules) -> Listing:
    """Return the listing of a symbol with these trading rules."""
    return Listing(
        {
            "symbol": rules.symbol,
            "status": rules.status,
            "baseAsset": rules.base_asset,
            "baseAssetPrecision": 8,
            "quoteAsset": rules.quote_asset,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": _ORDER_TYPES.split(),
            "icebergAllowed": True,
            "ocoAllowed": True,
            "otoAllowed": True,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": True,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": _filters(rules),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": _SELF_TRADE_PREVENTION.split(),
        }
    )


def listings_from_exchange_info(body: bytes) -> list[Listing]:
    """Read the listings of an exchangeInfo answer, and keep each entry unchanged.

    Raises:
        ValueError: ``body`` is not such an answer.
    """
    try:
        listings = [Listing(entry) for entry in json.loads(body)["symbols"]]
        # A malformed entry is refused here, not when a client requests its depth.
        for one in listings:
            _ = one.symbol, one.tick_size, one.step_size
    except RecursionError:
        raise ValueError("not an exchangeInfo answer: nested too deeply") from None
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"not an exchangeInfo answer: {error!r}") from error
    return listings


def inferred_rules(symbol: str, *, tick_size: Decimal, step_size: Decimal) -> TradingRules:
    """Return permissive rules for a symbol whose tick size and step size are known."""
    base_asset, quote_asset = split_symbol(symbol)
    return TradingRules(
        symbol=Symbol(symbol),
        status=TRADING,
        base_asset=base_asset,
        quote_asset=quote_asset,
        price_min=tick_size,
        price_max=Decimal(1_000_000),
        tick_size=tick_size,
        quantity_min=step_size,
        quantity_max=Decimal(9_000_000),
        step_size=step_size,
    )


def split_symbol(symbol: str) -> tuple[str, str]:
    """Split a symbol into base and quote asset; an unknown quote asset is half the symbol."""
    for quote_asset in QUOTE_ASSETS.split():
        # A symbol that equals a quote asset would otherwise get an empty base asset.
        if symbol.endswith(quote_asset) and symbol != quote_asset:
            return symbol.removesuffix(quote_asset), quote_asset
    middle = (len(symbol) + 1) // 2
    return symbol[:middle], symbol[middle:]


def exchange_info(
    listings: Sequence[Listing], *, server_time_ms: int, weight_limit: int
) -> dict[str, object]:
    """Return the answer to ``GET /api/v3/exchangeInfo``."""
    return {
        "timezone": "UTC",
        "serverTime": server_time_ms,
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, weight_limit),
            _rate_limit("ORDERS", "SECOND", 10, 100),
            _rate_limit("ORDERS", "DAY", 1, 200_000),
            _rate_limit("RAW_REQUESTS", "MINUTE", 5, 61_000),
        ],
        "exchangeFilters": [],
        "symbols": [listing.entry for listing in listings],
    }


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _filters(rules: TradingRules) -> list[dict[str, object]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": wire_amount(rules.price_min),
            "maxPrice": wire_amount(rules.price_max),
            "tickSize": wire_amount(rules.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": wire_amount(rules.quantity_min),
            "maxQty": wire_amount(rules.quantity_max),
            "stepSize": wire_amount(rules.step_size),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": wire_amount(Decimal(0)),
            "maxQty": wire_amount(rules.quantity_max),
            "stepSize": wire_amount(Decimal(0)),
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": wire_amount(rules.notional_min),
            "applyMinToMarket": True,
            "maxNotional": wire_amount(rules.notional_max or Decimal(9_000_000)),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]
