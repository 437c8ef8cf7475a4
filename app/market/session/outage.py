"""What is wrong with a connection, and when the next attempt to replace it is due."""

import asyncio
import random

from app.market.session.timing import FeedTiming
from app.market.transport.pacing import Backoff


class Outage:
    """The troubles of one connection, from its loss until another one lasts."""

    def __init__(self, timing: FeedTiming, random_source: random.Random) -> None:
        self.trouble: str | None = None
        self._timing = timing
        self._backoff = Backoff(random_source, first_seconds=timing.pause_seconds_first)
        self._since: float | None = None
        self._next_attempt_at = 0.0

    @property
    def open_seconds(self) -> float:
        """How long an attempt may take."""
        return self._timing.open_seconds_early if self._is_early() else self._timing.open_seconds

    def note_trouble(self, cause: str) -> None:
        """Remember what is wrong, and since when anything is."""
        self.trouble = cause
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    def note_connected(self) -> None:
        """Nothing is wrong now; the pauses shrink only once the connection has lasted."""
        self.trouble = None

    def note_lost(self, opened_at: float) -> None:
        """A connection is gone; if it had lasted, begin with the first pause again."""
        now = asyncio.get_running_loop().time()
        if now - opened_at >= self._timing.stable_seconds:
            self._backoff.reset()
            self._since = None
            self._next_attempt_at = now + self.next_pause_seconds()

    async def wait_for_attempt(self) -> None:
        """Wait until the next attempt is due, and set when the one after it is."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next_attempt_at - loop.time())
        self._next_attempt_at = loop.time() + self.next_pause_seconds()

    def next_pause_seconds(self) -> float:
        """Return how long to pause before the next attempt."""
        timing = self._timing
        is_early = self._is_early()
        most = timing.early_pause_seconds_max if is_early else timing.pause_seconds_max
        return self._backoff.next_seconds(most_seconds=most)

    def _is_early(self) -> bool:
        if self._since is None:
            return True
        now = asyncio.get_running_loop().time()
        return now - self._since < self._timing.early_seconds
