"""The two timers of a symbol: the earliest deadline of its orders, and the end of lingering."""

import asyncio
from collections.abc import Callable
from typing import Final

from app.ports import Clock

LINGER_SECONDS: Final = 60.0
"""How long a symbol stays subscribed without orders, so that its next order needs no message."""

_NS_PER_SECOND: Final = 1_000_000_000
_PAST_DEADLINE_NS: Final = 1_000_000
"""The timer fires 1 ms after the deadline, because an order may still fill at its deadline."""


class DeadlineTimer:
    """Calls ``on_deadline`` once the deadline of the last ``arm`` call has passed."""

    def __init__(self, clock: Clock, on_deadline: Callable[[], None]) -> None:
        self._clock = clock
        self._on_deadline = on_deadline
        self._handle: asyncio.TimerHandle | None = None
        self._deadline_ns: int | None = None

    def arm(self, deadline_ns: int | None) -> None:
        """Replace the deadline; None means that no order has one."""
        if deadline_ns == self._deadline_ns:
            return  # most quotes leave the earliest deadline as it is
        self.disarm()
        if deadline_ns is not None:
            self._deadline_ns = deadline_ns
            left_ns = max(0, deadline_ns - self._clock.monotonic_ns()) + _PAST_DEADLINE_NS
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(left_ns / _NS_PER_SECOND, self._fire)

    def disarm(self) -> None:
        """Cancel the timer."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._deadline_ns = None

    def _fire(self) -> None:
        self._handle = self._deadline_ns = None
        self._on_deadline()


class LingerTimer:
    """Measures how long a symbol has had no orders, and calls ``on_over`` at the end."""

    def __init__(self, on_over: Callable[[], None]) -> None:
        self.is_over = False
        self._on_over = on_over
        self._handle: asyncio.TimerHandle | None = None

    def restart(self) -> None:
        """Begin ``LINGER_SECONDS`` now: the last order has ended."""
        self.reset()
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(LINGER_SECONDS, self.end)

    def reset(self) -> None:
        """Stop the timer: an order rests again."""
        self.is_over = False
        self.cancel()

    def end(self) -> None:
        """End lingering now."""
        self.is_over = True
        self._on_over()

    def cancel(self) -> None:
        """Stop the timer, and keep ``is_over`` as it is."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
