"""Tests of ``app.tapes.tape_lines``."""

import pytest

from app.tapes.tape_lines import (
    LINE_BYTES_MAX,
    ReceiptTimes,
    TapeLine,
    frame_line,
    is_whole_line,
    note_line,
    parse_line,
)

FRAME = b'{"u":10,"s":"LTCBTC","b":"0.0025","B":"1.50000000","a":"0.0026","A":"2.00000000"}'
SPACED = FRAME.replace(b":", b" : ")


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        (FRAME, FRAME),
        (b'{"stream":"ltcbtc@bookTicker", "data": ' + SPACED + b' , "more":1}', SPACED),
        (b'{"data":{}}', b'{"data":{}}'),
    ],
    ids=["raw", "combined", "data without a stream"],
)
def test_a_frame_is_written_byte_for_byte(frame: bytes, data: bytes) -> None:
    """The tape contains exactly the venue's bytes, and of a combined stream its data.

    Both kinds of stream give the same tape, including white space and unknown keys.
    """
    assert frame_line(17, frame) == b'{"ts":17,"data":' + data + b"}"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"garbage",
        FRAME[:-1],
        FRAME + b"}",
        b"[1]",
        b"17",
        FRAME.replace(b",", b",\n"),
        FRAME.replace(b",", b",\r"),
        FRAME.replace(b"LTCBTC", b"LTC\xff"),
        b'{"x":' * 301 + b"1" + b"}" * 301,
        b'{"x":"%b"}' % (b"x" * LINE_BYTES_MAX),
    ],
    ids=str,
)
def test_a_frame_that_would_damage_the_tape_is_refused(frame: bytes) -> None:
    """Every line must be readable exactly as written."""
    with pytest.raises(ValueError, match="frame"):
        frame_line(17, frame)


def test_a_note_that_is_too_long_is_refused() -> None:
    """The note would make the tape unreadable."""
    with pytest.raises(ValueError, match="too long"):
        note_line(1, "x" * LINE_BYTES_MAX)


def test_a_line_is_read_as_it_was_written() -> None:
    """Reading is the inverse of writing. Keys that later recorders may add are ignored."""
    note = note_line(18, {"lost": "closed by the venue"})

    assert parse_line(frame_line(17, FRAME), 1) == TapeLine(1, 17, FRAME, None)
    deepest = b'{"x":' + b"[" * 299 + b"]" * 299 + b"}"
    assert parse_line(frame_line(17, deepest), 1) == TapeLine(1, 17, deepest, None)
    assert is_whole_line(frame_line(17, deepest))
    assert parse_line(b'{"ts":1,"from":"here","data":{}}', 1) == TapeLine(1, 1, b"{}", None)
    assert parse_line(note, 2) == TapeLine(2, 18, None, b'{"lost":"closed by the venue"}')


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"", "not a line of a tape"),
        (b"nonsense", "not a line of a tape"),
        (b"[]", "not a line of a tape"),
        (b'{"data":{}}', "missing required field `ts`"),
        (b'{"ts":"1","data":{}}', "Expected `int`"),
        (b'{"ts":1.5,"data":{}}', "Expected `int`"),
        (b'{"ts":1}', "neither `data` nor `note`"),
        (b'{"ts":1,"data":' + b"[" * 301 + b"]" * 301 + b"}", "nested too deeply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_malformed_line_is_refused_with_its_cause(text: bytes, cause: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=cause):
        parse_line(text, 1)


def test_no_prefix_of_a_line_is_a_complete_line() -> None:
    """A tape that was cut within a line is therefore recognized."""
    line = frame_line(17, FRAME)

    assert is_whole_line(line)
    assert not any(is_whole_line(line[:size]) for size in range(len(line)))


def test_times_follow_the_monotonic_clock_and_never_decrease() -> None:
    """Epoch microseconds count from the start, and setting the wall clock has no effect."""
    times = ReceiptTimes(epoch_us=1_000_000, monotonic_ns=5_000_000_000)

    given = [times.ts(5_000_000_000 + ns) for ns in (999, 1_000, 2_500_000, 0, 2_501_000)]

    assert given == [1_000_000, 1_000_001, 1_002_500, 1_002_500, 1_002_501]
