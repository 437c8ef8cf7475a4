"""Read JSON (RFC 8259) strictly and exactly: ambiguous documents are refused.

Numbers keep their text: ``1E+999999`` or an integer of 5,000 digits is never computed, and
``0.0001`` is never converted to a float.
"""

import json
import re
from typing import Final, Never

NESTING_LEVELS_MAX: Final = 300
"""The maximum depth of nested arrays and objects.

Each version of Python has its own limit, between some hundred and some ten thousand levels. Up to
Python 3.11 the limit depends on the caller's stack. This maximum is below all of them, so every
Python gives the same answer to a text.
"""


class JsonNumber(str):
    """The text of a JSON number."""

    __slots__ = ()


class RepeatedKeyError(ValueError):
    """A key occurs twice in one object, so its value is ambiguous."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} is given twice in one object")


class ConstantError(ValueError):
    """The text contains ``NaN`` or ``Infinity``, which Python accepts but JSON does not."""

    def __init__(self) -> None:
        super().__init__("NaN and Infinity are not JSON")


class NestingError(ValueError):
    """Arrays and objects are nested deeper than ``NESTING_LEVELS_MAX``."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def json_type(value: object) -> str:
    """Return the type of a decoded value in the words of JSON, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, JsonNumber):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def is_nested_too_deeply(
    text: str | bytes | bytearray, *, levels_max: int = NESTING_LEVELS_MAX
) -> bool:
    """Tell whether a text, JSON or not, is nested deeper than ``levels_max``.

    The function uses no decoder, because each version of Python stops at another depth.
    """
    if len(text) <= levels_max:
        return False
    if not isinstance(text, str):
        # Each byte becomes one character, which is enough to find ASCII brackets and quotes.
        text = text.decode("latin-1")
    if text.count("[") + text.count("{") <= levels_max:
        return False
    level = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        character = text[token.start()]
        if character in "[{":
            level += 1
            if level > levels_max:
                return True
        # A match that begins with a quotation mark is a whole string, brackets included.
        elif character != '"':
            level -= 1
    return False


def decode_json(text: str) -> object:
    """Decode a text; numbers become ``JsonNumber``.

    Raises:
        json.JSONDecodeError: the text is not JSON.
        RepeatedKeyError: a key occurs twice in one object.
        ConstantError: the text contains ``NaN`` or ``Infinity``.
        NestingError: the text is nested too deeply.
    """
    if is_nested_too_deeply(text):
        raise NestingError
    return _DECODER.decode(text)


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for key, value in pairs:
        if key in mapping:
            raise RepeatedKeyError(key)
        mapping[key] = value
    return mapping


def _refuse_constant(_text: str) -> Never:
    raise ConstantError


_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+["\\]?|[\[\]{}]', re.DOTALL)
"""An unterminated string matches up to the end of the text, so the search never backtracks."""

_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
)
