"""Sends market data to its subscribers: trades at once, everything else by the clock.

Documented update speeds: depth every 1,000 ms or 100 ms; candles of a second and tickers every
second, other candles every two seconds. They do not depend on the speed of the market.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from app.ports import Clock
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.market_data import payloads
from app.simulator.market_data.payloads import Payload
from app.simulator.market_data.stream_names import Stream, read_stream
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.market_data.trades import Trade
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.subscribers import Subscribers

TICK_MS: Final = 100
"""The fastest documented update speed."""

_TICKS_PER_SECOND: Final = 10
_TICKS_PER_CANDLE: Final = 20


class MarketDataPublisher:
    """Sends the market data of the trading symbols. ``run`` sends what is due by the clock."""

    def __init__(
        self,
        *,
        listed: ListedSymbols,
        data: Mapping[str, SymbolData],
        subscribers: Subscribers,
        clock: Clock,
    ) -> None:
        self._listed = listed
        self._data = data
        self._subscribers = subscribers
        self._clock = clock
        self._followed: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Send frames ten times a second, until canceled."""
        loop = asyncio.get_running_loop()
        due_at, tick = loop.time(), 0
        while True:
            # Counting from the last due time keeps the rate after a late frame.
            due_at += TICK_MS / 1_000
            await asyncio.sleep(due_at - loop.time())
            tick += 1
            self.send_due(tick)

    def send_due(self, tick: int) -> None:
        """Send the frames that are due at a tick, counted from 1."""
        followed: set[tuple[str, int]] = set()
        for name in self._subscribers.stream_names():
            stream = read_stream(name)
            if stream is None:
                continue
            data = self._sendable(stream.symbol)
            if stream.kind == "depth" and stream.symbol in self._data:
                followed.add((stream.symbol, stream.speed_ms))
            if data is not None and self._is_due(stream, tick):
                self._send(name, stream, data)
        self._follow(followed)

    def send_trades(self, symbol: str, trades: Iterable[Trade]) -> None:
        """Send trades that were just made."""
        if self._sendable(symbol) is None:
            return
        lower = symbol.lower()
        for trade in trades:
            make_trade = partial(payloads.stream_trade, symbol, trade)
            make_aggregate = partial(payloads.stream_aggregate_trade, symbol, trade)
            self._send_on(f"{lower}@trade", symbol, make_trade)
            self._send_on(f"{lower}@aggTrade", symbol, make_aggregate)

    def _follow(self, followed: set[tuple[str, int]]) -> None:
        """Collect the changes of depth for the subscribed speeds only."""
        for symbol, speed_ms in followed - self._followed:
            self._data[symbol].follow_depth(speed_ms)
        for symbol, speed_ms in self._followed - followed:
            self._data[symbol].forget_depth(speed_ms)
        self._followed = followed

    def _sendable(self, symbol: str) -> SymbolData | None:
        """Return the data of a symbol that has a price, trades and is not muted by a fault."""
        listing = self._listed.get(symbol)
        if listing is None or not listing.is_trading:
            return None
        if symbol in self._subscribers.faults.muted:
            return None
        data = self._data.get(symbol)
        return None if data is None or data.trades.last is None else data

    def _is_due(self, stream: Stream, tick: int) -> bool:
        if stream.kind in {"depth", "levels"}:
            return tick % (stream.speed_ms // TICK_MS) == 0
        if stream.kind == "kline" and stream.interval != "1s":
            return tick % _TICKS_PER_CANDLE == 0
        return tick % _TICKS_PER_SECOND == 0

    def _send(self, name: str, stream: Stream, data: SymbolData) -> None:
        make = self._maker(stream, data, epoch_ms(self._clock))
        if make is not None:
            self._send_on(name, stream.symbol, make)

    def _send_on(self, name: str, symbol: str, make: Callable[[int], Payload]) -> None:
        self._subscribers.send_on(name, symbol, lambda scale: _dump(make(scale)))

    def _maker(
        self, stream: Stream, data: SymbolData, now_ms: int
    ) -> Callable[[int], Payload] | None:
        """Return what makes a stream's frame for a scale of times; None if nothing is to send."""
        if stream.kind == "kline":
            return self._candle_maker(stream, data, now_ms)
        if stream.kind == "levels":
            return lambda _: data.book.levels(data.quote, stream.levels)
        if stream.kind == "depth":
            return self._depth_maker(stream, data, now_ms)
        by_kind = {
            "ticker": payloads.stream_ticker,
            "miniTicker": payloads.stream_mini_ticker,
            "avgPrice": payloads.stream_average_price,
        }
        make = by_kind.get(stream.kind)
        return None if make is None else lambda scale: make(data, now_ms=now_ms, scale=scale)

    def _depth_maker(
        self, stream: Stream, data: SymbolData, now_ms: int
    ) -> Callable[[int], Payload] | None:
        if (stream.symbol, stream.speed_ms) not in self._followed:
            return None  # its changes are collected from the next tick on
        update = data.depth_update(stream.speed_ms)
        if update is None:
            return None
        return lambda scale: payloads.depth_update(stream.symbol, update, now_ms * scale)

    def _candle_maker(
        self, stream: Stream, data: SymbolData, now_ms: int
    ) -> Callable[[int], Payload] | None:
        candle = data.candles.current(stream.interval, now_ms=now_ms, offset_ms=stream.offset_ms)
        if candle is None:
            return None
        return lambda scale: payloads.stream_candle(
            stream.symbol,
            candle,
            stream.interval,
            offset_ms=stream.offset_ms,
            now_ms=now_ms,
            scale=scale,
        )


def _dump(payload: Payload) -> str:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
