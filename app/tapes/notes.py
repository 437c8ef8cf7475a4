"""What a recording notes about itself beside the frames.

A note is a JSON object with one key per kind; one of an unknown kind is no matter to a reader.
``{"connection":"lost","cause":"..."}`` says that from here on frames may be missing, until one
comes again.
"""

from typing import Final

import msgspec

CONNECTION_LOST: Final = "lost"


class ConnectionNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The venue connection changed: ``opened``, ``lost``, or another word of the feed."""

    connection: str
    cause: str | None = None


_decode = msgspec.json.Decoder(ConnectionNote).decode


def is_interruption(note: bytes) -> bool:
    """Whether what was quoted before the note is no longer current."""
    try:
        return _decode(note).connection == CONNECTION_LOST
    except (ValueError, RecursionError):
        return False  # a note of another kind
