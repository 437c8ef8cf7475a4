"""Many text messages of a WebSocket in one send: an extension of ASGI between our two sides.

A server's frames are not masked, so a message has the same bytes for all who hear it. They are made
once, and those of a commit reach each connection's socket in one call. ASGI knows messages one by
one only: a server that takes frames says so by ``EXTENSION`` in the scope, and gets a
``websocket.send`` that has them under this name instead of ``text``.
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
