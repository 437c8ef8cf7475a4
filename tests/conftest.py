"""What holds for every test."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

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
    crashed one it can wait for ever.
    """
    sched.config.hook.pytest_runtest_logreport(report=report)
    pytest.exit(f"the worker that ran {crashitem} crashed", returncode=1)
