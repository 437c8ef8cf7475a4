"""Messages encoded as frames, compared with the websockets library."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from app.api.server.text_frames import EXTENSION, takes_text_frames, text_frame


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_one_whole_message_at_each_form_of_its_length(length: int) -> None:
    """A frame equals the library's unmasked frame for each length encoding."""
    payload = b"x" * length

    frame = text_frame(payload)

    assert frame == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_frames_in_a_row_are_read_one_by_one() -> None:
    """Consecutive frames are separated by their lengths alone."""
    payloads = [b"first", "zweite \N{SNOWMAN}".encode(), b"y" * 300]
    reader = StreamReader()
    reader.feed_data(b"".join(map(text_frame, payloads)))

    read = []
    for _ in payloads:
        parsing = Frame.parse(reader.read_exact, mask=False)
        with pytest.raises(StopIteration) as done:
            next(parsing)
        read.append(done.value.value.data)

    assert read == payloads


@pytest.mark.parametrize(
    ("scope", "expected"),
    [({}, False), ({"extensions": {}}, False), ({"extensions": {EXTENSION: {}}}, True)],
)
def test_only_a_server_that_says_so_takes_frames(
    scope: dict[str, object], *, expected: bool
) -> None:
    """Frames are used only for a server that offers the extension."""
    assert takes_text_frames(scope) is expected
