"""Choose the event loop of every process, and end the process on a signal.

The loop is uvloop, or the standard loop where uvloop is missing. uvloop needs a fraction of the
standard loop's CPU time per received frame. It does not exist for Windows. No other code may depend
on the choice.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

_Result = TypeVar("_Result")


def run(coroutine: Coroutine[object, object, _Result]) -> _Result:
    """Run a coroutine as ``asyncio.run`` does, on the chosen loop."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(coroutine)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the function that creates a loop."""
    try:
        import uvloop  # noqa: PLC0415 - it is not installed everywhere
    except ModuleNotFoundError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and Ctrl-C set from now on; before, they end the process."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
