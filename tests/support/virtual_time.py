"""An event loop whose clock jumps to the next timer when it has nothing else to do.

Sockets on loopback are real, but waiting is virtual: once no socket is ready, the clock jumps to
the next timer. Ten minutes of a venue's limits take some seconds, with exact times.
"""

import asyncio
import fcntl
import functools
import os
import selectors
import sys
import termios
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final, ParamSpec, TypeVar

from app.clock import SystemClock
from app.ports import Clock

LOOKS: Final = 3
"""How often sockets are polled before the clock jumps, if no bytes are in transit."""

LOOKS_MAX: Final = 200
LOOK_SECONDS: Final = 0.001
"""How often and how long sockets are polled while bytes are in transit. The limit is for bytes that
wait because their receiver does not read."""

JUMP_SECONDS_MIN: Final = 1e-6
"""The smallest jump: a timer may be nearer than the precision of a float."""

_NANOSECONDS: Final = 1_000_000_000
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class VirtualClock:
    """A clock (port ``Clock``) that the selector moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> datetime:
        """Return an instant that follows ``seconds``."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic_ns(self) -> int:
        """Return ``seconds`` in nanoseconds."""
        return round(self.seconds * _NANOSECONDS)


class _JumpingSelector(selectors.DefaultSelector):
    """Polls for events, and lets the clock jump instead of waiting."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)  # without a timer only another thread can wake the loop
        for look in range(LOOKS_MAX if timeout > 0 else 1):
            events = super().select(0 if look < LOOKS else LOOK_SECONDS)
            if events or timeout <= 0:
                return events
            if look + 1 >= LOOKS and not self._is_anything_under_way():
                break
            os.sched_yield()
        self._clock.seconds += max(timeout, JUMP_SECONDS_MIN)
        return []

    def _is_anything_under_way(self) -> bool:
        """Return whether a socket is connecting, or has undelivered bytes.

        Both may take a while on a busy machine, and the clock must not jump meanwhile.
        """
        for key in self.get_map().values():
            is_connecting = key.events & selectors.EVENT_WRITE
            if is_connecting or _unacknowledged_bytes(key.fd):
                return True
        return False


def _unacknowledged_bytes(fd: int) -> int:
    try:
        answer = fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0  # a listening socket sends nothing
    return int.from_bytes(answer, sys.byteorder)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_JumpingSelector(clock))
        self.clock = clock

    def time(self) -> float:
        return self.clock.seconds


def new_virtual_loop() -> asyncio.AbstractEventLoop:
    """Make a loop with a virtual clock."""
    return _VirtualLoop(VirtualClock())


def clock_of_loop() -> Clock:
    """Return the clock of the running loop: the system's, unless the loop is a virtual one."""
    loop = asyncio.get_running_loop()
    return loop.clock if isinstance(loop, _VirtualLoop) else SystemClock()


def run_in_virtual_time(
    main: Callable[[VirtualClock], Coroutine[Any, Any, _Result]],
) -> _Result:
    """Run a coroutine function on a new virtual loop, with the clock of the loop."""
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock)) as runner:
        return runner.run(main(clock))


def in_virtual_time(
    test: Callable[_Parameters, Coroutine[Any, Any, _Result]],
) -> Callable[_Parameters, _Result]:
    """Run a test in virtual time; its fixtures must not be bound to another loop."""

    @functools.wraps(test)
    def run(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        return run_in_virtual_time(lambda _clock: test(*arguments, **named))

    return run


def hold_up(seconds: float) -> None:
    """Advance the clock as if one callback had blocked the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _VirtualLoop)
    loop.clock.seconds += seconds
