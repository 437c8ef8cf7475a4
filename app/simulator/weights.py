"""Request weight, as the venue counts it: per minute of the clock, over all requests."""

from app.ports import Clock

_MINUTE_MS = 60_000


class WeightMeter:
    """Adds up weight and says when it is too much."""

    def __init__(self, clock: Clock, *, weight_max: int) -> None:
        self._clock = clock
        self._weight_max = weight_max
        self._minute = -1
        self.used = 0

    def spend(self, weight: int) -> int | None:
        """Count a request; if it goes over the limit, return the seconds until the next minute."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        minute, into_minute_ms = divmod(now_ms, _MINUTE_MS)
        if minute != self._minute:
            self._minute = minute
            self.used = 0
        self.used += weight
        if self.used <= self._weight_max:
            return None
        return 1 + (_MINUTE_MS - into_minute_ms) // 1000
