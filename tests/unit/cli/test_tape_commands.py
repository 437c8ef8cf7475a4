"""Tests of ``app.cli.tape_commands``; the commands themselves have their own tests."""

from pathlib import Path

import pytest

from tests.unit.cli.command_runner import papertape, refused


@pytest.mark.parametrize(
    "command",
    [
        "record --out tape.jsonl.gz",
        "record LTCBTC",
        "record LTCBTC --out tape.jsonl.gz --seconds 0",
        "record LTCBTC --out tape.jsonl.gz --size-max -1",
        "replay",
        "replay tape.jsonl.gz",
    ],
)
def test_a_missing_or_impossible_argument_is_a_usage_error(command: str) -> None:
    """Typer names the argument, and the exit status is 2."""
    assert papertape(command).exit_code == 2


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings choose the venue."""
    monkeypatch.setenv("VENUE", "kraken")
    out = tmp_path / "tape.jsonl.gz"

    assert refused(papertape("record LTCBTC --out", out)).startswith("papertape: VENUE=kraken: ")
    assert not out.exists()


@pytest.mark.parametrize(
    ("command", "options"),
    [("record", ("--out", "--seconds", "--size-max")), ("replay", ("--orders", "--json"))],
)
def test_help_explains_the_command(command: str, options: tuple[str, ...]) -> None:
    """Each option is listed."""
    output = papertape(command, "--help").output

    assert all(option in output for option in options)
