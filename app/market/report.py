"""Log the state of the market data once a minute, while there is something to report.

Components log events as they occur. This report adds periodic values: ages, and counts of dropped
frames, which are too many to log one by one.
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
    """Computes the change since its last report; ``run`` logs it."""

    def __init__(self, *, feed: Feed, rules: RulesBook, desk: OrderDesk, clock: Clock) -> None:
        self._feed = feed
        self._rules = rules
        self._desk = desk
        self._clock = clock
        self._reported: dict[str, int] = {}

    async def run(self) -> None:
        """Report once a minute; never return."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            fields = self.next()
            if fields is not None:
                _log.info("market_data", **fields)

    def next(self) -> dict[str, object] | None:
        """Return the fields of the next report; None if nothing is subscribed and nothing counted.

        ``counted`` holds the feed's counts since the last report: frames, frames dropped by reason,
        connections lost by cause.
        """
        feed, desk, rules = self._feed.state(), self._desk.state(), self._rules.state()
        counted = {
            name: count - self._reported.get(name, 0)
            for name, count in feed.counters.items()
            if count != self._reported.get(name, 0)
        }
        self._reported = feed.counters
        if not counted and not feed.symbols:
            return None  # an idle service must not fill the log
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
        """Return the age of an instant, in milliseconds precision."""
        if instant_ns is None:
            return None
        age_ns = max(0, self._clock.monotonic_ns() - instant_ns)
        return age_ns // _NS_PER_MILLISECOND / _MILLISECONDS_PER_SECOND
