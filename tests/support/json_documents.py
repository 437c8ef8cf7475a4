"""Walks through a JSON document."""

from collections.abc import Iterator
from typing import Any


def objects_in(part: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a document, outer before inner."""
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from objects_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from objects_in(value)
