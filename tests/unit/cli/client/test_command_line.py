"""Tests of ``app.cli.client.command_line``."""

import pytest
import typer

from app.cli.client.command_line import exit_on_error, one_of, read_number
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
def test_a_plain_number_stays_as_it_is(text: str) -> None:
    """The service decides how many digits are allowed."""
    assert read_number("SIZE", text) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (".01", "0.01"),
        ("5.", "5"),
        ("1e-5", "0.00001"),
        ("1E3", "1000"),
        ("007.5e+1", "75"),
        (".5e1", "5"),
    ],
)
def test_a_number_as_people_type_it_becomes_plain(text: str, number: str) -> None:
    """The service takes strings in plain notation alone."""
    assert read_number("--price", text) == number


@pytest.mark.parametrize(
    "text",
    ["", "abc", "-1", "+1", "1,5", "1_000", ".", "e5", "1e", "1e5.5", " 1", "1\n", "nan", "٣"],
)
def test_another_number_is_refused_by_its_name(text: str) -> None:
    """The message has an example."""
    with pytest.raises(typer.BadParameter, match=r"^--price must be a plain number such as 100"):
        read_number("--price", text)


@pytest.mark.parametrize("text", ["1e17", "1e-13", "1e999999999999"])
def test_a_number_out_of_bounds_is_refused(text: str) -> None:
    """The message names the bounds."""
    with pytest.raises(typer.BadParameter, match=r"^SIZE must have at most 16 digits before"):
        read_number("SIZE", text)


@pytest.mark.parametrize("text", ["0", "0.000", "00", "0e5", ".0"])
def test_zero_is_refused(text: str) -> None:
    """An order needs a positive quantity."""
    with pytest.raises(typer.BadParameter, match=r"^SIZE must be above zero$"):
        read_number("SIZE", text)


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
