"""Cursors: opaque texts that stand for a place in a listing."""

import base64
from enum import StrEnum


class Cursor(StrEnum):
    """What a cursor points into; one kind is not taken for another."""

    ORDERS = "o"
    SPLITS = "s"
    EVENTS = "e"


def write_cursor(kind: Cursor, position: int) -> str:
    """Return the opaque text that stands for a position in a listing."""
    return base64.urlsafe_b64encode(f"{kind}{position}".encode()).decode().rstrip("=")
