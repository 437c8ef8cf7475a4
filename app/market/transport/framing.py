"""Where the frames of a WebSocket begin and end, as far as a venue's stream needs it; pure.

Almost all that a venue sends is text in one frame of less than 64 KiB (RFC 6455 section 5.2), and
to find the end of one takes two bytes. The library builds two objects and steps through four
generators per frame, at ten times the cost. So texts are cut out here, and whatever else comes is
found for the library to judge: it alone knows control frames, fragments, limits and violations.
"""

from typing import Final

_WHOLE_TEXT: Final = 0x81
_WHOLE_BINARY: Final = 0x82
_CONTROL: Final = frozenset({0x88, 0x89, 0x8A})
"""Close, ping and pong."""

_TWO_BYTES_OF_SIZE: Final = 126
"""As first byte of a size: the next two hold it. Above are eight bytes, or the bit of a mask."""


def leading_texts(data: bytes, position: int) -> tuple[list[bytes], int]:
    """Return the texts that stand whole at ``position``, one behind the other, and what is behind.

    That is either the end, a frame that is not whole yet, or one of another kind.
    """
    texts: list[bytes] = []
    end = len(data)
    while position + 1 < end and data[position] == _WHOLE_TEXT:
        size = data[position + 1]
        begin = position + 2
        if size >= _TWO_BYTES_OF_SIZE:
            if size > _TWO_BYTES_OF_SIZE or begin + 2 > end:
                break
            size = data[begin] << 8 | data[begin + 1]
            begin += 2
        stop = begin + size
        if stop > end:
            break
        texts.append(data[begin:stop])
        position = stop
    return texts, position


def end_of_frame(data: bytes, position: int) -> int | None:
    """Return where the frame at ``position`` ends, None if that is not so easily told.

    An end beyond the data says that more is to come, though perhaps not up to where.
    """
    first = data[position]
    if first not in _CONTROL and first not in {_WHOLE_TEXT, _WHOLE_BINARY}:
        return None
    begin = position + 2
    if begin > len(data):
        return begin
    size = data[position + 1]
    if size < _TWO_BYTES_OF_SIZE:
        return begin + size
    if size > _TWO_BYTES_OF_SIZE or first in _CONTROL:
        return None
    return begin + 2 + int.from_bytes(data[begin : begin + 2])
