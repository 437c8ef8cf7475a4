"""Tests of ``app.cli``; whole commands are run as processes in ``tests/end_to_end``."""

import asyncio

import pytest
import typer
from typer.testing import CliRunner

import app
from app import cli
from app.domain.errors import StartupError


async def _fail_in_a_task() -> None:
    """Fail as a long-lived task of the service does."""

    async def fail() -> None:
        raise StartupError("the database is in use by pid 7")

    async with asyncio.TaskGroup() as group:
        group.create_task(fail())


async def _fail_by_mistake() -> None:
    raise RuntimeError("our bug")


async def _be_interrupted() -> None:
    raise KeyboardInterrupt


def test_the_version_is_told_without_a_command() -> None:
    """`--version` is one line."""
    result = CliRunner().invoke(cli._cli, ["--version"])

    assert (result.exit_code, result.output) == (0, f"papertape {app.__version__}\n")


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_bad_setting_ends_a_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It names the setting, before anything heavy is loaded."""
    monkeypatch.setenv("HTTP_PORT", "eighty")

    result = CliRunner().invoke(cli._cli, [command])

    assert result.exit_code == 1
    assert result.output.startswith("papertape: HTTP_PORT=eighty: ")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("option", ["--port=70000", "--speed=0"])
def test_an_impossible_option_is_refused(option: str) -> None:
    """Typer says which option and what it may be."""
    result = CliRunner().invoke(cli._cli, ["simulate", option])

    assert result.exit_code == 2
    assert "Invalid value" in result.output


def test_an_error_of_ours_in_any_task_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A group of exceptions is not what a user wants to read."""
    with pytest.raises(typer.Exit) as ended:
        cli._run(_fail_in_a_task())

    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "papertape: the database is in use by pid 7\n"


def test_a_mistake_of_ours_shows_itself() -> None:
    """What nobody foresaw keeps its traceback."""
    with pytest.raises(RuntimeError, match="our bug"):
        cli._run(_fail_by_mistake())


def test_an_interrupt_ends_quietly() -> None:
    """Ctrl-C gives the exit status that shells expect of it."""
    with pytest.raises(typer.Exit) as ended:
        cli._run(_be_interrupted())

    assert ended.value.exit_code == 130
