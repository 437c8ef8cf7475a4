"""Cursors: opaque texts that stand for a place in a listing."""

import base64
import binascii
import re
from enum import StrEnum
from typing import Final

from pydantic_core import PydanticCustomError

POSITION_FORM: Final = "0|[1-9][0-9]{0,17}"
"""A position fits into the 64 bits of a stored integer."""


class Cursor(StrEnum):
    """The listing that a cursor belongs to; another listing refuses it."""

    ORDERS = "o"
    SPLITS = "s"
    EVENTS = "e"


def write_cursor(kind: Cursor, position: int) -> str:
    """Return the opaque text that stands for a position in a listing."""
    return opaque_text(f"{kind}{position}")


def read_cursor(text: str, kind: Cursor) -> int:
    """Return the position that a cursor of ``kind`` stands for.

    Raises:
        PydanticCustomError: it is not a cursor of this listing.
    """
    parts = re.fullmatch(f"{kind}({POSITION_FORM})", plain_text(text))
    if parts is None:
        message = "must be the next_cursor of a page of this listing"
        raise PydanticCustomError("invalid_cursor", message)
    return int(parts[1])


def opaque_text(plain: str) -> str:
    """Return a text in letters, digits, ``-`` and ``_`` that stands for a plain one."""
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def plain_text(opaque: str) -> str:
    """Return the text that ``opaque_text`` turned into this one, empty if there is none."""
    try:
        plain = base64.urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    # Encoded again it must be the same: the decoder skips characters that it does not know.
    return plain if opaque_text(plain) == opaque else ""
