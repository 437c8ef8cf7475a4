"""Tests of ``app.cli.main``; whole commands are run as processes in ``tests/end_to_end``."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

import app
from app.access.key_file import list_keys
from app.access.keys import KeyEntry, hash_of
from app.cli import main as cli
from app.domain.caller import Scope
from app.recording.service.recording_folder import recordings_in
from tests.support.databases import sqlite_url
from tests.support.recorded_history import history
from tests.support.sound_database import fill_soundly


def test_the_version_needs_no_command() -> None:
    """`--version` prints one line."""
    result = CliRunner().invoke(cli._cli, ["--version"])

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
    """The line names the setting, and nothing heavy is loaded before it."""
    monkeypatch.setenv("HTTP_PORT", "eighty")

    result = CliRunner().invoke(cli._cli, command.split())

    assert result.exit_code == status
    assert result.output.startswith("papertape: HTTP_PORT=eighty: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("option", ["--port=70000", "--speed=0"])
def test_an_impossible_option_is_refused(option: str) -> None:
    """Typer names the option and its allowed values."""
    result = CliRunner().invoke(cli._cli, ["simulate", option])

    assert result.exit_code == 2
    assert "Invalid value" in result.output


def test_the_exit_status_of_an_audit(tmp_path: Path) -> None:
    """0 is sound, 1 is not sound, 2 is unreadable; a given file needs no setting."""
    sound, spoiled, unreadable = (tmp_path / f"{name}.db" for name in "abc")
    asyncio.run(fill_soundly(sqlite_url(sound)))
    with closing(sqlite3.connect(shutil.copy(sound, spoiled))) as connection:
        connection.execute("DELETE FROM client_order_ids")
        connection.commit()
    unreadable.write_text("not a database, but long enough to be looked at" * 20)

    ended = [
        CliRunner().invoke(cli._cli, ["audit", str(path), "--json"]).exit_code
        for path in (sound, spoiled, unreadable)
    ]

    assert ended == [0, 1, 2]


def test_the_exit_status_of_a_verification(tmp_path: Path) -> None:
    """0 is verified, 1 is a difference, 2 is unreadable, 3 is not completely covered."""
    service = asyncio.run(history(tmp_path))
    files = [str(path) for path in recordings_in(service.recordings)]
    with closing(sqlite3.connect(shutil.copy(service.path, tmp_path / "spoiled.db"))) as connection:
        connection.execute("UPDATE orders SET quotes_seen = 77 WHERE acceptance_number = 1")
        connection.commit()

    ended = [
        CliRunner().invoke(cli._cli, ["verify", *arguments])
        for arguments in (
            [str(service.path), str(service.recordings)],
            [str(tmp_path / "spoiled.db"), *files, "--json"],
            [str(service.path), str(tmp_path / "nothing")],
            [str(service.path), *files[1:]],
        )
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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, said: str
) -> None:
    """An unreadable argument is not described as a setting, but a setting is."""
    (tmp_path / "text.md").write_text("not a database, but long enough to be looked at" * 20)
    monkeypatch.chdir(tmp_path)

    named = CliRunner().invoke(cli._cli, ["audit", name])
    monkeypatch.setenv("DATABASE_URL", sqlite_url(tmp_path / "text.md"))
    from_settings = CliRunner().invoke(cli._cli, ["audit"])

    assert named.exit_code == from_settings.exit_code == 2
    assert said in named.output
    assert "DATABASE_URL" not in named.output
    assert "DATABASE_URL" in from_settings.output


@pytest.mark.parametrize("before", ["tomorrow", "9999-01-01"])
def test_an_unusable_date_is_a_usage_error(before: str) -> None:
    """No database is opened."""
    result = CliRunner().invoke(cli._cli, ["prune", "--before", before], env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert "Usage: " in result.output
    assert f"--before {before!r} is not a date" in result.output or "in the future" in result.output


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("audit", "audit [OPTIONS] [DATABASE]"),
        ("backup", "backup [OPTIONS] {FILE}"),
        ("keys create", "create [OPTIONS] {NAME}"),
    ],
)
def test_metavariables_are_upper_case(command: str, usage: str) -> None:
    """Every command has upper-case metavariables."""
    result = CliRunner().invoke(cli._cli, [*command.split(), "--help"])

    assert usage in result.output


def test_orders_are_pruned_and_copied_in_the_configured_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DATABASE_URL chooses the database, as for the service."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url(tmp_path / "a.db"))
    asyncio.run(fill_soundly(sqlite_url(tmp_path / "a.db")))

    ended = [
        CliRunner().invoke(cli._cli, [*command.split()])
        for command in (
            f"backup {tmp_path / 'copy.db'}",
            "prune --before 2024-08-09 --dry-run",
            "prune --before 2024-08-09",
        )
    ]

    assert [result.exit_code for result in ended] == [0, 0, 0]
    assert (tmp_path / "copy.db").is_file()
    assert "would prune 6 orders" in ended[1].output
    assert "pruned 6 orders" in ended[2].output


def test_a_created_key_is_printed_once_and_known_by_its_hash(tmp_path: Path) -> None:
    """Standard output has only the key, for scripts; the warning goes to standard error."""
    path = tmp_path / "keys.json"

    result = CliRunner().invoke(cli._cli, ["keys", "create", "alice", "--file", str(path)])

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

    for scopes in (["metrics"], ["metrics", "orders:read"]):
        options = [word for scope in scopes for word in ("--scope", scope)]
        result = CliRunner().invoke(cli._cli, ["keys", "create", "watcher", *options])
        assert result.exit_code == 0
    listing = CliRunner().invoke(cli._cli, ["keys", "list"])

    first, second = list_keys(path)
    assert listing.output == (
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

    result = CliRunner().invoke(cli._cli, ["keys", *arguments])

    assert result.exit_code == 1
    assert result.output.startswith(complaint)
    assert result.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_scope_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    """A misspelled scope must not create a key without permissions."""
    file = str(tmp_path / "keys.json")

    result = CliRunner().invoke(
        cli._cli, ["keys", "create", "alice", "--scope", "orders", "--file", file]
    )

    assert result.exit_code == 2
    assert "orders:write" in result.output
