"""Identify callers by the keys of a file, add keys to it, or accept all callers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from app.access.keys import (
    KEY_CHARACTERS_MAX,
    KEY_FILE_BYTES_MAX,
    KeyEntry,
    callers_by_hash,
    checked_name,
    hash_of,
    read_entries,
    write_entries,
)
from app.domain.caller import ANONYMOUS, Caller, Scope
from app.domain.errors import StartupError, UnauthorizedError
from app.ports import Clock

RECHECK_SECONDS: Final = 1
"""The longest time for which a revoked key stays valid."""

_NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_OWNER_ONLY: Final = 0o600

_log = structlog.get_logger()


class KeyFileAccess:
    """Identifies callers by the keys of a file, which is reloaded after a change.

    The content is compared, not the modification time. Reading a few hundred bytes once a second is
    cheap, and no change can hide behind a file system's coarse clock.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._text: bytes | None = _read(path)
        self._replace_entries(_entries(path, self._text))
        self._read_at_ns = clock.monotonic_ns()

    @property
    def description(self) -> str:
        """A description for the log."""
        return f"by key; keys: {self._keys_total}, names: {self._names_total}"

    def identify(self, bearer: str | None) -> Caller:
        """Return the owner of a key.

        Raises:
            UnauthorizedError: the key is missing or unknown.
        """
        if bearer is None or len(bearer) > KEY_CHARACTERS_MAX:
            raise UnauthorizedError  # bounds the cost of hashing
        self._reload_if_changed()
        caller = self._callers.get(hash_of(bearer))
        if caller is None:
            raise UnauthorizedError
        return caller

    def _reload_if_changed(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._read_at_ns < RECHECK_SECONDS * _NANOSECONDS_PER_SECOND:
            return
        self._read_at_ns = now_ns
        text: bytes | None = None
        try:
            text = _read(self._path)
            if text == self._text:
                return
            self._replace_entries(_entries(self._path, text))
        except StartupError as error:
            if text is None and self._text is None:
                return  # the file is still unreadable, which was logged before
            _log.error("api_keys_refused", cause=str(error), kept=self.description)
        else:
            _log.info("api_keys_changed", access=self.description)
        self._text = text

    def _replace_entries(self, entries: Sequence[KeyEntry]) -> None:
        self._callers = callers_by_hash(entries)
        self._keys_total = len(entries)
        self._names_total = len({entry.name for entry in entries})


class OpenAccess:
    """Identifies all callers as the same one, who has every permission."""

    @property
    def description(self) -> str:
        """A description for the log."""
        return "open, no keys asked"

    def identify(self, bearer: str | None) -> Caller:  # noqa: ARG002 - a port's method
        """Return the common caller; a key is ignored."""
        return ANONYMOUS


def list_keys(path: Path) -> tuple[KeyEntry, ...]:
    """Return the keys of the file.

    Raises:
        StartupError: the file cannot be read.
    """
    return _entries(path, _read(path))


def add_key(path: Path, key: str, *, name: str, scopes: Sequence[Scope]) -> None:
    """Add a key to the file, and create the file if it is missing.

    The new content is first written to a draft beside the file and synced. The draft then replaces
    the file, so no reader ever sees half of it. The draft also serves as a lock: two concurrent
    commands would lose one key.

    Args:
        path: the key file, or a symbolic link to it.
        key: the new key; the file stores only its hash.
        name: the owner of the key.
        scopes: the permissions of the key.

    Raises:
        StartupError: the name is invalid, or the file cannot be read or written.
    """
    entry = KeyEntry(checked_name(name), hash_of(key), tuple(dict.fromkeys(scopes)))
    target = path.resolve()  # replace the target of a symbolic link, not the link
    draft = target.with_name(target.name + ".new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        message = f"{draft} exists: another command writes keys now, or was cut off; then remove it"
        raise StartupError(message) from None
    except OSError as error:
        raise StartupError(f"{draft}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            entries = list_keys(target) if target.exists() else ()
            file.write(_checked_text(target, [*entries, entry]))
            file.flush()
            os.fsync(file.fileno())  # on disk before it replaces the file
            _keep_owner(target, file.fileno())
        draft.replace(target)
    except BaseException as error:
        draft.unlink(missing_ok=True)  # after the replacement it could be another command's draft
        if isinstance(error, OSError):
            raise StartupError(f"{target}: {error.strerror}") from None
        raise


def _checked_text(path: Path, entries: Sequence[KeyEntry]) -> bytes:
    """Return the new content after reading it back: one key more may exceed the limits."""
    text = write_entries(entries)
    _entries(path, text)
    return text


def _keep_owner(target: Path, descriptor: int) -> None:
    """Keep a file's owner if root adds a key, so that the service can still read it."""
    if target.exists() and os.geteuid() == 0:
        before = target.stat()
        os.fchown(descriptor, before.st_uid, before.st_gid)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(KEY_FILE_BYTES_MAX + 1)  # a byte more shows that it is too long
    except OSError as error:
        raise StartupError(f"the file of keys {path} cannot be read: {error.strerror}") from None


def _entries(path: Path, text: bytes) -> tuple[KeyEntry, ...]:
    try:
        return read_entries(text)
    except StartupError as error:
        raise StartupError(f"the file of keys {path} cannot be used: {error}") from None
