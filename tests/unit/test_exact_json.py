"""JSON is read without guessing."""

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
    """It is neither computed nor rounded, and is told from a string."""
    value = decode_json(f'{{"a": {number}, "b": "{number}"}}')

    assert isinstance(value, Mapping)
    assert (value["a"], type(value["a"])) == (number, JsonNumber)
    assert (value["b"], type(value["b"])) == (number, str)


def test_a_key_given_twice_is_named() -> None:
    """At any depth, and only within the same object."""
    with pytest.raises(RepeatedKeyError) as caught:
        decode_json('[{"a": 1, "b": {"c": 1, "d": 2, "c": 3}}]')

    assert caught.value.key == "c"
    assert decode_json('[{"a": "x"}, {"a": "y"}]') == [{"a": "x"}, {"a": "y"}]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_reads_is_refused(constant: str) -> None:
    """JSON knows no such number."""
    with pytest.raises(ConstantError):
        decode_json(f'{{"price": {constant}}}')


def test_what_is_not_json_is_told_with_its_place() -> None:
    """The library says where."""
    with pytest.raises(json.JSONDecodeError) as caught:
        decode_json('{"a":\n nonsense}')

    assert caught.value.lineno == 2


NESTS = [("[", "]"), ('{"a":', "}"), ('[{"]":"[", "a":', "}]"), ('[ "\\\\\\"[[" ,', "]")]


@pytest.mark.parametrize(("left", "right"), NESTS, ids=["array", "object", "both", "escapes"])
def test_the_limit_of_nesting_is_ours(left: str, right: str) -> None:
    """It is the same on every Python and from every caller; brackets in strings do not count."""
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
def test_brackets_side_by_side_or_in_strings_are_no_nesting(text: str) -> None:
    """This holds in a string that is cut off, too."""
    assert not is_nested_too_deeply(text)
    assert not is_nested_too_deeply(text.encode())
