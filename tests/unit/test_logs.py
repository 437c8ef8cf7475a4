"""Tests of ``app.logs``."""

import importlib
import io
import json
import logging
import sys
import unicodedata
from collections.abc import Callable, Iterator

import pytest
import structlog

from app.logs import block_import, configure_logs


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**configuration)


def test_all_entries_have_one_format(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A collector can read every line as JSON."""
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


HOSTILE = (
    "\x1b[2J",  # clears a terminal
    "a\r\n2025-10-07T09:12:30.917204Z [info     ] order_fulfilled",  # an entry of their own
    "\x00\x07\x08\x7f",
    "\x85\x9b31m",  # C1: next line, and a one-character escape sequence
    "\u2028\u2029",
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "\ud800",
)


def written(*, as_json: bool, write: Callable[[], None]) -> str:
    """Return the text written to standard error."""
    configure_logs(level="INFO", as_json=as_json)
    stream = io.StringIO()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    write()
    return stream.getvalue()


def controls(text: str) -> list[str]:
    """Return the characters that a log must not contain, besides line ends."""
    return [
        character
        for character in text
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character != "\n"
    ]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("as_json", [True, False])
def test_text_of_clients_cannot_control_a_terminal(*, as_json: bool, text: str) -> None:
    """A path, a header or a name in an entry is one line of harmless characters."""

    class Careless:
        def __repr__(self) -> str:
            return text

    def write() -> None:
        structlog.get_logger().warning(
            "request_failed", path=text, headers=[(text, {text: text})], other=Careless()
        )

    log = written(as_json=as_json, write=write)

    assert log.count("\n") == 1
    assert not controls(log)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("as_json", [True, False])
def test_text_of_clients_in_entries_of_libraries_is_escaped(*, as_json: bool, text: str) -> None:
    """Libraries log such text without escaping it."""
    log = written(
        as_json=as_json, write=lambda: logging.getLogger("some.library").warning("sent %s", text)
    )

    assert log.count("\n") == 1
    assert not controls(log)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("is_ours", [True, False])
def test_the_text_of_an_exception_is_escaped(*, as_json: bool, is_ours: bool, text: str) -> None:
    """No line of a traceback begins like an entry."""

    def fail() -> None:
        raise ValueError(text)

    def write() -> None:
        try:
            fail()
        except ValueError:
            if is_ours:
                structlog.get_logger().exception("request_failed")
            else:
                logging.getLogger("some.library").exception("it failed")

    log = written(as_json=as_json, write=write)

    first, *others = log.splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in others)
    assert as_json is not bool(others)
    assert not controls(log)


def test_harmless_text_is_written_unchanged() -> None:
    """Names in any script, numbers and lists stay readable."""
    log = written(
        as_json=False,
        write=lambda: structlog.get_logger().info(
            "symbol_started", symbol="币安人生USDT", counts=[1, None], at={"price": 0.5}
        ),
    )

    assert "symbol=币安人生USDT" in log
    assert "counts=[1, None]" in log
    assert "at={'price': 0.5}" in log


def test_the_depth_of_a_value_is_bounded() -> None:
    """A value that contains itself is written to a limited depth."""
    endless: list[object] = ["\x1b"]
    endless.append(endless)

    log = written(as_json=True, write=lambda: structlog.get_logger().info("event", value=endless))

    assert not controls(log)


def test_a_blocked_package_cannot_be_imported() -> None:
    """The import fails within the block and works afterwards."""
    name = "wsgiref.headers"
    sys.modules.pop(name, None)

    with block_import(name), pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)

    assert importlib.import_module(name).__name__ == name


def test_an_imported_package_is_not_blocked() -> None:
    """A second copy of it would have other classes."""
    with block_import("json"):
        assert importlib.import_module("json") is json
