"""Cursors into the order stream: the opaque texts that clients see as ``position``."""

import re
from typing import Final

from app.api.cursors import POSITION_FORM, opaque_text, plain_text
from app.api.problems import FixedTextError

BEGINNING: Final = "beginning"
"""Sent instead of a position, to receive every event that is kept."""

_POSITION = re.compile(f"([0-9a-f]{{16}})-({POSITION_FORM})")


class PositionRefusedError(FixedTextError):
    """The text is not a position from which events could be sent without a gap."""

    code = "invalid_position"


class InvalidPositionError(PositionRefusedError):
    """It is not a position of any database."""

    text = f'"after" must be the position of an event, or "{BEGINNING}"'


class ForeignPositionError(PositionRefusedError):
    """It comes from a service with another database."""

    code = "position_of_another_database"
    text = (
        "the position comes from another database; read the orders by GET /orders "
        'and subscribe without "after"'
    )


class PositionBeyondHeadError(PositionRefusedError):
    """No event has this position yet: the database is older than the position."""

    code = "position_beyond_head"
    text = (
        "the position is beyond the newest event, so it was given before the database was "
        'put back; read the orders by GET /orders and subscribe without "after"'
    )


class PositionPrunedError(PositionRefusedError):
    """Events after it were pruned together with finished orders."""

    code = "position_pruned"
    text = (
        "events after this position were pruned with their finished orders; "
        f'read the orders by GET /orders and subscribe without "after", or from "{BEGINNING}" '
        "for what is kept"
    )


def write_position(stream_id: str, position: int) -> str:
    """Return the text that stands for a position in this database's stream."""
    return opaque_text(f"{stream_id}-{position}")


def read_position(text: str, *, stream_id: str, head: int, last_pruned: int) -> int:
    """Return the position that a text stands for.

    Args:
        text: The position as the client sent it.
        stream_id: The name of this database's stream.
        head: The newest position.
        last_pruned: The greatest position of a pruned event.

    Raises:
        PositionRefusedError: one of its kinds, which names the cause.
    """
    if text == BEGINNING:
        return 0
    parts = _POSITION.fullmatch(plain_text(text))
    if parts is None:
        raise InvalidPositionError
    if parts[1] != stream_id:
        raise ForeignPositionError
    position = int(parts[2])
    if position > head:
        raise PositionBeyondHeadError
    if position < last_pruned:
        raise PositionPrunedError
    return position
