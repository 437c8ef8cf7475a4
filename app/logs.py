"""Configure the log: one event name with fields per entry, on standard error, as text or JSON.

An entry may contain text from a client or the venue, for example a path, a header or the text of
an exception. Characters that move the cursor, begin a line or change the writing direction are
escaped. Such text can therefore neither control a terminal nor forge an entry.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final


@contextlib.contextmanager
def block_import(package: str) -> Iterator[None]:
    """Let imports of a package fail within the block, unless it is already imported.

    None in ``sys.modules`` does that. The Python reference says in section 5.3.1: "if the value is
    None, then a ModuleNotFoundError is raised".
    """
    if package in sys.modules:
        yield  # a second copy of the package would have other classes
        return
    sys.modules[package] = None  # type: ignore[assignment] # as the reference says
    try:
        yield
    finally:
        del sys.modules[package]


# structlog imports rich, if it can, for tracebacks that are not used here. That is 80 modules and a
# tenth of the start-up time.
with block_import("rich"):
    import structlog

_CONTROLS: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: line ends and escape sequences
    "\u2028\u2029"  # line and paragraph separator
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\ud800-\udfff"  # surrogates, which UTF-8 cannot encode
    "]"
)
_TRACEBACKS: Final = ("exception", "stack")
_TRACEBACK_MARGIN: Final = "    "
_MADE_BY_RENDERERS: Final = frozenset({"exc_info", *_TRACEBACKS})
_NESTING_MAX: Final = 8


def configure_logs(*, level: str, as_json: bool) -> None:
    """Write the entries of Papertape and of its libraries to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        # The pretty traceback would show local variables, such as settings and input.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                escape_controls,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for verbose in (
        "httpcore2",
        "httpx2",
        "websockets",
        "uvicorn",
        "alembic",
    ):
        logging.getLogger(verbose).setLevel(logging.WARNING)


def escape_controls(
    _logger: object, _method: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape the control characters of an entry; a structlog processor.

    A traceback keeps its line ends, and every line is indented. A line within an exception's text
    can therefore not look like an entry.
    """
    for key, value in entry.items():
        if key not in _MADE_BY_RENDERERS:
            entry[key] = _escaped(value)
    for key in _TRACEBACKS:
        if key in entry:
            lines = str(entry[key]).split("\n")
            entry[key] = "\n".join(_TRACEBACK_MARGIN + _escaped_text(line) for line in lines)
    return entry


def _escaped(value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _escaped_text(value)
    if depth < _NESTING_MAX:
        if isinstance(value, Mapping):
            return {
                _escaped_text(str(key)): _escaped(part, depth + 1) for key, part in value.items()
            }
        if isinstance(value, list | tuple):
            return [_escaped(part, depth + 1) for part in value]
    return _escaped_text(repr(value))  # renderers call repr() too, but do not escape its result


def _escaped_text(text: str) -> str:
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
