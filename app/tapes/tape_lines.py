"""Read and write the lines of a tape.

``data`` is the venue's text, byte for byte. A frame of a combined stream arrives as ``{"stream":
"ltcbtc@bookTicker","data":{...}}``. Only its ``data`` is written, so both kinds of stream give the
same tape.
"""

from typing import Final, NamedTuple

import msgspec

from app.exact_json import NESTING_LEVELS_MAX, is_nested_too_deeply

LINE_BYTES_MAX: Final = 256 * 1024
"""The longest line, with its end; a book ticker has 170 bytes. The limit bounds the memory for a
file without line ends and for an oversized frame."""

LINE_LEVELS_MAX: Final = NESTING_LEVELS_MAX + 1
"""A line adds one level to its frame."""

NANOSECONDS_PER_MICROSECOND: Final = 1_000


class TapeLine(NamedTuple):
    """A line of a tape; exactly one of ``data`` and ``note`` is set.

    Attributes:
        number: Counts the lines from 1.
        ts: Epoch microseconds.
        data: A frame of the venue.
        note: A note of the recorder.
        received_ns: The recorder's monotonic clock at the receipt of a frame, if the line has it.
    """

    number: int
    ts: int
    data: bytes | None
    note: bytes | None
    received_ns: int | None = None


class _Line(msgspec.Struct, gc=False):
    ts: int
    data: msgspec.Raw = msgspec.Raw()
    note: msgspec.Raw = msgspec.Raw()
    ns: int | None = None


class _Frame(msgspec.Struct, gc=False):
    stream: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_anything = msgspec.json.Decoder(msgspec.Raw).decode


def parse_line(text: bytes, number: int) -> TapeLine:
    """Read one line.

    Raises:
        ValueError: the text is not a line of a tape; the message says why.
    """
    if len(text) >= LINE_BYTES_MAX:
        raise ValueError(f"not a line of a tape: more than {LINE_BYTES_MAX} bytes")
    if is_nested_too_deeply(text, levels_max=LINE_LEVELS_MAX):
        raise ValueError("not a line of a tape: nested too deeply")
    try:
        line = _decode_line(text)
    except ValueError as error:
        raise ValueError(f"not a line of a tape: {error}") from error
    data, note = bytes(line.data) or None, bytes(line.note) or None
    if data is None and note is None:
        raise ValueError("not a line of a tape: neither `data` nor `note`")
    return TapeLine(number, line.ts, data, note, line.ns)


def is_whole_line(text: bytes) -> bool:
    """Tell whether a line that may have been cut off is complete."""
    if is_nested_too_deeply(text, levels_max=LINE_LEVELS_MAX):
        return False
    try:
        _decode_anything(text)
    except ValueError:
        return False
    return True


def frame_line(ts: int, frame: bytes, received_ns: int | None = None) -> bytes:
    """Return the line of a frame, without its line end.

    ``received_ns`` is written if given: the monotonic clock at the receipt.

    Raises:
        ValueError: the frame is not a JSON object, has several lines, or is too long.
    """
    data = _payload(frame)
    # JSON allows line ends between tokens, but a frame is one line of a tape.
    if b"\n" in data or b"\r" in data:
        raise ValueError("a frame of several lines")
    ns = b"" if received_ns is None else b'"ns":%d,' % received_ns
    line = b'{"ts":%d,%b"data":%b}' % (ts, ns, data)
    if len(line) >= LINE_BYTES_MAX:
        raise ValueError("a frame too long for a line")
    return line


def note_line(ts: int, note: object) -> bytes:
    """Return the line of a note, an object that ``msgspec`` can encode, without its line end.

    Raises:
        ValueError: the note is too long.
    """
    line = b'{"ts":%d,"note":%b}' % (ts, msgspec.json.encode(note))
    if len(line) >= LINE_BYTES_MAX:
        raise ValueError("a note too long for a line")
    return line


def _payload(frame: bytes) -> bytes:
    """Return the ``data`` of a combined stream's frame, and any other object unchanged."""
    if is_nested_too_deeply(frame):
        raise ValueError("a frame that is not a JSON object: nested too deeply")
    try:
        wire = _decode_frame(frame)
        # msgspec does not check the encoding of raw values.
        if not frame.isascii():
            frame.decode()
    except ValueError as error:
        raise ValueError(f"a frame that is not a JSON object: {error}") from error
    # Only a frame of a combined stream has both keys.
    is_combined = bool(wire.stream) and bool(wire.data)
    return bytes(wire.data) if is_combined else frame.strip()


class ReceiptTimes:
    """Converts instants of the monotonic clock to ``ts``, which never decreases.

    The wall clock is read only at the start, so setting it later has no effect.
    """

    def __init__(self, *, epoch_us: int, monotonic_ns: int) -> None:
        self._offset_ns = epoch_us * NANOSECONDS_PER_MICROSECOND - monotonic_ns
        self._last = epoch_us

    def ts(self, received_ns: int) -> int:
        """Return epoch microseconds, never less than in the previous call."""
        self._last = max(self._last, (received_ns + self._offset_ns) // NANOSECONDS_PER_MICROSECOND)
        return self._last
