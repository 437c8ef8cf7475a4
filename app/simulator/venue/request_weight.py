"""Request weight, as the venue counts it: per window of the clock, a minute long at Binance."""

import math

from app.ports import Clock


class WeightMeter:
    """Adds up the weight of one address and says when it is too much."""

    def __init__(self, clock: Clock, *, weight_max: int, window_seconds: float = 60.0) -> None:
        self._clock = clock
        self._weight_max = weight_max
        self._window_ms = max(1, round(window_seconds * 1000))
        self._window = -1
        self._used = 0

    @property
    def used(self) -> int:
        """The weight used in the present window."""
        self._turn()
        return self._used

    def spend(self, weight: int) -> float | None:
        """Count a request; if it goes over the limit, return the seconds until the next window."""
        into_window_ms = self._turn()
        self._used += weight
        if self._used <= self._weight_max:
            return None
        return (self._window_ms - into_window_ms) / 1000

    def _turn(self) -> int:
        """Begin a new window if its time has come; return the milliseconds that have passed."""
        now_ms = math.floor(self._clock.now().timestamp() * 1000)
        window, into_window_ms = divmod(now_ms, self._window_ms)
        if window != self._window:
            self._window = window
            self._used = 0
        return into_window_ms
