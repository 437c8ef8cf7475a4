"""Tests of ``app.cli.client.command_line``."""

import pytest
import typer

from app.cli.client.command_line import check_numbers, exit_on_error, one_of
from app.domain.errors import StartupError
from app.domain.order import Side


@pytest.mark.parametrize("text", ["buy", "BUY", "Buy"])
def test_a_word_is_read_in_any_case(text: str) -> None:
    """Users type lower case."""
    assert one_of(Side)(text) is Side.BUY


@pytest.mark.parametrize("text", ["", "hold", " buy"])
def test_another_word_is_refused_with_the_known_ones(text: str) -> None:
    """The client does not guess."""
    with pytest.raises(typer.BadParameter, match=f"^'{text}' is not one of buy, sell$"):
        one_of(Side)(text)


@pytest.mark.parametrize("text", ["1", "0.001", "007.50", "1" * 40])
def test_a_plain_number_passes(text: str) -> None:
    """The service decides how many digits are allowed."""
    check_numbers({"SIZE": text, "--timeout": None})


@pytest.mark.parametrize(
    "text", ["", "abc", "-1", "+1", "1e3", "1,5", "1_000", ".5", "5.", " 1", "1\n", "nan", "٣"]
)
def test_another_number_is_refused_by_its_name(text: str) -> None:
    """The message has an example."""
    with pytest.raises(typer.BadParameter, match=r"^--price must be a plain number such as 100"):
        check_numbers({"SIZE": "1", "--price": text})


@pytest.mark.parametrize("text", ["0", "0.000", "00"])
def test_zero_is_refused(text: str) -> None:
    """An order needs a positive quantity."""
    with pytest.raises(typer.BadParameter, match=r"^SIZE must be above zero$"):
        check_numbers({"SIZE": text, "--timeout": None})


def test_an_error_in_any_task_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The user sees the error itself, not the exception group around it."""
    error = StartupError("the database is in use by pid 7")
    with pytest.raises(typer.Exit) as ended, exit_on_error(2):
        raise ExceptionGroup("tasks", [ExceptionGroup("inner tasks", [error])])

    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "papertape: the database is in use by pid 7\n"


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), ExceptionGroup("tasks", [RuntimeError("a bug")])]
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    """An unexpected exception is not turned into a line."""
    with pytest.raises(type(error)) as raised, exit_on_error():
        raise error

    assert raised.value is error


def test_an_interrupt_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C gives the exit status that shells expect."""
    with pytest.raises(typer.Exit) as ended, exit_on_error():
        raise KeyboardInterrupt

    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == ""
