"""JSON (RFC 8259) without guessing: what a reader would have to guess about is refused.

Numbers keep the text in which they were written: ``1E+999999`` or an integer of 5,000 digits is
never computed, and ``0.0001`` never passes through a float.
"""

import json
import re
from typing import Final, Never

NESTING_LEVELS_MAX: Final = 300
"""How deeply arrays and objects may be nested.

Every Python has a limit of its own, which lies between some hundred and some ten thousand levels;
up to Python 3.11 it even depends on the caller. This one is below all of them, so the answer to a
text is the same everywhere.
"""


class JsonNumber(str):
    """A JSON number as it was written."""

    __slots__ = ()


class RepeatedKeyError(ValueError):
    """A key is given twice in the same object: nobody can say which of them counts."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} is given twice in one object")


class ConstantError(ValueError):
    """``NaN`` or ``Infinity``, which Python reads and JSON does not know."""

    def __init__(self) -> None:
        super().__init__("NaN and Infinity are not JSON")


class NestingError(ValueError):
    """Arrays and objects are nested in more than ``NESTING_LEVELS_MAX`` levels."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def is_nested_too_deeply(
    text: str | bytes | bytearray, *, levels_max: int = NESTING_LEVELS_MAX
) -> bool:
    """Whether a text, JSON or not, opens more than ``levels_max`` levels at once.

    It says so without a decoder: those of other Pythons end at other depths.
    """
    if len(text) <= levels_max:
        return False
    if not isinstance(text, str):
        # Each byte becomes one character, and all that is looked for is ASCII.
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
        elif character != '"':
            level -= 1
    return False


def decode_json(text: str) -> object:
    """Return what a text says, its numbers as ``JsonNumber``.

    Raises:
        json.JSONDecodeError: it is not JSON.
        RepeatedKeyError, ConstantError: it is nearly JSON.
        NestingError: it is nested too deeply.
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
"""A string that does not end reaches to the end of the text, so the search never goes back."""

_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
)
