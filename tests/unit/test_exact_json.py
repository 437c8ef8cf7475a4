"""Tests of ``app.exact_json``."""

import json
from collections.abc import Mapping

import pytest

from app.exact_json import (
    NESTING_LEVELS_MAX,
    ConstantError,
    JsonNumber,
    NestingError,
    RepeatedKeyError,
    decode_json,
    is_nested_too_deeply,
)


@pytest.mark.parametrize("number", ["1", "-0.50", "1E+999999", "9" * 5_000, "0.0001"])
def test_a_number_keeps_its_text(number: str) -> None:
    """The number is neither computed nor rounded, and differs from a string."""
    value = decode_json(f'{{"a": {number}, "b": "{number}"}}')

    assert isinstance(value, Mapping)
    assert (value["a"], type(value["a"])) == (number, JsonNumber)
    assert (value["b"], type(value["b"])) == (number, str)


def test_a_repeated_key_is_named() -> None:
    """The key is found at any depth, but only within one object."""
    with pytest.raises(RepeatedKeyError) as caught:
        decode_json('[{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}]')

    assert caught.value.key == "c"
    assert decode_json('[{"a": "x"}, {"a": "y"}]') == [{"a": "x"}, {"a": "y"}]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_of_python_are_refused(constant: str) -> None:
    """JSON has no such number."""
    with pytest.raises(ConstantError):
        decode_json(f'{{"price": {constant}}}')


def test_a_text_that_is_not_json_is_refused_with_its_position() -> None:
    """The error has the library's position."""
    with pytest.raises(json.JSONDecodeError) as caught:
        decode_json('{"a":\n nonsense}')

    assert caught.value.lineno == 2


NESTS = [("[", "]"), ('{"a":', "}"), ('[{"]":"[", "a":', "}]"), ('[ "\\\\\\"[[" ,', "]")]


@pytest.mark.parametrize(("left", "right"), NESTS, ids=["array", "object", "both", "escapes"])
def test_nesting_has_a_fixed_limit(left: str, right: str) -> None:
    """Every Python and every caller has the same limit; brackets in strings do not count."""
    repeats = NESTING_LEVELS_MAX // (2 if left.startswith("[{") else 1)
    deepest = left * repeats + "1" + right * repeats

    decode_json(deepest)
    for text in (f"[{deepest}]", f"[{deepest}", f"[{deepest[: deepest.index('1')]}"):
        with pytest.raises(NestingError):
            decode_json(text)
        assert is_nested_too_deeply(text.encode())
        assert is_nested_too_deeply(bytearray(text, "utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "[" + "[]," * 1_000 + "{}]",
        json.dumps("[" * 1_000),
        json.dumps(['"' + "[" * 1_000]),
        json.dumps(["\\", "\\\\", "{" * 1_000]),
        '["' + "[" * 1_000,
        '["' + "[" * 1_000 + "\\",
        "}" * 10 + "[]" * 1_000,
    ],
    ids=lambda text: text[:20],
)
def test_sequential_or_quoted_brackets_are_not_nesting(text: str) -> None:
    """This includes a string that is cut off."""
    assert not is_nested_too_deeply(text)
    assert not is_nested_too_deeply(text.encode())
