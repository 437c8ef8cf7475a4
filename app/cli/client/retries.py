"""The client's retries: their number, their pauses and their messages."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from app.cli.client.terminal import print_message


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How requests are retried; pauses double from the first one to the maximum.

    The defaults are some 20 s of pauses in total, enough for a restart of the service.
    """

    attempts_max: int = 10
    pause_seconds_first: float = 0.25
    pause_seconds_max: float = 5.0
    retry_after_seconds_max: float = 30.0
    """A longer Retry-After of the service is cut to this."""
    steady_seconds: float = 10.0
    """A connection of this length counts as a success, even if it carried no message."""
    poll_seconds: float = 1.0
    """The pause between two polls of an order without a stream."""
    random_source: random.Random = field(default_factory=random.SystemRandom)
    """The source of jitter."""
    on_retry: Callable[[str], None] = print_message
    """Called with a line before each retry."""


class Attempts:
    """Counts successive failures, and computes the pause before the next attempt."""

    def __init__(self, retries: RetryPolicy) -> None:
        self._policy = retries
        self._failures = 0
        self._cause = ""

    @property
    def is_exhausted(self) -> bool:
        """Tell whether no attempt is left."""
        return self._failures >= self._policy.attempts_max

    def fail(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure; return the pause in seconds, from Retry-After or doubled.

        Doubled pauses have jitter, so that the clients of a restarted service do not all connect
        at the same moment.
        """
        retries = self._policy
        doubled = retries.pause_seconds_first * 2**self._failures
        self._failures += 1
        # A long Retry-After is cut, so that no command hangs.
        if retry_after_seconds is not None:
            return min(retry_after_seconds, retries.retry_after_seconds_max)
        ceiling = min(doubled, retries.pause_seconds_max)
        return retries.random_source.uniform(ceiling / 2, ceiling)

    def message(self, cause: str, pause_seconds: float) -> str:
        """Return a line about the last failure, with its cause only if the cause is new."""
        times = self._policy.attempts_max - 1
        is_new, self._cause = cause != self._cause, cause
        if self._failures == 1:
            return (
                f"{cause}; retrying up to {times} times, first in {pause_seconds:.1f} s "
                "(Ctrl-C is safe)"
            )
        progress = f"retrying in {pause_seconds:.1f} s ({self._failures} of {times})"
        return f"{cause}; {progress}" if is_new else progress

    def succeed(self) -> None:
        """Start again with the first pause."""
        self._failures = 0
