"""Output for a terminal, with color and bars, or for a pipe, with plain complete lines."""

import sys
import textwrap
from collections.abc import Mapping
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS: Final = 1_000
"""The width of a pipe; no line is longer."""

FACT_COLUMNS: Final = 17
"""The column where a fact begins, after its name."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console for the current standard output, or for standard error."""
    # rich would also obey FORCE_COLOR and similar variables on a pipe.
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        force_terminal=is_terminal,
        width=None if is_terminal else PIPE_COLUMNS,
        highlight=False,
        markup=False,
    )


def print_line(console: Console, text: str) -> None:
    """Print a line without breaking it, so that it can be copied as one line."""
    console.print(text, soft_wrap=True)


def print_words(console: Console, text: str, *, name: str | None = None) -> None:
    """Print a sentence after its name, if any; a terminal gets line breaks between words."""
    head = "" if name is None else f"{name:{FACT_COLUMNS}}"
    wrapped = textwrap.wrap(
        head + text,
        width=max(console.width, 2 * FACT_COLUMNS),
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in wrapped:
        print_line(console, line)


def print_table(console: Console, table: Table) -> None:
    """Print a table with complete cells; without a frame on a pipe or if it is too wide."""
    width = console.measure(table, options=console.options.update(width=PIPE_COLUMNS)).maximum
    if not console.is_terminal or width > console.width:
        table.box = None
        table.pad_edge = False
    if width > console.width:
        # The terminal wraps the lines; rich would cut the cells.
        console = Console(file=console.file, force_terminal=console.is_terminal, width=width)
    console.print(table)


def print_json(document: Mapping[str, object]) -> None:
    """Print a document on one line, and flush it."""
    typer.echo(msgspec.json.encode(document).decode())


def print_message(text: str) -> None:
    """Print a message on standard error."""
    typer.echo(f"papertape: {text}", err=True)
