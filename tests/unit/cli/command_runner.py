"""Run a command of `papertape` within this process."""

from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from app.cli import main as cli


def papertape(
    command: str,
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    standard_input: str = "",
) -> Result:
    """Run ``papertape COMMAND ARGUMENTS``; the command is split at its spaces."""
    words = [*command.split(), *map(str, arguments)]
    return CliRunner().invoke(cli._cli, words, env=env, input=standard_input)


def refused(result: Result, status: int = 1) -> str:
    """Return the only line of a command that ended with this status."""
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line
