"""The request headers ``Prefer`` and ``Idempotency-Key``."""

import pytest
from pydantic_core import PydanticCustomError

from app.api.orders.order_headers import Preference, read_idempotency_key, read_preference

WAIT_SECONDS_MAX = 300


def read(*values: str) -> Preference:
    """Read the preference of a request with these ``Prefer`` headers."""
    return read_preference(values, wait_seconds_max=WAIT_SECONDS_MAX)


@pytest.mark.parametrize(
    ("values", "seconds", "applied"),
    [
        ((), 300, None),
        (("respond-async",), 0, "respond-async"),
        (("Respond-Async",), 0, "respond-async"),
        (('respond-async=""',), 0, "respond-async"),
        (("respond-async; foo=bar",), 0, "respond-async"),
        (("wait=10",), 10, "wait=10"),
        (("WAIT = 10",), 10, "wait=10"),
        (('wait="10"',), 10, "wait=10"),
        (("wait=0",), 0, "wait=0"),
        (("wait=007",), 7, "wait=7"),
        (("wait=300",), 300, "wait=300"),
        (("wait=301",), 300, "wait=300"),
        (("wait=" + "9" * 40,), 300, "wait=300"),
        (("wait=10, wait=20",), 10, "wait=10"),
        (("wait=10", "wait=20"), 10, "wait=10"),
        (("respond-async, wait=10",), 10, "wait=10"),
        (("respond-async", "wait=10"), 10, "wait=10"),
        (("wait=10;foo, respond-async",), 10, "wait=10"),
        (("return=minimal, handling=lenient,wait=10",), 10, "wait=10"),
        (('foo="a, b", wait=10',), 10, "wait=10"),
    ],
)
def test_preference_is_read_as_rfc_7240_has_it(
    values: tuple[str, ...], seconds: int, applied: str | None
) -> None:
    """Preferences may be in one header or several; the first of a repeated preference counts."""
    assert read(*values) == Preference(wait_seconds=seconds, applied=applied)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",,",
        "wait",
        "wait=",
        "wait=soon",
        "wait=-1",
        "wait=1.5",
        "wait=1e1",
        "wait=\u00b2",
        'wait="10',
        "wait=10s",
        "wait=10 20",
        "awaited=10",
        "wait=" + "9" * 5_000,
        "respond-async=true",
        "respond-synchronously",
        'foo="wait=10, respond-async"',
        'foo="a\\", wait=10, b"',
    ],
)
def test_preference_that_is_none_of_ours_is_ignored(value: str) -> None:
    """RFC 7240: a server ignores unknown preferences; quoted text is not a preference."""
    assert read(value) == Preference(wait_seconds=WAIT_SECONDS_MAX, applied=None)


def test_preference_after_an_ignored_one_counts() -> None:
    """A malformed preference does not hide a valid one after it."""
    assert read("wait=soon, wait=10").applied == "wait=10"


@pytest.mark.parametrize("value", ["key-1", '"key-1"', ' "key-1" '])
def test_key_may_stand_in_quotes(value: str) -> None:
    """The key may be plain or in quotes, as a structured field."""
    assert read_idempotency_key([value]) == "key-1"


def test_request_may_have_no_key() -> None:
    """A request without the header has no key."""
    assert read_idempotency_key([]) is None


@pytest.mark.parametrize(
    "value",
    [*("", '"', '""', "'a'", '"a', 'a"', '"a"b"', '"a";b', "a,b", "a b", "a\tb", "é"), "a" * 37],
)
def test_malformed_key_is_refused(value: str) -> None:
    """A key that is not a valid ``client_order_id`` is refused."""
    with pytest.raises(PydanticCustomError, match="1 to 36"):
        read_idempotency_key([value])


def test_key_given_twice_is_refused() -> None:
    """Two headers are refused even if their keys are equal."""
    with pytest.raises(PydanticCustomError, match="more than once"):
        read_idempotency_key(["key-1", "key-1"])
