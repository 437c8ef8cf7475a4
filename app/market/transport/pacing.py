"""Limit rates: sliding windows for the venue's limits, exponential backoff for retries.

All times are event-loop time in seconds.
"""

import asyncio
import random
from collections import deque
from typing import Final

_ROUNDING_SECONDS: Final = 1e-6
"""A wait below this is skipped: sums of seconds differ in the last digits, and a test's clock that
advances only during waits would never reach such an instant."""

_DOUBLINGS_MAX: Final = 30
"""Enough to reach any ceiling, few enough to avoid an overflow."""


class SlidingWindow:
    """Allows at most ``limit`` units within any ``seconds``, in order of request."""

    def __init__(self, *, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._noted: deque[tuple[float, int]] = deque()
        self._units = 0
        self._held_until = 0.0
        self._turn = asyncio.Lock()

    def note(self, units: int = 1) -> None:
        """Count units that were sent without waiting."""
        self._noted.append((asyncio.get_running_loop().time(), units))
        self._units += units

    def hold(self, seconds: float) -> None:
        """Block everything for this long, because the venue asked for it."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    async def acquire(self, units: int = 1) -> None:
        """Wait until ``units`` more fit into the limit, and count them."""
        assert units <= self.limit, "more units than the limit never fit"
        loop = asyncio.get_running_loop()
        async with self._turn:  # a smaller request must not overtake
            instant = self._passes_at(units, loop.time())
            while instant is not None:
                await asyncio.sleep(instant - loop.time())
                # ``note`` or ``hold`` may have changed the instant during the wait.
                instant = self._passes_at(units, loop.time())
            self.note(units)

    def _passes_at(self, units: int, now: float) -> float | None:
        """Return when to check again; None if the units may pass now."""
        now += _ROUNDING_SECONDS
        if self._held_until > now:
            return self._held_until
        self._forget_until(now)
        if self._units + units <= self.limit:
            return None
        return self._noted[0][0] + self.seconds

    def _forget_until(self, now: float) -> None:
        while self._noted and self._noted[0][0] + self.seconds <= now:
            self._units -= self._noted.popleft()[1]


class Backoff:
    """Growing pauses between attempts, with jitter, so that clients do not retry together."""

    def __init__(self, random_source: random.Random, *, first_seconds: float) -> None:
        self._random = random_source
        self._first_seconds = first_seconds
        self._attempts = 0

    def next_seconds(self, *, most_seconds: float) -> float:
        """Return the next pause, between half of its ceiling and the ceiling.

        The ceiling doubles with each pause, up to ``most_seconds``.
        """
        ceiling = min(most_seconds, self._first_seconds * 2 ** min(self._attempts, _DOUBLINGS_MAX))
        self._attempts += 1
        return self._random.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Start with the first pause again."""
        self._attempts = 0
