"""What is typed in a command, read before anything is sent; a mistake is one of the command line.

Only the form is judged here. Which amounts there may be is the service's to say.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeVar

import typer

_PLAIN_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)

_Choice = TypeVar("_Choice", bound=StrEnum)


def one_of(choices: type[_Choice]) -> Callable[[str], _Choice]:
    """Return a parser of an option that is one of a few words, in whatever case.

    Typer's own would put the name of a Python exception in front of what it says.
    """
    words = {choice.value.lower(): choice for choice in choices}

    def read(text: str) -> _Choice:
        choice = words.get(text.lower())
        if choice is None:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(words)}")
        return choice

    return read


def check_numbers(texts: Mapping[str, str | None]) -> None:
    """See that what was given of some arguments, by name, is numbers above zero.

    A plain number has neither sign nor exponent nor white space.

    Raises:
        typer.BadParameter: one is none; the text names it.
    """
    for name, text in texts.items():
        if text is None:
            continue
        if not _PLAIN_NUMBER.fullmatch(text):
            raise typer.BadParameter(f"{name} must be a plain number such as 100 or 0.001")
        if not text.strip("0."):
            raise typer.BadParameter(f"{name} must be above zero")
