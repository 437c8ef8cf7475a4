"""Find WebSocket frames in the data of a stream; pure.

Almost every message of a venue is a text in one frame of less than 64 KiB (RFC 6455 section 5.2),
whose end is found from two to four bytes. The library builds two objects and runs four generators
per frame, at ten times the cost. So this module cuts out texts itself. It only finds the ends of
other frames; the library judges control frames, fragments, limits and violations.
"""

from typing import Final

_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_CONTROL: Final = frozenset({0x88, 0x89, 0x8A})
"""Close, ping and pong."""

_EXTENDED_SIZE: Final = 126
"""RFC 6455 section 5.2: "If 126, the following 2 bytes interpreted as a 16-bit unsigned integer are
the payload length." 127 announces eight bytes. The bit above marks a mask."""


def leading_texts(data: bytes, position: int) -> tuple[list[bytes], int]:
    """Return the complete texts at ``position``, in order, and the position after them.

    That position is the end of the data, an incomplete frame, or a frame of another kind.
    """
    texts: list[bytes] = []
    end = len(data)
    while position + 1 < end and data[position] == _WHOLE_TEXT:
        size = data[position + 1]
        begin = position + 2
        if size >= _EXTENDED_SIZE:
            if size > _EXTENDED_SIZE or begin + 2 > end:
                break  # larger or masked, or the size is incomplete
            size = data[begin] << 8 | data[begin + 1]
            begin += 2
        stop = begin + size
        if stop > end:
            break
        texts.append(data[begin:stop])
        position = stop
    return texts, position


def end_of_frame(data: bytes, position: int) -> int | None:
    """Return where the frame at ``position`` ends; None if only the library can tell.

    A result beyond the data means that the frame is incomplete. It may then be too small, because
    the size itself may be missing.
    """
    first = data[position]
    if first not in _CONTROL and first not in {_WHOLE_TEXT, _WHOLE_BINARY}:
        return None
    begin = position + 2
    if begin > len(data):
        return begin
    size = data[position + 1]
    if size < _EXTENDED_SIZE:
        return begin + size
    if size > _EXTENDED_SIZE or first in _CONTROL:
        # RFC 6455 section 5.5: control frames "MUST have a payload length of 125 bytes or less".
        return None
    return begin + 2 + int.from_bytes(data[begin : begin + 2])
