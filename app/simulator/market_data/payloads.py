"""The forms of market data on the wire, from Binance's documentation of REST and streams.

Times are in milliseconds; ``scale`` is 1,000 for clients that asked for microseconds.
"""

from typing import Any

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.market_data.candles import DAY_MS, Candle, close_of
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.market_data.trades import Trade
from app.simulator.market_data.units import text_of, text_of_product

DAY_MINUTES = 24 * 60

Payload = dict[str, Any]


def rest_trade(trade: Trade, scale: int) -> Payload:
    """Return an entry of ``GET /api/v3/trades``."""
    return {
        "id": trade.trade_id,
        "price": text_of(trade.price),
        "qty": text_of(trade.quantity),
        "quoteQty": text_of_product(trade.price * trade.quantity),
        "time": trade.at_ms * scale,
        "isBuyerMaker": trade.is_buyer_maker,
        "isBestMatch": True,
    }


def rest_aggregate_trade(trade: Trade, scale: int) -> Payload:
    """Return an entry of ``GET /api/v3/aggTrades``; here each trade is one aggregate."""
    return {
        "a": trade.trade_id,
        "p": text_of(trade.price),
        "q": text_of(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms * scale,
        "m": trade.is_buyer_maker,
        "M": True,
    }


def stream_trade(symbol: str, trade: Trade, scale: int) -> Payload:
    """Return a frame of ``<symbol>@trade``."""
    return {
        "e": "trade",
        "E": trade.at_ms * scale,
        "s": symbol,
        "t": trade.trade_id,
        "p": text_of(trade.price),
        "q": text_of(trade.quantity),
        "T": trade.at_ms * scale,
        "m": trade.is_buyer_maker,
        "M": True,
    }


def stream_aggregate_trade(symbol: str, trade: Trade, scale: int) -> Payload:
    """Return a frame of ``<symbol>@aggTrade``."""
    entry = {"e": "aggTrade", "E": trade.at_ms * scale, "s": symbol}
    return entry | rest_aggregate_trade(trade, scale)


def rest_candle(candle: Candle, interval: str, offset_ms: int, scale: int) -> list[Any]:
    """Return an entry of ``GET /api/v3/klines``."""
    close_ms = close_of(candle.open_ms, interval, offset_ms)
    return [
        candle.open_ms * scale,
        text_of(candle.open),
        text_of(candle.high),
        text_of(candle.low),
        text_of(candle.close),
        text_of(candle.quantity),
        # In microseconds a candle ends with its last microsecond.
        (close_ms + 1) * scale - 1,
        text_of_product(candle.cost),
        candle.trades,
        text_of(candle.taker_buy_quantity),
        text_of_product(candle.taker_buy_cost),
        "0",
    ]


def stream_candle(
    symbol: str, candle: Candle, interval: str, *, offset_ms: int, now_ms: int, scale: int
) -> Payload:
    """Return a frame of ``<symbol>@kline_<interval>``."""
    close_ms = close_of(candle.open_ms, interval, offset_ms)
    return {
        "e": "kline",
        "E": now_ms * scale,
        "s": symbol,
        "k": {
            "t": candle.open_ms * scale,
            "T": (close_ms + 1) * scale - 1,
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": text_of(candle.open),
            "c": text_of(candle.close),
            "h": text_of(candle.high),
            "l": text_of(candle.low),
            "v": text_of(candle.quantity),
            "n": candle.trades,
            "x": close_ms < now_ms,
            "q": text_of_product(candle.cost),
            "V": text_of(candle.taker_buy_quantity),
            "Q": text_of_product(candle.taker_buy_cost),
            "B": "0",
        },
    }


def rest_ticker(data: SymbolData, *, now_ms: int, scale: int, is_full: bool) -> Payload:
    """Return an entry of ``GET /api/v3/ticker/24hr``, in the form FULL or MINI."""
    day, quote, last = _day_of(data, now_ms), data.quote, data.trades.last
    common = {
        "openPrice": text_of(day.open),
        "highPrice": text_of(day.high),
        "lowPrice": text_of(day.low),
        "lastPrice": text_of(day.close),
        "volume": text_of(day.quantity),
        "quoteVolume": text_of_product(day.cost),
        "openTime": (now_ms - DAY_MS) * scale,
        "closeTime": now_ms * scale,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }
    if not is_full:
        return {"symbol": quote.symbol} | common
    change = day.close - day.open
    return {
        "symbol": quote.symbol,
        "priceChange": text_of(change),
        "priceChangePercent": _percent(change, day.open),
        "weightedAvgPrice": text_of(_average(day)),
        "prevClosePrice": text_of(day.open),
        "lastPrice": common["lastPrice"],
        "lastQty": text_of(last.quantity if last else 0),
        "bidPrice": quote.bid_price,
        "bidQty": quote.bid_quantity,
        "askPrice": quote.ask_price,
        "askQty": quote.ask_quantity,
    } | common


def stream_ticker(data: SymbolData, *, now_ms: int, scale: int) -> Payload:
    """Return a frame of ``<symbol>@ticker``."""
    whole = rest_ticker(data, now_ms=now_ms, scale=scale, is_full=True)
    return {
        "e": "24hrTicker",
        "E": now_ms * scale,
        "s": whole["symbol"],
        "p": whole["priceChange"],
        "P": whole["priceChangePercent"],
        "w": whole["weightedAvgPrice"],
        "x": whole["prevClosePrice"],
        "c": whole["lastPrice"],
        "Q": whole["lastQty"],
        "b": whole["bidPrice"],
        "B": whole["bidQty"],
        "a": whole["askPrice"],
        "A": whole["askQty"],
        "o": whole["openPrice"],
        "h": whole["highPrice"],
        "l": whole["lowPrice"],
        "v": whole["volume"],
        "q": whole["quoteVolume"],
        "O": whole["openTime"],
        "C": whole["closeTime"],
        "F": whole["firstId"],
        "L": whole["lastId"],
        "n": whole["count"],
    }


def stream_mini_ticker(data: SymbolData, *, now_ms: int, scale: int) -> Payload:
    """Return a frame of ``<symbol>@miniTicker``."""
    day = _day_of(data, now_ms)
    return {
        "e": "24hrMiniTicker",
        "E": now_ms * scale,
        "s": data.quote.symbol,
        "c": text_of(day.close),
        "o": text_of(day.open),
        "h": text_of(day.high),
        "l": text_of(day.low),
        "v": text_of(day.quantity),
        "q": text_of_product(day.cost),
    }


def price_ticker(data: SymbolData) -> Payload:
    """Return an entry of ``GET /api/v3/ticker/price``."""
    last = data.trades.last
    return {"symbol": data.quote.symbol, "price": text_of(last.price if last else 0)}


def book_ticker(quote: VenueQuote) -> Payload:
    """Return an entry of ``GET /api/v3/ticker/bookTicker``."""
    return {
        "symbol": quote.symbol,
        "bidPrice": quote.bid_price,
        "bidQty": quote.bid_quantity,
        "askPrice": quote.ask_price,
        "askQty": quote.ask_quantity,
    }


def average_price(data: SymbolData, *, now_ms: int, scale: int) -> Payload:
    """Return the answer to ``GET /api/v3/avgPrice``: the average of five minutes, or the last."""
    minutes = 5
    recent = data.candles.last_minutes(minutes, now_ms=now_ms)
    average = _average(recent) if recent else 0
    return {"mins": minutes, "price": text_of(average), "closeTime": now_ms * scale}


def stream_average_price(data: SymbolData, *, now_ms: int, scale: int) -> Payload:
    """Return a frame of ``<symbol>@avgPrice``."""
    average = average_price(data, now_ms=now_ms, scale=scale)
    last = data.trades.last
    return {
        "e": "avgPrice",
        "E": now_ms * scale,
        "s": data.quote.symbol,
        "i": f"{average['mins']}m",
        "w": average["price"],
        "T": (last.at_ms if last else now_ms) * scale,
    }


def depth_update(
    symbol: str, update: tuple[int, int, list[list[str]], list[list[str]]], event_time: int
) -> Payload:
    """Return a frame of ``<symbol>@depth``."""
    first_id, last_id, bids, asks = update
    return {
        "e": "depthUpdate",
        "E": event_time,
        "s": symbol,
        "U": first_id,
        "u": last_id,
        "b": bids,
        "a": asks,
    }


def _day_of(data: SymbolData, now_ms: int) -> Candle:
    return data.candles.last_minutes(DAY_MINUTES, now_ms=now_ms) or Candle(now_ms, 0, 0, 0, 0)


def _average(candle: Candle) -> int:
    return candle.cost // candle.quantity if candle.quantity else candle.close


def _percent(change: int, base: int) -> str:
    """Return a change in percent with three decimals, as the venue does."""
    thousandths = change * 100_000 // base if base else 0
    return f"{thousandths / 1_000:.3f}"
