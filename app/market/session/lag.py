"""How far behind the venue what we read is: from a stream that tells the time, which quotes do not.

The lag is our clock's time at which a frame was read, less the venue's time at which it came about.
So it holds the way over the network, what waited in the socket's buffers on both sides, and by how
much the two clocks differ. The last part does not change within minutes, nor does the shortest way;
so the smallest lag of the last minutes is taken for both, and what goes beyond it is the excess:
time for which frames lay somewhere. No I/O.
"""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from app.ports import Clock, Lag

TIME_SECONDS_MAX: Final = 10
"""The venue tells the time once a second; after so many without it we do not know the lag."""

OFFSET_SECONDS_MAX: Final = 86_400
"""A clock a day off trusts no certificate; a time beyond is garbage, and would spoil the figures
for minutes."""

EXCESS_SECONDS_MAX: Final = 2.0
"""An excess from here on is logged; a venue that tells the time a frame late has half of it."""

EXCESS_SECONDS_CALM: Final = 1.0
"""Below, it is over: another bound, lest one about the first fills the log."""

_MINUTES_REMEMBERED: Final = 5
_NS_PER_SECOND: Final = 1_000_000_000
_NS_PER_MINUTE: Final = 60 * _NS_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_log = structlog.get_logger()


class LagMeter:
    """The lag of one connection, and of those that take over from it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: Lag | None = None
        self._told_ns = 0
        # The smallest lag of each of the last minutes that had any, by the minute's number.
        self._smallest: deque[tuple[int, float]] = deque(maxlen=_MINUTES_REMEMBERED)
        self._is_excessive = False

    def note(self, venue_ms: int) -> None:
        """Take the venue's time, in milliseconds since 1970, from a frame that was just read."""
        seconds = ((self._clock.now() - _EPOCH) / _MILLISECOND - venue_ms) / 1_000
        if abs(seconds) > OFFSET_SECONDS_MAX:
            return
        self._told_ns = self._clock.monotonic_ns()
        self._remember(self._told_ns // _NS_PER_MINUTE, seconds)
        excess = seconds - min(smallest for _, smallest in self._smallest)
        self._newest = Lag(seconds=seconds, excess_seconds=excess)
        self._tell(self._newest)

    def forget(self) -> None:
        """Know nothing until the next frame: the connection is gone."""
        self._newest = None
        self._is_excessive = False

    @property
    def newest(self) -> Lag | None:
        """The last lag, None if none was told lately."""
        age_ns = self._clock.monotonic_ns() - self._told_ns
        return self._newest if age_ns <= TIME_SECONDS_MAX * _NS_PER_SECOND else None

    def _remember(self, minute: int, seconds: float) -> None:
        while self._smallest and self._smallest[0][0] <= minute - _MINUTES_REMEMBERED:
            self._smallest.popleft()
        if self._smallest and self._smallest[-1][0] == minute:
            seconds = min(seconds, self._smallest.pop()[1])
        self._smallest.append((minute, seconds))

    def _tell(self, lag: Lag) -> None:
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
