"""The parameters of the control API: how they are read from a query, and their descriptions."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from app.domain.amounts import parse_amount
from app.simulator.venue.rest_api import ENDPOINTS, REST_ROOT

COUNT_MAX: Final = 1_000_000
TEXT_CHARACTERS_MAX: Final = 4_096

_FLAGS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_UPDATE_ID_MAX: Final = 2**63 - 1


class ControlError(ValueError):
    """A wrong request to the control API, with a message for its sender."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a control.

    Attributes:
        name: its name in the query.
        read: converts its text; raises ValueError for a wrong one.
        help: its description for the help text, the documentation and errors.
    """

    name: str
    read: Callable[[str], object]
    help: str


def read_parameters(
    parameters: Collection[Parameter], query: str, *, required: Collection[str]
) -> dict[str, object]:
    """Read a query string into the values of its parameters; missing ones are left out.

    Args:
        parameters: the parameters that the query may have.
        query: the query string.
        required: the names of the parameters that it must have.

    Raises:
        ControlError: a parameter is unknown, repeated, malformed or missing.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, object] = {}
    for name, text in pairs:
        if name not in known:
            choices = f"known are {', '.join(known)}" if known else "this control has none"
            raise ControlError(f"no parameter {name[:40]!r}; {choices}")
        # Two values would be ambiguous, and the wrong one would silently win.
        if name in values:
            raise ControlError(f"{name} is given twice")
        try:
            values[name] = known[name].read(text)
        except ValueError as error:
            raise ControlError(f"{name} {error}") from error
    for parameter in parameters:
        if parameter.name in required and parameter.name not in values:
            raise ControlError(f"{parameter.name} is missing: {parameter.help}")
    return values


def flag(text: str) -> bool:
    """Read true or false."""
    if text.lower() not in _FLAGS:
        raise ValueError(f"is true or false, not {text[:40]!r}")
    return _FLAGS[text.lower()]


def seconds(most: float) -> Callable[[str], float]:
    """Return a reader for seconds from 0 to ``most``."""

    def read(text: str) -> float:
        value = amount(text)
        if not 0 <= value <= most:
            raise ValueError(f"is 0 to {most:g} seconds, not {text[:40]!r}")
        return float(value)

    return read


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return a reader for whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        # int() would also accept signs, underscores and digits of other scripts.
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
        if not is_number or not least <= int(text) <= most:
            raise ValueError(f"is a whole number from {least} to {most}, not {text[:40]!r}")
        return int(text)

    return read


def one_of(words: Collection[str]) -> Callable[[str], str]:
    """Return a reader that accepts one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"is one of {', '.join(words)}, not {text[:40]!r}")
        return text

    return read


def symbol(text: str) -> str:
    """Read a symbol; the venue checks whether the market has it."""
    if not text:
        raise ValueError("is empty")
    return text.upper()


def endpoint(text: str) -> str:
    """Read the path of an endpoint, complete or relative to ``/api/v3``."""
    return REST_ROOT + one_of(ENDPOINTS)(text.removeprefix(REST_ROOT).strip("/"))


def amount(text: str) -> Decimal:
    """Read a price, a quantity or another number."""
    try:
        return parse_amount(text)
    except ValueError as error:
        raise ValueError(f"is a number in plain digits, not {text[:40]!r}") from error


def text_of(text: str) -> str:
    """Read any text."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"has more than {TEXT_CHARACTERS_MAX:,} characters")
    return text


count: Final = integer(0, COUNT_MAX)
update_id: Final = integer(0, _UPDATE_ID_MAX)
status_code: Final = integer(200, 599)
close_code: Final = integer(1000, 4999)

SYMBOL: Final = Parameter("symbol", symbol, "a symbol of the market")
ONE_SYMBOL: Final = Parameter("symbol", symbol, "only this symbol")
ON: Final = Parameter("on", flag, "false ends the fault; default true")
FRAMES: Final = Parameter("frames", count, "number of frames; 0 ends the fault; default no limit")
PATH: Final = Parameter("path", endpoint, f"only this endpoint: {', '.join(ENDPOINTS)}")
TIMES: Final = Parameter("times", count, "number of answers; default no limit")
