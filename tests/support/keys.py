"""Keys for tests, and a key file with their hashes."""

from pathlib import Path
from typing import Final

from app.access.key_file import add_key
from app.domain.caller import DEFAULT_SCOPES, Scope

ALICE: Final = "pt_alice"
BOB: Final = "pt_bob"
NOBODY: Final = "pt_nobody"
"""A key that is in no file."""

SCOPE_KEYS: Final = {scope: f"pt_{scope.name}" for scope in Scope}
"""Keys of alice with one scope each."""


def write_key_file(path: Path) -> Path:
    """Write a file with the keys of alice and bob."""
    add_key(path, ALICE, name="alice", scopes=DEFAULT_SCOPES)
    add_key(path, BOB, name="bob", scopes=DEFAULT_SCOPES)
    for scope, key in SCOPE_KEYS.items():
        add_key(path, key, name="alice", scopes=[scope])
    return path


def authorization(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}
