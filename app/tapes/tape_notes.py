"""The notes of a tape that matter to a replay.

A note is a JSON object with the key ``kind``; readers ignore unknown kinds. `papertape record`
notes only problems, so a tape without problems contains only frames. The service writes notes of
many kinds. After the following notes, frames may be missing until the next frame:

- ``{"kind":"connection","what":"lost","cause":"..."}``;
- ``{"kind":"file","continues":false,...}``: joined files of a service that are not consecutive;
- ``{"kind":"dropped","symbol":"LTCBTC","reason":"crossed"}``: an unusable frame was not written;
- ``{"kind":"interrupted","symbol":"LTCBTC"}``: the service no longer trusted the current quote;
- ``{"kind":"ended","symbol":"LTCBTC",...}``: the service unsubscribed from the symbol.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from app.domain.order import Symbol

CONNECTION_LOST: Final = "lost"


class ConnectionNote(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="connection"):
    """A connection to the venue was ``opened``, was ``lost``, or changed in another way."""

    what: str
    cause: str | None = None


class DropNote(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="dropped"):
    """A frame was not written; ``symbol`` is None if it was not readable."""

    symbol: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """The current quote of one symbol is no longer valid, or with None of every symbol."""

    symbol: Symbol | None


class _Note(msgspec.Struct, kw_only=True):
    """The keys of any note that a replay reads."""

    kind: str
    symbol: str | None = None
    what: str | None = None
    continues: bool = True


_OF_ONE_SYMBOL: Final = frozenset({"dropped", "interrupted", "ended"})
_decode: Final = msgspec.json.Decoder(_Note).decode


def read_interruption(note: bytes) -> Interruption | None:
    """Return whose quotes the note makes invalid, or None for a note of another kind."""
    try:
        known = _decode(note)
    # A note of another program must not stop a replay.
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
