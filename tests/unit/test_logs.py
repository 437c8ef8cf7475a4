"""Tests of ``app.logs``."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.logs import configure_logs


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def test_our_entries_and_those_of_libraries_have_one_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A collector reads every line as JSON."""
    configure_logs(level="INFO", as_json=True)

    structlog.get_logger().info("order_fulfilled", order_id="7")
    logging.getLogger("some.library").warning("it happened")

    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["order_id"], ours["level"]) == ("order_fulfilled", "7", "info")
    assert (theirs["event"], theirs["level"]) == ("it happened", "warning")


def test_entries_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """LOG_LEVEL is the least severe entry that is written."""
    configure_logs(level="WARNING", as_json=True)

    structlog.get_logger().info("symbol_started")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_local_variables(*, as_json: bool) -> None:
    """Settings and input stay out of the log."""
    configure_logs(level="INFO", as_json=as_json)
    stream = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    password = f"hidden-{id(stream)}"
    try:
        int("no number")
    except ValueError:
        structlog.get_logger().exception("request_failed")

    assert "ValueError" in stream.getvalue()
    assert password not in stream.getvalue()
