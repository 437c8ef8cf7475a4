"""Tests of ``app.cli.main``; whole commands are run as processes in ``tests/end_to_end``."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import app
from app.access.key_file import list_keys
from app.access.keys import KeyEntry, hash_of
from app.domain.caller import Scope
from app.recording.service.recording_folder import recordings_in
from tests.support.databases import sqlite_url
from tests.support.recorded_history import history
from tests.support.sound_database import fill_soundly
from tests.unit.cli.command_runner import papertape, refused


def spoiled_copy(database: Path, statement: str) -> Path:
    """Return the path of a copy of a database that a statement has changed."""
    copy = database.with_name("spoiled.db")
    with closing(sqlite3.connect(shutil.copy(database, copy))) as connection:
        connection.execute(statement)
        connection.commit()
    return copy


@pytest.fixture
def no_database(tmp_path: Path) -> Path:
    """A file that is not a database."""
    path = tmp_path / "text.md"
    path.write_text("not a database, but long enough to be looked at" * 20)
    return path


def test_the_version_needs_no_command() -> None:
    """`--version` prints one line."""
    result = papertape("--version")

    assert (result.exit_code, result.output) == (0, f"papertape {app.__version__}\n")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("serve", 1),
        ("migrate", 1),
        ("prune --before 2024-08-08", 1),
        ("backup copy.db", 1),
        ("audit", 2),
    ],
)
def test_a_bad_setting_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, command: str, status: int
) -> None:
    """The line names the setting."""
    monkeypatch.setenv("HTTP_PORT", "eighty")

    assert refused(papertape(command), status).startswith("papertape: HTTP_PORT=eighty: ")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("simulate --port=70000", "Invalid value for '--port'"),
        ("simulate --speed=0", "Invalid value for '--speed'"),
        ("prune --before tomorrow", "--before 'tomorrow' is not a date"),
        ("prune --before 9999-01-01", "--before 9999-01-01 is in the future"),
        ("keys create alice --scope orders", "'orders' is not one of orders:write, orders:read"),
    ],
)
def test_an_impossible_option_is_a_usage_error(command: str, complaint: str) -> None:
    """The message names the option, and nothing is opened or written."""
    result = papertape(command, env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert "Usage: " in result.output
    assert complaint in result.output


def test_the_exit_status_of_an_audit(tmp_path: Path, no_database: Path) -> None:
    """0 is sound, 1 is not sound, 2 is unreadable; a given file needs no setting."""
    sound = tmp_path / "sound.db"
    asyncio.run(fill_soundly(sqlite_url(sound)))
    spoiled = spoiled_copy(sound, "DELETE FROM client_order_ids")

    ended = [papertape("audit --json", path) for path in (sound, spoiled, no_database)]

    assert [one.exit_code for one in ended] == [0, 1, 2]


def test_the_exit_status_of_a_verification(tmp_path: Path) -> None:
    """0 is verified, 1 is a difference, 2 is unreadable, 3 is not completely covered."""
    service = asyncio.run(history(tmp_path))
    files = recordings_in(service.recordings)
    spoiled = spoiled_copy(
        service.path, "UPDATE orders SET quotes_seen = 77 WHERE acceptance_number = 1"
    )

    ended = [
        papertape("verify", service.path, service.recordings),
        papertape("verify --json", spoiled, *files),
        papertape("verify", service.path, tmp_path / "nothing"),
        papertape("verify", service.path, *files[1:]),
    ]

    assert [one.exit_code for one in ended] == [0, 1, 2, 3]
    assert json.loads(ended[1].output)["differences"][0]["kind"] == "quotes_seen"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("text.md", "is not an SQLite database; name another database"),
        ("mysql://host/db", "its URL begins with mysql, which is not supported"),
        ("postgresql+asyncpg://127.0.0.1:1/db", "start it or correct its URL"),
    ],
)
def test_a_database_argument_is_not_called_a_setting(
    monkeypatch: pytest.MonkeyPatch, no_database: Path, name: str, said: str
) -> None:
    """An unreadable argument is not described as a setting, but a setting is."""
    monkeypatch.chdir(no_database.parent)
    monkeypatch.setenv("DATABASE_URL", sqlite_url(no_database))

    named = refused(papertape("audit", name), 2)

    assert said in named
    assert "DATABASE_URL" not in named
    assert "DATABASE_URL" in refused(papertape("audit"), 2)


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("audit", "audit [OPTIONS] [DATABASE]"),
        ("backup", "backup [OPTIONS] {FILE}"),
        ("keys create", "create [OPTIONS] {NAME}"),
        ("watch", "watch [OPTIONS] [ID]..."),
        ("cancel", "cancel [OPTIONS] [ID]"),
        ("show", "show [OPTIONS] {ID}"),
    ],
)
def test_the_usage_names_each_argument_once(command: str, usage: str) -> None:
    """The names are in upper case, and optional arguments have one pair of brackets."""
    lines = [line.strip() for line in papertape(command, "--help").output.splitlines()]

    assert any(line.startswith("Usage: ") and line.endswith(usage) for line in lines)


def test_orders_are_pruned_and_copied_in_the_configured_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DATABASE_URL chooses the database, as for the service."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url(tmp_path / "a.db"))
    asyncio.run(fill_soundly(sqlite_url(tmp_path / "a.db")))

    ended = [
        papertape("backup", tmp_path / "copy.db"),
        papertape("prune --before 2024-08-09 --dry-run"),
        papertape("prune --before 2024-08-09"),
    ]

    assert [result.exit_code for result in ended] == [0, 0, 0]
    assert (tmp_path / "copy.db").is_file()
    assert "would prune 6 orders" in ended[1].output
    assert "pruned 6 orders" in ended[2].output


def test_a_created_key_is_printed_once_and_known_by_its_hash(tmp_path: Path) -> None:
    """Standard output has only the key, for scripts; the warning goes to standard error."""
    path = tmp_path / "keys.json"

    result = papertape("keys create alice --file", path)

    assert result.exit_code == 0
    key = result.stdout.removesuffix("\n")
    assert key.startswith("pt_")
    assert result.stderr == (
        f"This key of alice is printed only once; {path} contains only its hash.\n"
    )
    scopes = (Scope.ORDERS_WRITE, Scope.ORDERS_READ)
    assert list_keys(path) == (KeyEntry("alice", hash_of(key), scopes),)


def test_a_key_may_have_fewer_scopes_and_go_to_the_configured_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--scope replaces the default scopes; API_KEYS_FILE is the file."""
    path = tmp_path / "keys.json"
    monkeypatch.setenv("API_KEYS_FILE", str(path))

    for scopes in ("--scope metrics", "--scope metrics --scope orders:read"):
        assert papertape(f"keys create watcher {scopes}").exit_code == 0

    first, second = list_keys(path)
    assert papertape("keys list").output == (
        f"watcher  {first.sha256[:8]}  metrics\nwatcher  {second.sha256[:8]}  metrics orders:read\n"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "alice"], "papertape: no file of keys: set API_KEYS_FILE or use --file"),
        (["list"], "papertape: no file of keys: set API_KEYS_FILE or use --file"),
        (["create", "a b", "--file", "keys.json"], "papertape: a name has 1 to 36 letters"),
        (["list", "--file", "none.json"], "papertape: the file of keys none.json cannot be read"),
    ],
)
def test_a_failure_to_create_or_list_keys_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    """There is no traceback, and no unrecorded key is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("API_KEYS_FILE", raising=False)

    assert refused(papertape("keys", *arguments)).startswith(complaint)
    assert list(tmp_path.iterdir()) == []
