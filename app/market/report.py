"""Says in the log, once a minute while there is something to say, how the market data is.

What happens is told by whom it happens to, at once. This adds what has no moment of its own: the
ages, and the frames that were dropped, which nobody could log one by one.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from app.ports import Clock, Feed, OrderDesk, RulesBook

REPORT_SECONDS: Final = 60.0

_NS_PER_MILLISECOND: Final = 1_000_000
_MILLISECONDS_PER_SECOND: Final = 1_000

_log = structlog.get_logger()


class MarketReport:
    """Reports what came since its last report; ``run`` writes it to the log."""

    def __init__(self, *, feed: Feed, rules: RulesBook, desk: OrderDesk, clock: Clock) -> None:
        self._feed = feed
        self._rules = rules
        self._desk = desk
        self._clock = clock
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        """Report again and again; never return."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            fields = self.next()
            if fields is not None:
                _log.info("market_data", **fields)

    def next(self) -> dict[str, object] | None:
        """Return the fields of another report; None if nothing is subscribed and nothing came.

        ``counted`` is what the feed counted since the last one: frames, those dropped by reason,
        connections lost by cause.
        """
        feed, desk, rules = self._feed.state(), self._desk.state(), self._rules.state()
        counted = {
            name: count - self._told.get(name, 0)
            for name, count in feed.counters.items()
            if count != self._told.get(name, 0)
        }
        self._told = feed.counters
        if not counted and not feed.symbols:
            return None
        rules_age = None if rules.loaded_at is None else self._clock.now() - rules.loaded_at
        return {
            "status": feed.status,
            "cause": feed.cause,
            "connections": len(feed.connections),
            "symbols": feed.symbols,
            "symbols_live": desk.symbols_live,
            "newest_quote_age_seconds": self._age_seconds(desk.newest_quote_ns),
            "oldest_quote_age_seconds": self._age_seconds(desk.oldest_quote_ns),
            "rules_source": rules.source,
            "rules_age_seconds": None if rules_age is None else rules_age // timedelta(seconds=1),
            "counted": counted,
        }

    def _age_seconds(self, instant_ns: int | None) -> float | None:
        """Return how long ago an instant was, to the millisecond."""
        if instant_ns is None:
            return None
        age_ns = max(0, self._clock.monotonic_ns() - instant_ns)
        return age_ns // _NS_PER_MILLISECOND / _MILLISECONDS_PER_SECOND
