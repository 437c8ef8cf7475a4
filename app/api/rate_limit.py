"""The limit on the requests a second of one owner."""

from typing import Final

from app.domain.errors import RateLimitedError
from app.domain.order import Owner
from app.ports import Clock

OWNERS_REMEMBERED: Final = 10_000
"""Beyond it, owners with a full bucket are forgotten, which changes nothing for them."""

_NANOSECONDS_PER_SECOND: Final = 1_000_000_000


class RateLimiter:
    """A token bucket for each owner that holds the tokens of one second.

    A bucket is one number, the time at which it is full again. Each request moves that time by the
    time of one token, and may not move it beyond the time of all of them.
    """

    def __init__(self, per_second_max: int, *, clock: Clock) -> None:
        self._per_second_max = per_second_max
        self._clock = clock
        self._token_ns = _NANOSECONDS_PER_SECOND // per_second_max if per_second_max else 0
        self._full_at_ns: dict[Owner, int] = {}

    def count(self, owner: Owner) -> None:
        """Count one request of an owner.

        Raises:
            RateLimitedError: the bucket is empty; the request is not counted.
        """
        if not self._token_ns:
            return
        now_ns = self._clock.monotonic_ns()
        full_at_ns = max(now_ns, self._full_at_ns.get(owner, 0)) + self._token_ns
        if full_at_ns - now_ns > self._token_ns * self._per_second_max:
            raise RateLimitedError(self._per_second_max)
        if owner not in self._full_at_ns and len(self._full_at_ns) >= OWNERS_REMEMBERED:
            self._forget_full(now_ns)
        self._full_at_ns[owner] = full_at_ns

    def _forget_full(self, now_ns: int) -> None:
        self._full_at_ns = {
            owner: full_at_ns
            for owner, full_at_ns in self._full_at_ns.items()
            if full_at_ns > now_ns
        }
