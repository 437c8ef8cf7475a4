"""Calls back once the earliest deadline has passed."""

import asyncio
from collections.abc import Callable
from typing import Final

from app.ports import Clock

_NS_PER_SECOND: Final = 1_000_000_000
_PAST_DEADLINE_NS: Final = 1_000_000
"""An order may still fill at its deadline; the timer comes a millisecond later."""


class DeadlineTimer:
    """At most one timer of the event loop, for the deadline that was told last."""

    def __init__(self, clock: Clock, act: Callable[[], None]) -> None:
        self._clock = clock
        self._act = act
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_ns: int | None = None

    def arm(self, deadline_ns: int | None) -> None:
        """Act once this deadline has passed, and not for the one before."""
        if deadline_ns == self._deadline_ns:
            return
        self.disarm()
        if deadline_ns is not None:
            self._deadline_ns = deadline_ns
            left_ns = max(0, deadline_ns - self._clock.monotonic_ns()) + _PAST_DEADLINE_NS
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(left_ns / _NS_PER_SECOND, self._ring)

    def disarm(self) -> None:
        """Act no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._deadline_ns = None

    def _ring(self) -> None:
        self._timer = self._deadline_ns = None
        self._act()
