"""Reads named fields of the input and gathers everything that is wrong with them."""

import difflib
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

from app.domain.errors import FieldProblem, InvalidInputError
from app.domain.order import Symbol
from app.domain.symbols import SYMBOL_CHARACTERS_MAX, spelled_symbol
from app.exact_json import JsonNumber

ECHO_CHARACTERS_MAX: Final = 40
"""Of a name that we do not know; enough to recognize it."""

UNKNOWN_FIELDS_TOLD_MAX: Final = 10
"""A body of 16 KiB has room for thousands; the first few tell the sender enough."""

SYMBOL_FORM: Final = rf"^[\p{{L}}\p{{N}}]{{1,{SYMBOL_CHARACTERS_MAX}}}$"
"""Of a symbol as it may be sent, written so that others know it (ECMA-262): letters and digits of
any script, as ``str.isalnum`` has them."""

_ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_Value = TypeVar("_Value")


class FieldRefusal(ValueError):  # noqa: N818 - no error of the service: it never leaves a form
    """What is wrong with one value, and what to do about it."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class FieldForm:
    """The fields of one input; each is read once, then ``finish`` raises what was found."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._problems: list[FieldProblem] = []

    def read(self, field: str, reader: Callable[[object], _Value], default: _Value) -> _Value:
        """Return a field's value, ``default`` if it is absent or refused."""
        if field not in self._values:
            return default
        try:
            return reader(self._values[field])
        except FieldRefusal as refusal:
            self.refuse(field, refusal.code, refusal.message)
            return default

    def require(self, field: str) -> None:
        """Refuse the input unless it has the field."""
        if field not in self._values:
            self.refuse(field, "required", "is missing")

    def refuse(self, field: str, code: str, message: str) -> None:
        """Note what is wrong with a field."""
        self._problems.append(FieldProblem(field=field, code=code, message=message))

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Refuse every field that is not known: a misspelled one must not be ignored."""
        unknown = [field for field in self._values if field not in known]
        for field in unknown[:UNKNOWN_FIELDS_TOLD_MAX]:
            self.refuse(shortened(field), "unknown_field", _unknown_message(field, known))
        untold = len(unknown) - UNKNOWN_FIELDS_TOLD_MAX
        if untold > 0:
            self.refuse("", "unknown_field", f"{untold} more fields are not known")

    def finish(self, error: type[InvalidInputError]) -> None:
        """Raise ``error`` with all problems, if there are any."""
        if self._problems:
            raise error(self._problems)


def read_text(value: object) -> str:
    """Return a JSON string."""
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise FieldRefusal("wrong_type", f"must be a string, not {_json_type(value)}")
    return value


def read_number_text(value: object) -> str:
    """Return the text of a JSON number, or of a string that may hold one."""
    if not isinstance(value, str):
        raise FieldRefusal("wrong_type", f"must be a string or a number, not {_json_type(value)}")
    return str(value)


def read_symbol(value: object) -> Symbol:
    """Return a symbol in the venue's spelling: upper case, letters and digits.

    All orders of a symbol share one text of it, which each of them keeps while it is open.
    """
    text = read_text(value)
    try:
        return Symbol(sys.intern(spelled_symbol(text)))
    except ValueError as error:
        raise FieldRefusal("invalid_symbol", str(error)) from None


def is_order_id(text: str) -> bool:
    """Whether a text has the form of an order's id, in lower case."""
    return _ORDER_ID.fullmatch(text) is not None


def shortened(text: str) -> str:
    """Return as much of the input as may be told back."""
    return text if len(text) <= ECHO_CHARACTERS_MAX else f"{text[:ECHO_CHARACTERS_MAX]}…"


def _unknown_message(field: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(field[:ECHO_CHARACTERS_MAX], sorted(known), n=1)
    if near:
        return f"is not known; did you mean {near[0]}?"
    return f"is not known; known are {', '.join(known)}" if known else "is not known"


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, JsonNumber):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"
