"""Tests of ``app.access.key_file``."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.access.key_file import KeyFileAccess, OpenAccess, add_key, list_keys
from app.access.keys import write_entries
from app.domain.caller import ANONYMOUS, Caller, Scope
from app.domain.errors import StartupError, UnauthorizedError
from app.domain.order import Owner
from tests.support.hand_driven import HandClock
from tests.support.keys import ALICE, BOB, NOBODY, write_key_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with keys of alice and bob."""
    return write_key_file(tmp_path / "keys.json")


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that stands still."""
    return HandClock()


@pytest.fixture
def access(path: Path, clock: HandClock) -> KeyFileAccess:
    """Return access by the keys of the file."""
    return KeyFileAccess(path, clock=clock)


def test_a_key_is_its_owners(access: KeyFileAccess) -> None:
    """A key identifies its owner and scopes."""
    scopes = frozenset({Scope.ORDERS_READ, Scope.ORDERS_WRITE})

    assert access.identify(ALICE) == Caller(Owner("alice"), scopes)
    assert access.identify(BOB) == Caller(Owner("bob"), scopes)
    assert access.description == "by key; keys: 5, names: 2"


@pytest.mark.parametrize(
    "bearer",
    [None, "", NOBODY, ALICE.upper(), f" {ALICE}", f"{ALICE}\x00", "x" * 100_000, "\ud800"],
)
def test_missing_and_unknown_keys_are_refused(access: KeyFileAccess, bearer: str | None) -> None:
    """A missing, changed or unknown key is refused."""
    with pytest.raises(UnauthorizedError):
        access.identify(bearer)


def test_a_hash_is_no_key(access: KeyFileAccess, path: Path) -> None:
    """The hash in the file does not work as a key."""
    for entry in list_keys(path):
        with pytest.raises(UnauthorizedError):
            access.identify(entry.sha256)


def test_a_revoked_key_is_refused_within_a_second(
    access: KeyFileAccess, path: Path, clock: HandClock
) -> None:
    """A revoked key is refused within a second, without a restart, and others still work."""
    path.write_bytes(write_entries(list_keys(path)[1:]))
    clock.advance(1)

    with pytest.raises(UnauthorizedError):
        access.identify(ALICE)
    assert access.identify(BOB).owner == "bob"


def test_a_new_key_is_known_within_a_second(
    access: KeyFileAccess, path: Path, clock: HandClock
) -> None:
    """A new key works within a second, and the change is logged."""
    add_key(path, NOBODY, name="carol", scopes=[Scope.METRICS])
    clock.advance(1)

    with capture_logs() as logs:
        assert access.identify(NOBODY).owner == "carol"

    assert [(log["event"], log["access"]) for log in logs] == [
        ("api_keys_changed", "by key; keys: 6, names: 3")
    ]


def test_the_file_is_read_at_most_once_a_second(
    access: KeyFileAccess, path: Path, clock: HandClock
) -> None:
    """Requests read the file at most once a second."""
    path.write_bytes(write_entries([]))
    clock.advance(0.999)

    assert access.identify(ALICE).owner == "alice"


@pytest.mark.parametrize("content", [b"", b'{"keys": [{}]}', None])
def test_a_broken_version_changes_nothing_and_is_told_once(
    access: KeyFileAccess, path: Path, clock: HandClock, content: bytes | None
) -> None:
    """An invalid file keeps the previous keys in use and is logged once."""
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)

    with capture_logs() as logs:
        for _ in range(3):
            clock.advance(1)
            assert access.identify(ALICE).owner == "alice"

    assert [(log["event"], log["log_level"]) for log in logs] == [("api_keys_refused", "error")]


def test_a_repaired_file_is_used_again(access: KeyFileAccess, path: Path, clock: HandClock) -> None:
    """A repaired file is used again."""
    entries = list_keys(path)
    path.unlink()
    clock.advance(1)
    access.identify(ALICE)
    path.write_bytes(write_entries(entries[1:]))
    clock.advance(1)

    with pytest.raises(UnauthorizedError):
        access.identify(ALICE)


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda _: None, "read: No such file or directory"),
        (Path.mkdir, "read: Is a directory"),
        (lambda path: path.write_bytes(b"keys"), "used: "),
    ],
    ids=["none", "directory", "malformed"],
)
def test_a_service_does_not_start_on_a_bad_file(
    tmp_path: Path, clock: HandClock, make: Callable[[Path], object], cause: str
) -> None:
    """An invalid file stops the start with one line that names it and the cause."""
    path = tmp_path / "keys.json"
    make(path)

    with pytest.raises(
        StartupError, match=rf"the file of keys .*keys\.json cannot be {cause}"
    ) as caught:
        KeyFileAccess(path, clock=clock)
    assert "\n" not in str(caught.value)


def test_an_added_key_stands_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """The first key creates a file that only its owner can read, under any umask."""
    path = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        add_key(path, ALICE, name="alice", scopes=[Scope.METRICS, Scope.METRICS])
    finally:
        os.umask(before)

    (entry,) = list_keys(path)
    assert (entry.name, entry.scopes) == ("alice", (Scope.METRICS,))
    assert path.stat().st_mode & 0o777 == 0o600
    assert ALICE not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_behind_a_link_is_the_one_that_changes(tmp_path: Path, path: Path) -> None:
    """Adding a key through a symbolic link changes the target and keeps the link."""
    link = tmp_path / "link.json"
    link.symlink_to(path)

    add_key(link, NOBODY, name="carol", scopes=[])

    assert link.is_symlink()
    assert list_keys(path)[-1].name == "carol"


def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    """Adding a key to an invalid file leaves the file unchanged."""
    path = tmp_path / "keys.json"
    path.write_text('{"keys": [}')

    with pytest.raises(StartupError, match="cannot be used"):
        add_key(path, ALICE, name="alice", scopes=[])

    assert path.read_text() == '{"keys": [}'
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_key_is_not_added_twice(path: Path) -> None:
    """A key that the file has already is refused."""
    before = path.read_bytes()

    with pytest.raises(StartupError, match="listed twice"):
        add_key(path, ALICE, name="bob", scopes=[])

    assert path.read_bytes() == before


def test_two_commands_at_once_do_not_lose_a_key(path: Path) -> None:
    """A second command at the same time is refused and leaves the draft alone."""
    draft = path.with_name("keys.json.new")
    draft.touch()

    with pytest.raises(StartupError, match=r"keys.json.new exists: another command"):
        add_key(path, NOBODY, name="carol", scopes=[])

    assert draft.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing directory is reported in one line."""
    with pytest.raises(StartupError, match="No such file or directory"):
        add_key(tmp_path / "none" / "keys.json", ALICE, name="alice", scopes=[])


def test_a_target_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    """A failed command leaves no draft behind."""
    (tmp_path / "keys.json").mkdir()

    with pytest.raises(StartupError):
        add_key(tmp_path / "keys.json", ALICE, name="alice", scopes=[])

    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_keeps_its_owner_when_root_adds_a_key(path: Path) -> None:
    """A file keeps its owner when root adds a key."""
    os.chown(path, 4_711, 4_712)

    add_key(path, NOBODY, name="carol", scopes=[])

    assert (path.stat().st_uid, path.stat().st_gid) == (4_711, 4_712)


@pytest.mark.parametrize("bearer", [None, "", "pt_anything"])
def test_open_access_accepts_callers_with_and_without_a_key(bearer: str | None) -> None:
    """Open access accepts every client, with or without a key, and says so in the log."""
    assert OpenAccess().identify(bearer) == ANONYMOUS
    assert OpenAccess().description == "open, no keys asked"
