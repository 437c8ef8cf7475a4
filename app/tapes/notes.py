"""What a recording notes about itself beside the frames, as far as a replay heeds it.

A note is a JSON object whose ``kind`` says what it is; one of an unknown kind is no matter to a
reader. `papertape record` notes only what went wrong, so a recording without trouble is frames
alone; a recording of the service has notes of more kinds.

- ``{"kind":"connection","what":"lost","cause":"..."}``: from here on frames may be missing, until
  ``"what":"opened"`` and the symbol's next frame.
- ``{"kind":"dropped","symbol":"LTCBTC","reason":"crossed"}``: a frame of no use came and was not
  written.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from app.domain.order import Symbol

CONNECTION_LOST: Final = "lost"


class ConnectionNote(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="connection"):
    """A connection to the venue was ``opened``, ``lost``, or another word of the feed."""

    what: str
    cause: str | None = None


class DropNote(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="dropped"):
    """A frame was not written; ``symbol`` as far as it could be read."""

    symbol: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """What was quoted before is no longer current, of one symbol or, with None, of all."""

    symbol: Symbol | None


_decode: Final = msgspec.json.Decoder(ConnectionNote | DropNote).decode


def read_interruption(note: bytes) -> Interruption | None:
    """Say whose quotes the note makes worthless; None if it is of another kind."""
    try:
        known = _decode(note)
    except (ValueError, RecursionError):
        return None
    if isinstance(known, ConnectionNote):
        return Interruption(None) if known.what == CONNECTION_LOST else None
    return None if known.symbol is None else Interruption(Symbol(known.symbol))
