"""Remember why a connection is down, and schedule the attempts to reconnect."""

import asyncio
import random

from app.market.timing import FeedTiming
from app.market.transport.pacing import Backoff


class Outage:
    """The failures of one connection, from its loss until another connection is stable."""

    def __init__(self, timing: FeedTiming, random_source: random.Random) -> None:
        self.cause: str | None = None
        self._timing = timing
        self._backoff = Backoff(random_source, first_seconds=timing.pause_seconds_first)
        self._since: float | None = None
        self._next_attempt_at = 0.0

    @property
    def open_seconds(self) -> float:
        """How long an attempt to connect may take."""
        return self._timing.open_seconds_early if self._is_early() else self._timing.open_seconds

    def note_failure(self, cause: str) -> None:
        """Note a failure; the first one starts the outage."""
        self.cause = cause
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    def note_connected(self) -> None:
        """Clear the cause; the pauses become short only after the connection was stable."""
        self.cause = None

    def note_lost(self, opened_at: float) -> None:
        """Note a lost connection; if it was stable, restart with the first pause."""
        now = asyncio.get_running_loop().time()
        if now - opened_at >= self._timing.stable_seconds:
            self._backoff.reset()
            self._since = None
            # The pause has jitter: a venue's restart disconnects many clients together.
            self._next_attempt_at = now + self.next_pause_seconds()

    async def wait_for_attempt(self) -> None:
        """Wait until the next attempt is due, and schedule the one after it."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._next_attempt_at - loop.time())
        self._next_attempt_at = loop.time() + self.next_pause_seconds()

    def next_pause_seconds(self) -> float:
        """Return the pause before the next attempt."""
        timing = self._timing
        is_early = self._is_early()
        pause_max = timing.early_pause_seconds_max if is_early else timing.pause_seconds_max
        return self._backoff.next_seconds(most_seconds=pause_max)

    def _is_early(self) -> bool:
        if self._since is None:
            return True
        now = asyncio.get_running_loop().time()
        return now - self._since < self._timing.early_seconds
