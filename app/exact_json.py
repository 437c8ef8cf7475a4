"""JSON (RFC 8259) without guessing: what a reader would have to guess about is refused.

Numbers keep the text in which they were written: ``1E+999999`` or an integer of 5,000 digits is
never computed, and ``0.0001`` never passes through a float.
"""

import json
from typing import Final, Never


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


def decode_json(text: str) -> object:
    """Return what a text says, its numbers as ``JsonNumber``.

    Raises:
        json.JSONDecodeError: it is not JSON.
        RepeatedKeyError, ConstantError: it is nearly JSON.
        RecursionError: it is nested too deeply.
    """
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


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=_refuse_constant,
)
