"""The event loop under every process that serves, records or replays, chosen in this one place.

It is uvloop, which handles what a socket says for a fraction of what the standard library's loop
takes; where that is not made for the system (Windows), the latter. Nothing else may depend on
which it is.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

_Result = TypeVar("_Result")


def run(coroutine: Coroutine[object, object, _Result]) -> _Result:
    """Run a coroutine to its end, as ``asyncio.run`` does."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes a loop."""
    try:
        import uvloop  # noqa: PLC0415 - it is not installed everywhere
    except ModuleNotFoundError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
