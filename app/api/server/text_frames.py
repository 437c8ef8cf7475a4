"""Sends many text messages of a WebSocket at once: an ASGI extension between our two sides.

A server does not mask its frames, so a message has the same bytes for every client. They are made
once, and the frames of a commit reach each socket in one call. ASGI sends single messages only. A
server that takes frames sets ``EXTENSION`` in the scope; the application then sends a
``websocket.send`` with the frames under this name instead of ``text``.
"""

from collections.abc import MutableMapping
from typing import Any, Final

EXTENSION: Final = "papertape.text_frames"

_TEXT_FIN: Final = b"\x81"
_LENGTH_IN_7_BITS_MAX: Final = 125
_LENGTH_IN_16_BITS_MAX: Final = 0xFFFF
_IN_16_BITS: Final = b"\x7e"
_IN_64_BITS: Final = b"\x7f"


def text_frame(payload: bytes) -> bytes:
    """Return a message in one unmasked frame (RFC 6455 section 5.2); it is UTF-8."""
    length = len(payload)
    if length <= _LENGTH_IN_7_BITS_MAX:
        return _TEXT_FIN + length.to_bytes() + payload
    if length <= _LENGTH_IN_16_BITS_MAX:
        return _TEXT_FIN + _IN_16_BITS + length.to_bytes(2) + payload
    return _TEXT_FIN + _IN_64_BITS + length.to_bytes(8) + payload


def takes_text_frames(scope: MutableMapping[str, Any]) -> bool:
    """Whether the server of a connection takes frames."""
    return EXTENSION in scope.get("extensions", ())
