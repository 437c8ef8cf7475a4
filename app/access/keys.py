"""The format of keys and of the key file: text only, no clock and no disk.

The file holds the SHA-256 of each key, never the key. A key has 256 random bits, so it cannot be
guessed. A slow hash protects guessable passwords; here it would cost time at every request and
protect nothing. The hash may be looked up in a dict for the same reason: the timing reveals at most
a part of a hash, which does not lead to its key.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from app.domain.caller import Caller, Scope
from app.domain.errors import StartupError
from app.domain.order import Owner

KEY_PREFIX: Final = "pt_"
"""Lets people and scanners for leaked secrets recognize a key."""

KEY_BYTES: Final = 32
KEY_CHARACTERS_MAX: Final = 256
KEYS_MAX: Final = 10_000
KEY_FILE_BYTES_MAX: Final = 4 * 1024 * 1024
NAME_PATTERN: Final = r"\A[A-Za-z0-9._-]{1,36}\Z"
HASH_DIGITS_SHOWN: Final = 8


class KeyEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key as the file lists it; all keys with the same ``name`` belong to one owner."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Fa-f]{64}\Z")]
    scopes: tuple[Scope, ...]


class _KeyList(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    keys: Annotated[tuple[KeyEntry, ...], msgspec.Meta(max_length=KEYS_MAX)]


def new_key() -> str:
    """Return a new random key."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> str:
    """Return a key's SHA-256 as in the file: 64 hexadecimal digits in lower case."""
    # A lone surrogate must give an unknown key, not an error.
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()


def read_entries(text: bytes) -> tuple[KeyEntry, ...]:
    """Parse the content of a key file.

    Raises:
        StartupError: the content is invalid; the message is one line.
    """
    if len(text) > KEY_FILE_BYTES_MAX:
        raise StartupError(f"it has more than {KEY_FILE_BYTES_MAX:,} bytes")
    try:
        entries = msgspec.json.decode(text, type=_KeyList).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StartupError(str(error)) from None
    hashes = [entry.sha256.lower() for entry in entries]
    if len(set(hashes)) != len(hashes):  # a key must not have two owners
        raise StartupError("the same sha256 is listed twice")
    return entries


def write_entries(entries: Sequence[KeyEntry]) -> bytes:
    """Return the content of a file with these keys."""
    return msgspec.json.format(msgspec.json.encode(_KeyList(tuple(entries))), indent=2) + b"\n"


def callers_by_hash(entries: Sequence[KeyEntry]) -> dict[str, Caller]:
    """Return the caller for each hash."""
    return {
        entry.sha256.lower(): Caller(owner=Owner(entry.name), scopes=frozenset(entry.scopes))
        for entry in entries
    }


def checked_name(name: str) -> str:
    """Return a name if it is valid.

    Raises:
        StartupError: the name is invalid.
    """
    if not re.search(NAME_PATTERN, name):  # the file would be refused
        raise StartupError("a name has 1 to 36 letters, digits, points, underscores or hyphens")
    return name
