"""Texts cut out of a stream; ``test_connection_and_library`` cuts streams anywhere."""

import pytest
from websockets.frames import Frame, Opcode

from app.market.transport.framing import end_of_frame, leading_texts

SIZES = (0, 1, 125, 126, 127, 300, 65_535)
"""At the borders of the ways to write a size."""


def rendered(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Write a frame as a venue does."""
    return Frame(opcode, data, fin=fin).serialize(mask=False)


def text(size: int) -> bytes:
    """Make a text of this many bytes."""
    return (b"0123456789" * (size // 10 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_texts_of_every_size_are_cut_out_whole(size: int) -> None:
    """Two texts of any size in a row are cut out completely."""
    data = rendered(Opcode.TEXT, text(size)) + rendered(Opcode.TEXT, b"next")

    assert leading_texts(data, 0) == ([text(size), b"next"], len(data))
    assert end_of_frame(data, 0) == len(data) - 6


@pytest.mark.parametrize("size", [0, 1, 126, 300])
def test_text_that_is_cut_anywhere_waits_for_its_rest(size: int) -> None:
    """An incomplete text waits, and the complete texts before it are returned."""
    before, whole = rendered(Opcode.TEXT, b"one"), rendered(Opcode.TEXT, text(size))

    for cut in range(1, len(whole)):
        data = before + whole[:cut]
        assert leading_texts(data, 0) == ([b"one"], len(before))
        end = end_of_frame(data, len(before))
        assert end is not None
        assert len(data) < end <= len(before + whole)


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE, Opcode.BINARY])
def test_frames_of_other_kinds_are_left_in_their_place(opcode: Opcode) -> None:
    """Other frames stay in their place for the library."""
    first, other = rendered(Opcode.TEXT, b"one"), rendered(opcode, text(100))
    data = first + other + rendered(Opcode.TEXT, b"two")

    assert leading_texts(data, 0) == ([b"one"], len(first))
    assert end_of_frame(data, len(first)) == len(first + other)


@pytest.mark.parametrize(
    "begin",
    [
        rendered(Opcode.TEXT, b"part", fin=False),
        rendered(Opcode.CONT, b"part"),
        rendered(Opcode.TEXT, text(65_536)),
        rendered(Opcode.BINARY, text(65_536)),
        Frame(Opcode.TEXT, b"masked").serialize(mask=True),
        b"\xc1\x01x",
        b"\x83\x01x",
        b"\x89\x7e\x00\x80" + text(128),
        b"\xff" * 20,
    ],
    ids=["fragment", "rest", "long", "long binary", "masked", "bit", "kind", "ping", "noise"],
)
def test_anything_unusual_is_left_to_the_library_with_all_that_follows(begin: bytes) -> None:
    """Fragments and invalid frames have no known end."""
    data = begin + rendered(Opcode.TEXT, b"next")

    assert leading_texts(data, 0) == ([], 0)
    assert end_of_frame(data, 0) is None
