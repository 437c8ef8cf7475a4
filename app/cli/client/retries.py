"""How often and how long a thing is tried again: every retry of the client is bounded here."""

import random
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of trying again; pauses in seconds, doubling from the first to the most."""

    attempts_max: int = 10
    pause_seconds_first: float = 0.25
    pause_seconds_max: float = 5.0
    retry_after_seconds_max: float = 30.0
    """A longer Retry-After of the service is cut to this."""
    steady_seconds: float = 10.0
    """A connection that held this long counts as a success, whether or not anything happened."""
    poll_seconds: float = 1.0
    """How often an order is asked for where no stream can be had."""


USUAL_PATIENCE: Final = RetryPolicy()
"""Sits out a restart of the service: some 20 s of pauses before it gives up."""


class Attempts:
    """Counts the failures in a row; says how long to pause before the next attempt, and why."""

    def __init__(self, retries: RetryPolicy, random_source: random.Random) -> None:
        self._patience = retries
        self._random = random_source
        self._failures = 0
        self._cause = ""

    @property
    def is_exhausted(self) -> bool:
        """Whether no further attempt should be made."""
        return self._failures >= self._patience.attempts_max

    def fail(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure; return the seconds to pause, as told by the service or growing.

        The growing pauses have jitter, so that many clients of a restarted service do not come
        at once.
        """
        retries = self._patience
        doubled = retries.pause_seconds_first * 2**self._failures
        self._failures += 1
        if retry_after_seconds is not None:
            return min(retry_after_seconds, retries.retry_after_seconds_max)
        ceiling = min(doubled, retries.pause_seconds_max)
        return self._random.uniform(ceiling / 2, ceiling)

    def retelling(self, cause: str, pause_seconds: float) -> str:
        """Return what to tell of the failure just counted: its cause only where it is news."""
        times = self._patience.attempts_max - 1
        is_news, self._cause = cause != self._cause, cause
        if self._failures == 1:
            return (
                f"{cause}; trying again up to {times} times, the first in {pause_seconds:.1f} s "
                "(Ctrl-C is safe)"
            )
        progress = f"trying again in {pause_seconds:.1f} s ({self._failures} of {times})"
        return f"{cause}; {progress}" if is_news else progress

    def succeed(self) -> None:
        """Begin again with the first pause."""
        self._failures = 0
