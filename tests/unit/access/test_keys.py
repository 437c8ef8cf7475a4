"""Tests of ``app.access.keys``."""

import hashlib
import json
from typing import Any

import pytest

from app.access import keys
from app.access.keys import (
    KeyEntry,
    callers_by_hash,
    checked_name,
    hash_of,
    new_key,
    read_entries,
    write_entries,
)
from app.domain.caller import Caller, Scope
from app.domain.errors import StartupError
from app.domain.order import Owner

HASH = "0123456789abcdef" * 4
ENTRY: dict[str, Any] = {"name": "alice", "sha256": HASH, "scopes": ["orders:read"]}


def text(*entries: dict[str, Any]) -> bytes:
    """Return the content of a file with these entries."""
    return json.dumps({"keys": entries}).encode()


def test_new_keys_are_unique() -> None:
    """New keys have the prefix, are unique and cannot be guessed."""
    made = {new_key() for _ in range(100)}

    assert len(made) == 100
    assert all(key.startswith("pt_") and len(key) == 46 for key in made)


def test_a_file_knows_a_key_by_its_hash_alone() -> None:
    """The file holds the hash of a key, never the key."""
    assert hash_of("pt_a") == hashlib.sha256(b"pt_a").hexdigest()
    assert hash_of("\ud800") != hash_of("\udfff")  # a lone surrogate is no error


def test_written_entries_are_read_again() -> None:
    """Written entries can be read again."""
    entries = (
        KeyEntry("alice", HASH, (Scope.ORDERS_READ, Scope.METRICS)),
        KeyEntry("a.b-c_D", "f" * 64, ()),
    )

    assert read_entries(write_entries(entries)) == entries


def test_several_keys_of_a_name_are_one_owner() -> None:
    """All keys of one name identify the same owner."""
    newer = ENTRY | {"sha256": "F" * 64, "scopes": ["orders:write"]}

    callers = callers_by_hash(read_entries(text(ENTRY, newer)))

    assert callers == {
        HASH: Caller(Owner("alice"), frozenset({Scope.ORDERS_READ})),
        "f" * 64: Caller(Owner("alice"), frozenset({Scope.ORDERS_WRITE})),
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "Input data was truncated"),
        (b"keys: []", "malformed"),
        (b"\xff", "malformed"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `keys`"),
        (b"[" * 100_000, "Expected `object`"),
        (b'{"keys": [], "more": 1}', "unknown field `more`"),
        (text(ENTRY | {"key": "pt_a"}), "unknown field `key` - at `$.keys[0]`"),
        (text({"name": "alice", "sha256": HASH}), "missing required field `scopes`"),
        (text(ENTRY, ENTRY | {"scopes": ["orders:all"]}), "'orders:all' - at `$.keys[1].scopes"),
        (text(ENTRY | {"sha256": HASH[1:]}), "at `$.keys[0].sha256`"),
        (text(ENTRY | {"sha256": HASH + "\n"}), "at `$.keys[0].sha256`"),
        (text(ENTRY | {"sha256": HASH[1:] + "g"}), "at `$.keys[0].sha256`"),
        (text(ENTRY | {"name": ""}), "at `$.keys[0].name`"),
        (text(ENTRY | {"name": "a" * 37}), "at `$.keys[0].name`"),
        (text(ENTRY | {"name": "a b"}), "at `$.keys[0].name`"),
        (text(ENTRY | {"name": "alice\n"}), "at `$.keys[0].name`"),
        (text(ENTRY | {"name": "älice"}), "at `$.keys[0].name`"),
        (text(ENTRY, ENTRY | {"name": "bob", "sha256": HASH.upper()}), "listed twice"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(content: bytes, complaint: str) -> None:
    """An invalid file raises one line that names the place."""
    with pytest.raises(StartupError) as caught:
        read_entries(content)

    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_has_a_longest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file above the maximum size is refused."""
    with pytest.raises(StartupError, match="more than 4,194,304 bytes"):
        read_entries(b" " * (4 * 1024 * 1024 + 1))

    monkeypatch.setattr(keys, "KEY_FILE_BYTES_MAX", 8 * 1024 * 1024)
    entries = [KeyEntry("a", f"{number:064x}", ()) for number in range(10_001)]
    with pytest.raises(StartupError, match="length <= 10000"):
        read_entries(write_entries(entries))


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 36])
def test_a_good_name_is_taken(name: str) -> None:
    """Letters, digits, points, underscores and hyphens are valid in a name."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 37, "a b", "a/b", "a\n", "ä"])
def test_a_bad_name_is_refused(name: str) -> None:
    """An invalid name is refused."""
    with pytest.raises(StartupError, match="1 to 36 letters"):
        checked_name(name)
