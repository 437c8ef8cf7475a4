"""What a recording notes about itself beside the frames.

A note is a JSON object whose first key is its kind; one of an unknown kind is no matter to a
reader. Notes are made where something went wrong, so a recording without trouble is frames alone.

- ``{"connection":"lost","cause":"..."}``: from here on frames may be missing, until
  ``{"connection":"opened"}`` and the symbol's next frame.
- ``{"dropped":"crossed","symbol":"LTCBTC"}``: a frame of no use came and was not written.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from app.domain.order import Symbol

CONNECTION_LOST: Final = "lost"


class ConnectionNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The venue connection changed: ``opened``, ``lost``, or another word of the feed."""

    connection: str
    cause: str | None = None


class DropNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """A frame was not written; ``symbol`` as far as it could be read."""

    dropped: str
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Interruption:
    """What was quoted before is no longer current, of one symbol or, with None, of all."""

    symbol: Symbol | None


_decode_connection = msgspec.json.Decoder(ConnectionNote).decode
_decode_drop = msgspec.json.Decoder(DropNote).decode


def read_interruption(note: bytes) -> Interruption | None:
    """Say whose quotes the note makes worthless; None if it is of another kind."""
    try:
        if _decode_connection(note).connection == CONNECTION_LOST:
            return Interruption(None)
    except (ValueError, RecursionError):
        pass
    try:
        symbol = _decode_drop(note).symbol
    except (ValueError, RecursionError):
        return None
    return None if symbol is None else Interruption(Symbol(symbol))
