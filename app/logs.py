"""Log entries: a fixed event name and fields, for people or for a collector, on standard error.

What a client or the venue sends may end in an entry, in a path, a header or the text of an
exception. Whatever could move the cursor, begin a line of its own or turn the direction of writing
is escaped, so that nobody writes into a terminal or invents an entry.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Final

from app.absent import absent

# structlog takes rich along for tracebacks that we do not use: 80 modules, a tenth of a start.
with absent("rich"):
    import structlog

_CONTROLS: Final = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: line ends, escape sequences
    "\u2028\u2029"  # line and paragraph separator
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\ud800-\udfff"  # halves of a character, which no file can hold
    "]"
)
_TRACEBACKS: Final = ("exception", "stack")
_TRACEBACK_MARGIN: Final = "    "
_MADE_BY_RENDERERS: Final = frozenset({"exc_info", *_TRACEBACKS})
_NESTING_MAX: Final = 8


def configure_logs(*, level: str, as_json: bool) -> None:
    """Send our entries and those of the libraries to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        # Not the pretty traceback: it shows local variables, settings and input among them.
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
    for chatty in (
        "httpcore2",
        "httpx2",
        "websockets",
        "uvicorn",
        "alembic",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def escape_controls(
    _logger: object, _method: str, entry: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Escape control characters in everything that an entry says; a structlog processor.

    The lines of a traceback stay lines, each with a margin: one that comes out of an exception's
    text does not begin where an entry begins.
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
    return _escaped_text(repr(value))  # as the renderers would, but nobody's repr is trusted


def _escaped_text(text: str) -> str:
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
