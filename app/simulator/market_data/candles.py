"""Candles (klines) of the trades, for every interval of Binance.

Seconds and minutes are kept; the longer intervals are summed up from the minutes on request.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from app.simulator.market_data.trades import Trade

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
_WEEK_MS: Final = 7 * DAY_MS
_MONDAY_MS: Final = 4 * DAY_MS
"""1970-01-05, a Monday: weeks begin on it."""

SECONDS_KEPT_MAX: Final = 1_000
MINUTES_KEPT_MAX: Final = 1_500
"""A little more than the 24 hours of the tickers."""

INTERVALS: Final = {
    "1s": 1_000,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "2h": 120 * MINUTE_MS,
    "4h": 240 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "8h": 480 * MINUTE_MS,
    "12h": 720 * MINUTE_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": _WEEK_MS,
    "1M": 0,
}
"""The lengths in milliseconds; a month has no fixed one. Names are case-sensitive."""


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one interval; prices and quantities in units, costs in their products.

    A candle without trades has the last price before it.
    """

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    quantity: int = 0
    cost: int = 0
    trades: int = 0
    taker_buy_quantity: int = 0
    taker_buy_cost: int = 0
    first_id: int = -1
    last_id: int = -1

    def plus(self, other: "Candle") -> "Candle":
        """Return this candle extended by a later one."""
        if not other.trades:
            return self
        if not self.trades:
            return replace(other, open_ms=self.open_ms)
        return replace(
            self,
            high=max(self.high, other.high),
            low=min(self.low, other.low),
            close=other.close,
            quantity=self.quantity + other.quantity,
            cost=self.cost + other.cost,
            trades=self.trades + other.trades,
            taker_buy_quantity=self.taker_buy_quantity + other.taker_buy_quantity,
            taker_buy_cost=self.taker_buy_cost + other.taker_buy_cost,
            last_id=other.last_id,
        )


class SymbolCandles:
    """The candles of one symbol since the opening, at most a day of them."""

    def __init__(self) -> None:
        self._seconds: deque[Candle] = deque(maxlen=SECONDS_KEPT_MAX)
        self._minutes: deque[Candle] = deque(maxlen=MINUTES_KEPT_MAX)

    def add(self, trade: Trade) -> None:
        """Add a trade, which is not older than the one before it."""
        cost = trade.price * trade.quantity
        is_buy = not trade.is_buyer_maker
        single = Candle(
            open_ms=trade.at_ms,
            open=trade.price,
            high=trade.price,
            low=trade.price,
            close=trade.price,
            quantity=trade.quantity,
            cost=cost,
            trades=1,
            taker_buy_quantity=trade.quantity if is_buy else 0,
            taker_buy_cost=cost if is_buy else 0,
            first_id=trade.trade_id,
            last_id=trade.trade_id,
        )
        for kept, length in ((self._seconds, 1_000), (self._minutes, MINUTE_MS)):
            _extend(kept, trade.at_ms, length)
            open_ms = trade.at_ms // length * length
            if kept:  # its last candle is the present one, since _extend
                kept[-1] = kept[-1].plus(single)
            else:
                kept.append(replace(single, open_ms=open_ms))

    def list(self, interval: str, *, now_ms: int, offset_ms: int = 0) -> list[Candle]:
        """Return the candles up to the present one, oldest first.

        ``offset_ms`` is the time zone in which days and hours begin.
        """
        kept, length = (self._seconds, 1_000) if interval == "1s" else (self._minutes, MINUTE_MS)
        _extend(kept, now_ms, length)
        return [*_merge(kept, interval, offset_ms)]

    def current(self, interval: str, *, now_ms: int, offset_ms: int = 0) -> Candle | None:
        """Return the present candle, None before the first trade."""
        kept, length = (self._seconds, 1_000) if interval == "1s" else (self._minutes, MINUTE_MS)
        _extend(kept, now_ms, length)
        begun_ms = open_of(now_ms, interval, offset_ms)
        parts: list[Candle] = []
        for candle in reversed(kept):
            if candle.open_ms < begun_ms:
                break
            parts.append(candle)
        return next(_merge(reversed(parts), interval, offset_ms), None)

    def last_minutes(self, minutes: int, *, now_ms: int) -> Candle | None:
        """Return one candle of the last minutes, None before the first trade."""
        _extend(self._minutes, now_ms, MINUTE_MS)
        recent = list(self._minutes)[-minutes:]
        if not recent:
            return None
        total = recent[0]
        for candle in recent[1:]:
            total = total.plus(candle)
        return total


def open_of(at_ms: int, interval: str, offset_ms: int = 0) -> int:
    """Return when the candle of an instant began, in milliseconds."""
    local_ms = at_ms + offset_ms
    if interval == "1M":
        at = datetime.fromtimestamp(local_ms / 1_000, UTC)
        begun = datetime(at.year, at.month, 1, tzinfo=UTC)
        return int(begun.timestamp() * 1_000) - offset_ms
    length = INTERVALS[interval]
    first = _MONDAY_MS if interval == "1w" else 0
    return (local_ms - first) // length * length + first - offset_ms


def close_of(open_ms: int, interval: str, offset_ms: int = 0) -> int:
    """Return the last millisecond of a candle that began at ``open_ms``."""
    if interval == "1M":
        # The 32nd day after the first of a month lies in the next one.
        return open_of(open_ms + 32 * DAY_MS, interval, offset_ms) - 1
    return open_ms + INTERVALS[interval] - 1


def _extend(kept: deque[Candle], now_ms: int, length: int) -> None:
    """Add candles without trades up to the present one."""
    if not kept:
        return
    last = kept[-1]
    first_ms = max(last.open_ms + length, now_ms // length * length - length * (kept.maxlen or 0))
    for open_ms in range(first_ms, now_ms // length * length + 1, length):
        kept.append(Candle(open_ms, last.close, last.close, last.close, last.close))


def _merge(candles: Iterable[Candle], interval: str, offset_ms: int) -> Iterator[Candle]:
    whole: Candle | None = None
    for candle in candles:
        open_ms = open_of(candle.open_ms, interval, offset_ms)
        if whole is not None and whole.open_ms == open_ms:
            whole = whole.plus(candle)
            continue
        if whole is not None:
            yield whole
        whole = replace(candle, open_ms=open_ms)
    if whole is not None:
        yield whole
