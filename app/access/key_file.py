"""The file of keys on disk: who is behind a key now, and how a key is added."""

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
from app.domain.caller import Caller, Scope
from app.domain.errors import StartupError, UnauthorizedError
from app.ports import Clock

RECHECK_SECONDS: Final = 1
"""How long a revoked key is good at most."""

_NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_OWNER_ONLY: Final = 0o600

_log = structlog.get_logger()


class KeyFileAccess:
    """Knows callers by the keys of a file, which is read again as it changes.

    The text is compared, not the time of the last change: reading a few hundred bytes once a second
    costs nothing, and a change cannot hide behind a file system's coarse clock.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._text: bytes | None = _read(path)
        self._use(_entries(path, self._text))
        self._checked_ns = clock.monotonic_ns()

    @property
    def description(self) -> str:
        """What the log says of it at the start."""
        return f"by key; keys: {self._keys_total}, names: {self._names_total}"

    def identify(self, bearer: str | None) -> Caller:
        """Return whose key it is.

        Raises:
            UnauthorizedError: there is none, or nobody's.
        """
        if bearer is None or len(bearer) > KEY_CHARACTERS_MAX:
            raise UnauthorizedError
        self._check_again()
        caller = self._callers.get(hash_of(bearer))
        if caller is None:
            raise UnauthorizedError
        return caller

    def _check_again(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._checked_ns < RECHECK_SECONDS * _NANOSECONDS_PER_SECOND:
            return
        self._checked_ns = now_ns
        text: bytes | None = None
        try:
            text = _read(self._path)
            if text == self._text:
                return
            self._use(_entries(self._path, text))
        except StartupError as error:
            if text is None and self._text is None:
                return  # it is still unreadable, which was said already
            _log.error("api_keys_refused", cause=str(error), kept=self.description)
        else:
            _log.info("api_keys_changed", access=self.description)
        self._text = text

    def _use(self, entries: Sequence[KeyEntry]) -> None:
        self._callers = callers_by_hash(entries)
        self._keys_total = len(entries)
        self._names_total = len({entry.name for entry in entries})


def list_keys(path: Path) -> tuple[KeyEntry, ...]:
    """Return the keys that the file lists.

    Raises:
        StartupError: it cannot be read.
    """
    return _entries(path, _read(path))


def add_key(path: Path, key: str, *, name: str, scopes: Sequence[Scope]) -> None:
    """Add a key to the file, which is made if there is none.

    The new text stands beside it, complete and on disk, before it takes the file's place, so that
    nobody ever reads half of it. That neighbor is also the lock: two at once would lose one's key.

    Raises:
        StartupError: the name is none, or the file cannot be read or written.
    """
    entry = KeyEntry(checked_name(name), hash_of(key), tuple(dict.fromkeys(scopes)))
    target = path.resolve()  # through a link, which is to stay one
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
            os.fsync(file.fileno())
            _keep_owner(target, file.fileno())
        draft.replace(target)
    except BaseException as error:
        draft.unlink(missing_ok=True)  # never afterwards: by then it may be another command's
        if isinstance(error, OSError):
            raise StartupError(f"{target}: {error.strerror}") from None
        raise


def _checked_text(path: Path, entries: Sequence[KeyEntry]) -> bytes:
    """Return the new text, which the service must be able to read: one key may be too many."""
    text = write_entries(entries)
    _entries(path, text)
    return text


def _keep_owner(target: Path, descriptor: int) -> None:
    """Let a file that root adds to stay readable for the service, which runs as somebody else."""
    if target.exists() and os.geteuid() == 0:
        before = target.stat()
        os.fchown(descriptor, before.st_uid, before.st_gid)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise StartupError(f"the file of keys {path} cannot be read: {error.strerror}") from None


def _entries(path: Path, text: bytes) -> tuple[KeyEntry, ...]:
    try:
        return read_entries(text)
    except StartupError as error:
        raise StartupError(f"the file of keys {path} cannot be used: {error}") from None
