"""The arguments of a program, and its output: one line of JSON for each result."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

QUOTE_KEYS = ("u", "s", "b", "B", "a", "A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The addresses of the venue, the symbols to subscribe, and the number of quotes."""

    stream_url: str
    rest_url: str
    symbols: tuple[str, ...]
    quotes: int


def read_task() -> Task:
    """Read the task from the arguments."""
    stream_url, rest_url, symbols, quotes = sys.argv[1:]
    return Task(
        stream_url=stream_url,
        rest_url=rest_url,
        symbols=tuple(symbols.split(",")),
        quotes=int(quotes),
    )


def tell_answer(name: str, answer: object) -> None:
    """Print the answer to a REST request."""
    _tell({"answer": name, "body": answer})


def tell_quote(data: Mapping[str, object]) -> None:
    """Print a received quote, in the order of the venue's keys."""
    _tell({"quote": [data[key] for key in QUOTE_KEYS]})


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
