"""Output that suits a terminal, with color and bars, or a pipe, with neither and whole lines."""

import sys
from collections.abc import Mapping
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS: Final = 1_000
"""A pipe has no width; no line of ours is longer."""


def make_console() -> Console:
    """Return a console for the standard output as it is now."""
    is_terminal = sys.stdout.isatty()
    return Console(
        force_terminal=is_terminal,
        width=None if is_terminal else PIPE_COLUMNS,
        highlight=False,
        markup=False,
    )


def print_line(console: Console, text: str) -> None:
    """Print a sentence; breaking it is left to the terminal, so that it is copied whole."""
    console.print(text, soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """Print a table with nothing cut off; without its frame on a pipe and where it is too wide."""
    width = console.measure(table, options=console.options.update(width=PIPE_COLUMNS)).maximum
    if not console.is_terminal or width > console.width:
        table.box = None
        table.pad_edge = False
    if width > console.width:
        # Its lines are wrapped by the terminal itself; the library would cut the cells.
        console = Console(file=console.file, force_terminal=console.is_terminal, width=width)
    console.print(table)


def print_json(document: Mapping[str, object]) -> None:
    """Print a document on one line, at once."""
    typer.echo(msgspec.json.encode(document).decode())


def tell(text: str) -> None:
    """Say something beside the output."""
    typer.echo(f"papertape: {text}", err=True)
