"""Reads single values of the input, and turns pydantic's errors into our field problems.

A reader raises ``PydanticCustomError`` with a code and a message of ours, so that pydantic reports
them as they are. ``field_problems`` adds what only pydantic knows: missing and unknown fields.
"""

import difflib
import re
import sys
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from app.domain.errors import FieldProblem, InvalidInputError
from app.domain.order import Symbol
from app.domain.symbols import SYMBOL_CHARACTERS_MAX, spelled_symbol, upper
from app.exact_json import JsonNumber, json_type

ECHO_CHARACTERS_MAX: Final = 40
"""Of an unknown name; enough to recognize it."""

UNKNOWN_FIELDS_SHOWN_MAX: Final = 10
"""A body of 16 KiB has room for thousands; the first few are enough for the sender."""

SYMBOL_FORM: Final = rf"^[\p{{L}}\p{{N}}]{{1,{SYMBOL_CHARACTERS_MAX}}}$"
"""A symbol as it may be sent, in the notation of ECMA-262: letters and digits of any script, the
same as ``str.isalnum`` accepts."""

CLIENT_ORDER_ID_FORM: Final = r"^[a-zA-Z0-9-_]{1,36}$"
"""Binance's form of a ``newClientOrderId``, without the characters that a URL has to escape."""

_CLIENT_ORDER_ID = re.compile(CLIENT_ORDER_ID_FORM.strip("^$"), re.ASCII)
_ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class InputModel(BaseModel):
    """An input whose every problem is reported at once, in our codes and words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    error: ClassVar[type[InvalidInputError]]

    @model_validator(mode="wrap")
    @classmethod
    def _raise_our_error(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - pydantic passes any input
        try:
            return handler(values)
        except ValidationError as error:
            raise cls.error(field_problems(error, known=cls.model_fields)) from None


def field_problems(error: ValidationError, *, known: Collection[str]) -> list[FieldProblem]:
    """Return the problems of an input: missing fields, refused values, unknown fields."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [one for one in details if one["type"] == "missing"]
    unknown = [str(one["loc"][-1]) for one in details if one["type"] == "extra_forbidden"]
    refused = [one for one in details if one["type"] not in {"missing", "extra_forbidden"}]
    return [
        *[_problem(one, "required", "is missing") for one in missing],
        *[_problem(one, one["type"], one["msg"]) for one in refused],
        *unknown_field_problems(unknown, known=known),
    ]


def unknown_field_problems(
    unknown: Collection[str], *, known: Collection[str]
) -> Iterable[FieldProblem]:
    """Yield a problem for each of the first unknown fields, and one for the rest.

    A misspelled field must not be ignored.
    """
    for field in list(unknown)[:UNKNOWN_FIELDS_SHOWN_MAX]:
        yield FieldProblem(
            field=shortened(field), code="unknown_field", message=_unknown_message(field, known)
        )
    rest = len(unknown) - UNKNOWN_FIELDS_SHOWN_MAX
    if rest > 0:
        yield FieldProblem(
            field="", code="unknown_field", message=f"{rest} more fields are not known"
        )


def read_text(value: object) -> str:
    """Return a JSON string."""
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        raise PydanticCustomError("wrong_type", f"must be a string, not {json_type(value)}")
    return value


def read_number_text(value: object) -> str:
    """Return the text of a JSON number, or of a string that may hold one."""
    if not isinstance(value, str):
        raise PydanticCustomError(
            "wrong_type", f"must be a string or a number, not {json_type(value)}"
        )
    return str(value)


def choice_reader(
    choices: type[StrEnum], *, code: str, message: str
) -> Callable[[object], StrEnum]:
    """Return a reader of the members of an enum, named in upper or lower case."""

    def read(value: object) -> StrEnum:
        text = upper(read_text(value))
        try:
            return choices(text)
        except ValueError:
            raise PydanticCustomError(code, message) from None

    return read


def read_symbol(value: object) -> Symbol:
    """Return a symbol in the venue's spelling: upper case, letters and digits.

    All orders of a symbol share one text of it, which each of them keeps while it is open.
    """
    text = read_text(value)
    try:
        return Symbol(sys.intern(spelled_symbol(text)))
    except ValueError as error:
        raise PydanticCustomError("invalid_symbol", str(error)) from None


def read_client_order_id(text: str) -> str:
    """Return a key if it has the form of one."""
    if not _CLIENT_ORDER_ID.fullmatch(text):
        raise PydanticCustomError(
            "invalid_client_order_id", "must be 1 to 36 of the letters a-z and A-Z, 0-9, - and _"
        )
    return text


def is_order_id(text: str) -> bool:
    """Whether a text has the form of an order's id, in lower case."""
    return _ORDER_ID.fullmatch(text) is not None


def shortened(text: str) -> str:
    """Return as much of the input as an answer may repeat."""
    return text if len(text) <= ECHO_CHARACTERS_MAX else f"{text[:ECHO_CHARACTERS_MAX]}…"


def _problem(details: ErrorDetails, code: str, message: str) -> FieldProblem:
    return FieldProblem(field=str(details["loc"][-1]), code=code, message=message)


def _unknown_message(field: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(field[:ECHO_CHARACTERS_MAX], sorted(known), n=1)
    if near:
        return f"is not known; did you mean {near[0]}?"
    return f"is not known; known are {', '.join(known)}" if known else "is not known"
