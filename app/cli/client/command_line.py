"""Check the arguments of a command before anything is sent, and end a command with its status.

Only the form of arguments is checked here. The service decides which amounts are allowed.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final, TypeVar

import typer

from app.domain.amounts import format_amount, parse_number
from app.domain.errors import PapertapeError

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
"""The status that shells expect after Ctrl-C: 128 plus the number of SIGINT."""

_PLAIN_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_NUMBER: Final = re.compile(
    r"(?=\.?[0-9])(?P<whole>[0-9]*)\.?(?P<fraction>[0-9]*)(?:[eE](?P<exponent>[+-]?[0-9]+))?",
    re.ASCII,
)

_Choice = TypeVar("_Choice", bound=StrEnum)


def one_of(choices: type[_Choice]) -> Callable[[str], _Choice]:
    """Return a parser for an option with a fixed set of words, in upper or lower case.

    Typer's own parser would put the name of a Python exception before its message.
    """
    words = {choice.value.lower(): choice for choice in choices}

    def read(text: str) -> _Choice:
        choice = words.get(text.lower())
        if choice is None:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(words)}")
        return choice

    return read


def read_number(name: str, text: str) -> str:
    """Return an argument in plain notation; it must be a number above zero.

    A shell's user may type ``.01``, ``5.`` or ``1e-5``. Signs, white space and separators are
    refused.

    Raises:
        typer.BadParameter: the argument is not such a number; the message names it.
    """
    parts = _NUMBER.fullmatch(text)
    if parts is None:
        raise typer.BadParameter(f"{name} must be a plain number such as 100 or 0.001")
    if not text.lower().partition("e")[0].strip("0."):
        raise typer.BadParameter(f"{name} must be above zero")
    if _PLAIN_NUMBER.fullmatch(text):
        return text  # the service decides how many digits are allowed
    whole, fraction, exponent = parts["whole"].lstrip("0"), parts["fraction"], parts["exponent"]
    number = f"{whole or 0}.{fraction or 0}" + (f"e{exponent}" if exponent else "")
    try:
        return format_amount(parse_number(number))
    except ValueError as error:
        raise typer.BadParameter(f"{name} {error}") from None


@contextlib.contextmanager
def exit_on_error(status: int = EXIT_FAILED) -> Iterator[None]:
    """End the command with one line and ``status`` if the block raises a ``PapertapeError``.

    Other errors are bugs and keep their traceback. Ctrl-C ends the command without a line.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except (PapertapeError, BaseExceptionGroup) as error:
        cause: BaseException = error
        # A task group wraps the error of a task.
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        if not isinstance(cause, PapertapeError):
            raise
        typer.echo(f"papertape: {cause}", err=True)
        raise typer.Exit(status) from None
