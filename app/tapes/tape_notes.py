"""What a recording notes about itself beside the frames, as far as a replay heeds it.

A note is a JSON object whose ``kind`` says what it is; one of an unknown kind is no matter to a
reader. `papertape record` notes only what went wrong, so a recording without trouble is frames
alone; a recording of the service has notes of many kinds. After these, frames may be missing until
the next one comes:

- ``{"kind":"connection","what":"lost","cause":"..."}``;
- ``{"kind":"file","continues":false,...}``, where files of a service were put together that do not
  follow one another;
- ``{"kind":"dropped","symbol":"LTCBTC","reason":"crossed"}``: a frame of no use came and was not
  written;
- ``{"kind":"interrupted","symbol":"LTCBTC"}`` and ``{"kind":"ended","symbol":"LTCBTC",...}``: the
  service did not trust the symbol's quote any more, or listened to it no longer.
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


class _Note(msgspec.Struct, kw_only=True):
    """What a replay looks at, of any note."""

    kind: str
    symbol: str | None = None
    what: str | None = None
    continues: bool = True


_OF_ONE_SYMBOL: Final = frozenset({"dropped", "interrupted", "ended"})
_decode: Final = msgspec.json.Decoder(_Note).decode


def read_interruption(note: bytes) -> Interruption | None:
    """Say whose quotes the note makes worthless; None if it is of another kind."""
    try:
        known = _decode(note)
    except (ValueError, RecursionError):
        return None
    match known.kind:
        case "connection" if known.what == CONNECTION_LOST:
            return Interruption(None)
        case "file" if not known.continues:
            return Interruption(None)
        case kind if kind in _OF_ONE_SYMBOL and known.symbol is not None:
            return Interruption(Symbol(known.symbol))
        case _:
            return None
