"""Tests of ``app.cli.tapes``; what the commands do has tests of its own."""

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
def test_what_is_missing_or_impossible_is_a_matter_of_usage(arguments: list[str]) -> None:
    """Typer says which argument, and ends with its status."""
    assert CliRunner().invoke(cli._cli, arguments).exit_code == 2


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The venue is that of the settings."""
    monkeypatch.setenv("VENUE", "kraken")
    out = tmp_path / "tape.jsonl.gz"

    result = CliRunner().invoke(cli._cli, ["record", "LTCBTC", "--out", str(out)])

    assert result.exit_code == 1
    assert result.stderr.startswith("papertape: VENUE=kraken: ")
    assert result.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize("command", ["record", "replay"])
def test_help_explains_the_command(command: str) -> None:
    """Each option is there with its unit."""
    output = CliRunner().invoke(cli._cli, [command, "--help"]).output

    for option in {
        "record": ("--out", "--seconds", "--size-max"),
        "replay": ("--orders", "--json"),
    }[command]:
        assert option in output
