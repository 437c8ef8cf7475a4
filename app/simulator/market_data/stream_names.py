"""The names of streams: ``<symbol>@<kind>``, as Binance documents them."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.simulator.market_data.candles import INTERVALS, MINUTE_MS

NAMES_REMEMBERED_MAX: Final = 8_192

_EIGHT_HOURS_MS: Final = 8 * 60 * MINUTE_MS
_KIND: Final = re.compile(
    r"(?P<plain>bookTicker|trade|aggTrade|ticker|miniTicker|avgPrice)"
    r"|kline_(?P<interval>[0-9]{1,2}[smhdwM])(?P<zone>@\+08:00)?"
    r"|depth(?P<levels>5|10|20)?(?:@(?P<speed>100|1000)ms)?"
)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that the venue serves.

    Attributes:
        symbol: the symbol in upper case; it may not be listed.
        kind: the kind of its frames: ``trade``, ``kline``, ``depth``, ``levels`` and others.
        interval: the interval of candles.
        offset_ms: the time zone of candles.
        levels: the number of levels of each side.
        speed_ms: how often depth is sent.
    """

    symbol: str
    kind: str
    interval: str = ""
    offset_ms: int = 0
    levels: int = 0
    speed_ms: int = 1_000


@lru_cache(maxsize=NAMES_REMEMBERED_MAX)
def read_stream(name: str) -> Stream | None:
    """Return the stream of a name, None if the venue does not serve such a stream.

    "All symbols for streams are lowercase".
    """
    symbol, at, kind = name.partition("@")
    found = _KIND.fullmatch(kind)
    if not at or not symbol or symbol != symbol.lower() or found is None:
        return None
    upper = symbol.upper()
    if found["plain"]:
        return Stream(upper, found["plain"])
    if found["interval"]:
        if found["interval"] not in INTERVALS:
            return None
        offset_ms = _EIGHT_HOURS_MS if found["zone"] else 0
        return Stream(upper, "kline", interval=found["interval"], offset_ms=offset_ms)
    speed_ms = int(found["speed"] or 1_000)
    if found["levels"]:
        return Stream(upper, "levels", levels=int(found["levels"]), speed_ms=speed_ms)
    return Stream(upper, "depth", speed_ms=speed_ms)
