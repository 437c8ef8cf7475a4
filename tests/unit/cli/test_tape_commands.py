"""Tests of ``app.cli.tape_commands``; the commands themselves have their own tests."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import main as cli


@pytest.mark.parametrize(
    "arguments",
    [
        ["record", "--out", "tape.jsonl.gz"],
        ["record", "LTCBTC"],
        ["record", "LTCBTC", "--out", "tape.jsonl.gz", "--seconds", "0"],
        ["record", "LTCBTC", "--out", "tape.jsonl.gz", "--size-max", "-1"],
        ["replay"],
        ["replay", "tape.jsonl.gz"],
    ],
    ids=" ".join,
)
def test_a_missing_or_impossible_argument_is_a_usage_error(arguments: list[str]) -> None:
    """Typer names the argument, and the exit status is 2."""
    assert CliRunner().invoke(cli._cli, arguments).exit_code == 2


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings choose the venue."""
    monkeypatch.setenv("VENUE", "kraken")
    out = tmp_path / "tape.jsonl.gz"

    result = CliRunner().invoke(cli._cli, ["record", "LTCBTC", "--out", str(out)])

    assert result.exit_code == 1
    assert result.stderr.startswith("papertape: VENUE=kraken: ")
    assert result.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("command", ["record", "replay"])
def test_help_explains_the_command(command: str) -> None:
    """Each option is listed."""
    output = CliRunner().invoke(cli._cli, [command, "--help"]).output

    for option in {
        "record": ("--out", "--seconds", "--size-max"),
        "replay": ("--orders", "--json"),
    }[command]:
        assert option in output
