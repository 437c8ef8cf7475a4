"""What holds for every test."""

import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import greenlet  # type: ignore[import-untyped] # it has no types
import pytest
import structlog

if TYPE_CHECKING:
    from _typeshed import TraceFunction

# The default renderer takes seconds for a traceback, with every local variable in it.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
)


@pytest.fixture(autouse=True)
def _logs_go_where_they_went() -> Iterator[None]:
    """Take back what a command of ours set for the process that it would have been."""
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport, sched: Any) -> None:  # noqa: ANN401 - a scheduler of xdist, which has no public class
    """End the run at once when a worker crashes, with the name of its test.

    Left to itself xdist runs what the other workers have queued; with a new worker in place of the
    crashed one it can hang.
    """
    sched.config.hook.pytest_runtest_logreport(report=report)
    pytest.exit(f"the worker that ran {crashitem} crashed", returncode=1)


_kept_greenlets: list[tuple[object, object]] = []
"""Each twice, since greenlet searches all objects for whoever holds one just once."""


@pytest.fixture(autouse=True, scope="session")
def _measured_threads_keep_their_greenlets() -> Iterator[None]:
    """Keep coverage from hanging on Python 3.11 when a thread has ended.

    Coverage asks for the greenlet of every thread and refers to it weakly. The greenlet dies in a
    pending call of the interpreter, where the weak reference calls a function that is traced; if
    one more thread ends meanwhile, the interpreter never gets into that function.
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
