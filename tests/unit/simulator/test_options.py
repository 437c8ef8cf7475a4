"""Tests of ``app.simulator.options``."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import main as cli
from app.domain.errors import StartupError
from app.simulator.faults.fault_table import CONTROLS
from app.simulator.options import SimulatorOptions

TAPE = Path("tape.jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loop": True}, "--loop needs --tape"),
        ({"exchange_info": TAPE}, "--exchange-info needs --tape"),
        ({"tape": TAPE, "first_update_id": 5}, "--first-update-id excludes --tape"),
        ({"paused": True, "play_to": "5"}, "remove --paused"),
        ({"play_to": "five"}, "--play-to must be ID or SYMBOL:ID, not 'five'"),
        ({"play_to": "LTCBTC:"}, "--play-to must be ID or SYMBOL:ID"),
        ({"play_to": "9" * 40}, "--play-to must be ID or SYMBOL:ID"),
    ],
)
def test_contradicting_options_are_refused(options: Any, message: str) -> None:  # noqa: ANN401 - of all types
    """The message names the option."""
    with pytest.raises(StartupError, match=message):
        SimulatorOptions(**options)


@pytest.mark.parametrize(
    ("text", "target"), [(None, None), ("5", (None, 5)), ("ltcbtc:5", ("LTCBTC", 5))]
)
def test_a_target_is_an_id_with_or_without_its_symbol(text: str | None, target: object) -> None:
    """The symbol may be in lower case."""
    assert SimulatorOptions(play_to=text).play_target == target


def test_the_help_shows_every_control() -> None:
    """Help and routes come from the same table."""
    output = CliRunner().invoke(cli._cli, ["simulate", "--help"], terminal_width=200).output

    assert "curl -X POST 'http://127.0.0.1:8090/simulator/drop'" in output
    for control in CONTROLS:
        assert f" {control.name}" in output


def test_a_bad_option_ends_the_command_with_one_line() -> None:
    """There is no usage text and no traceback."""
    result = CliRunner().invoke(cli._cli, ["simulate", "--loop"])

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert result.output.startswith("papertape: --loop needs --tape")
