"""Fixtures and hooks for all tests."""

import asyncio
import socket
import threading
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import greenlet  # type: ignore[import-untyped] # it has no types
import pytest
import structlog

from tests.support.virtual_time import new_virtual_loop

if TYPE_CHECKING:
    from _typeshed import TraceFunction

# The default renderer takes seconds for a traceback, with every local variable in it.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
)


@pytest.fixture(autouse=True)
def _logs_are_configured_as_before() -> Iterator[None]:
    """Restore the configuration of the logs, which a command sets for its process."""
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of tests whose event loop skips every wait."""
    config.addinivalue_line("markers", "virtual_time: the clock of the test's loop jumps")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of a test."""
    del config
    if item.get_closest_marker("virtual_time"):
        return {"virtual": new_virtual_loop}
    return {"real": asyncio.new_event_loop}


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:  # noqa: ANN401 - a scheduler of xdist, which has no public class
    """End the run at once when a worker crashes, with the name of its test.

    Otherwise xdist runs the queues of the other workers, and can hang with a new worker in place of
    the crashed one.
    """
    sched.config.hook.pytest_runtest_logreport(report=report)
    pytest.exit(f"the worker that ran {crashitem} crashed", returncode=1)


@pytest.fixture(autouse=True, scope="session")
def _closing_servers_close_accepted_connections() -> Iterator[None]:
    """Close a connection that asyncio accepted just before its server closed.

    asyncio cannot make a transport for it, and leaves the socket open until the garbage collector
    runs. The client waits, and a later test fails because of an unclosed socket.
    """
    accept: Callable[..., Awaitable[None]] = BaseSelectorEventLoop._accept_connection2  # type: ignore[attr-defined]

    async def accept_or_close(
        loop: BaseSelectorEventLoop,
        make: object,
        connection: socket.socket,
        *more: Any,  # noqa: ANN401 - a server of asyncio, whose class has no public name
    ) -> None:
        _, _, server, *_ = more
        if server.sockets:
            await accept(loop, make, connection, *more)
        else:
            connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseSelectorEventLoop, "_accept_connection2", accept_or_close)
        yield


_kept_greenlets: list[tuple[object, object]] = []
"""Each is kept twice: greenlet searches all objects for the owner of a single reference."""


@pytest.fixture(autouse=True, scope="session")
def _measured_threads_keep_their_greenlets() -> Iterator[None]:
    """Keep coverage from hanging on Python 3.11 when a thread has ended.

    Coverage keeps a weak reference to the greenlet of every thread. The greenlet is freed in a
    pending call of the interpreter, in which the weak reference calls a traced function. If another
    thread ends meanwhile, the interpreter never enters that function.
    """
    begin = threading.gettrace()
    if begin is None:
        yield
        return

    def keep_and_begin(
        frame: FrameType,
        event: Literal["call", "line", "return", "exception", "opcode"],
        argument: object,
    ) -> "TraceFunction | None":
        mine = greenlet.getcurrent()
        _kept_greenlets.append((mine, mine))
        return begin(frame, event, argument)

    threading.settrace(keep_and_begin)
    yield
    threading.settrace(begin)
