"""Cursors: opaque texts that stand for a place in a listing."""

import base64
import binascii
import re
from enum import StrEnum

from pydantic_core import PydanticCustomError

_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)  # fits the 64 bits of a stored integer


class Cursor(StrEnum):
    """The listing that a cursor belongs to; another listing refuses it."""

    ORDERS = "o"
    SPLITS = "s"
    EVENTS = "e"


def write_cursor(kind: Cursor, position: int) -> str:
    """Return the opaque text that stands for a position in a listing."""
    return base64.urlsafe_b64encode(f"{kind}{position}".encode()).decode().rstrip("=")


def read_cursor(text: str, kind: Cursor) -> int:
    """Return the position that a cursor of ``kind`` stands for.

    Raises:
        PydanticCustomError: it is not a cursor of this listing.
    """
    refusal = PydanticCustomError(
        "invalid_cursor", "must be the next_cursor of a page of this listing"
    )
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise refusal from None
    digits = plain.removeprefix(kind)
    # Encoded again it must be the same: the decoder skips characters that it does not know.
    if not _POSITION.fullmatch(digits) or write_cursor(kind, int(digits)) != text:
        raise refusal
    return int(digits)
