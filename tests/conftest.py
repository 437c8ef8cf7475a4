"""What holds for every test."""

from collections.abc import Iterator

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
