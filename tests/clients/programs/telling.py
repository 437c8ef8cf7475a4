"""What a program is told, and what it tells: a line of JSON for each thing."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass

QUOTE_KEYS = ("u", "s", "b", "B", "a", "A")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Where the venue is, which symbols to listen to, and how many quotes will come."""

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
    """Tell the answer to a REST request."""
    _tell({"answer": name, "body": answer})


def tell_quote(data: Mapping[str, object]) -> None:
    """Tell a quote as it was received, in the keys of the wire."""
    _tell({"quote": [data[key] for key in QUOTE_KEYS]})


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
