"""Measure how far behind the venue our reading is, from a stream with times; no I/O.

Quotes carry no time, so a mini ticker stream provides it. The lag is our time at the read of a
frame minus the venue's time in it. It contains the network delay, the wait in the socket buffers of
both sides, and the difference of the two clocks.

The clock difference and the shortest network delay are constant over minutes. So the smallest lag
of the last minutes stands for both. The rest is the excess: time for which frames waited.
"""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from app.ports import Clock, Lag

LAG_SECONDS_MAX: Final = 10
"""The venue sends its time once a second; a lag older than this is unknown."""

OFFSET_SECONDS_MAX: Final = 86_400
"""A clock a day off fails TLS already, so a larger lag is garbage. It would spoil the smallest lag
for minutes."""

EXCESS_SECONDS_MAX: Final = 2.0
"""An excess from here on is logged; a venue whose times come one frame late shows half of it."""

EXCESS_SECONDS_CALM: Final = 1.0
"""Below this, the excess is over. The gap between the bounds keeps a wavering lag from the log."""

_MINUTES_REMEMBERED: Final = 5
_NS_PER_SECOND: Final = 1_000_000_000
_NS_PER_MINUTE: Final = 60 * _NS_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_log = structlog.get_logger()


class LagMeter:
    """Measures the lag of one connection and of its successors."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: Lag | None = None
        self._noted_ns = 0
        # The smallest lag of each recent minute, with the number of the minute.
        self._smallest: deque[tuple[int, float]] = deque(maxlen=_MINUTES_REMEMBERED)
        self._is_excessive = False

    def note(self, venue_ms: int) -> None:
        """Note the venue's time (milliseconds since 1970) of a frame that was just read."""
        seconds = ((self._clock.now() - _EPOCH) / _MILLISECOND - venue_ms) / 1_000
        if abs(seconds) > OFFSET_SECONDS_MAX:
            return  # garbage
        self._noted_ns = self._clock.monotonic_ns()
        # Remembered first, so that the excess is never negative.
        self._remember(self._noted_ns // _NS_PER_MINUTE, seconds)
        excess = seconds - min(smallest for _, smallest in self._smallest)
        self._newest = Lag(seconds=seconds, excess_seconds=excess)
        self._log_excess(self._newest)

    def forget(self) -> None:
        """Forget the last lag: the connection is lost."""
        self._newest = None
        self._is_excessive = False

    @property
    def newest(self) -> Lag | None:
        """The last lag; None if it is unknown or too old."""
        age_ns = self._clock.monotonic_ns() - self._noted_ns
        return self._newest if age_ns <= LAG_SECONDS_MAX * _NS_PER_SECOND else None

    def _remember(self, minute: int, seconds: float) -> None:
        while self._smallest and self._smallest[0][0] <= minute - _MINUTES_REMEMBERED:
            self._smallest.popleft()
        if self._smallest and self._smallest[-1][0] == minute:
            seconds = min(seconds, self._smallest.pop()[1])
        self._smallest.append((minute, seconds))

    def _log_excess(self, lag: Lag) -> None:
        if not self._is_excessive and lag.excess_seconds >= EXCESS_SECONDS_MAX:
            self._is_excessive = True
            _log.warning("feed_lags_behind", **_rounded(lag))
        elif self._is_excessive and lag.excess_seconds < EXCESS_SECONDS_CALM:
            self._is_excessive = False
            _log.info("feed_caught_up", **_rounded(lag))


def _rounded(lag: Lag) -> dict[str, float]:
    return {
        "lag_seconds": round(lag.seconds, 3),
        "excess_seconds": round(lag.excess_seconds, 3),
    }
