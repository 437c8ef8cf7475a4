"""An event loop whose time passes only while nothing else is to be done.

Sockets on loopback are real, waiting is not: once no socket has anything to say, the clock jumps to
the next timer. Ten minutes of a venue's limits pass in some seconds, and to the millisecond.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

LOOKS: Final = 3
"""How often sockets are asked before the clock jumps: what was sent over loopback is there at once,
but for what the machine has not come to."""

JUMP_SECONDS_MIN: Final = 1e-6
"""What is waited for may be nearer than a step of a float: the clock must go on all the same."""

_NANOSECONDS: Final = 1_000_000_000
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class VirtualClock:
    """A clock (port ``Clock``) that the selector moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> datetime:
        """Return an instant that moves with it."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_ns(self) -> int:
        """Return nanoseconds."""
        return round(self.seconds * _NANOSECONDS)


class _JumpingSelector(selectors.DefaultSelector):
    """Asks for events, and instead of waiting for them lets the clock jump."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)  # only a thread can wake us: there is no timer to jump to
        for _ in range(LOOKS if timeout > 0 else 1):
            events = super().select(0)
            if events or timeout <= 0:
                return events
        self._clock.seconds += max(timeout, JUMP_SECONDS_MIN)
        return []


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self.clock = clock

    def time(self) -> float:
        return self.clock.seconds


def run_in_virtual_time(
    main: Callable[[VirtualClock], Coroutine[Any, Any, _Result]],
) -> _Result:
    """Run a coroutine function on a loop of its own; it gets the loop's clock."""
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock)) as runner:
        return runner.run(main(clock))


def in_virtual_time(
    test: Callable[_Parameters, Coroutine[Any, Any, _Result]],
) -> Callable[_Parameters, _Result]:
    """Let a test run in virtual time; its fixtures must not be bound to another loop."""

    @functools.wraps(test)
    def run(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        return run_in_virtual_time(lambda _clock: test(*arguments, **named))

    return run


def hold_up(seconds: float) -> None:
    """Let time pass as if the running loop had worked on one thing for so long."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.clock.seconds += seconds
