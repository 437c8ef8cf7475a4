"""The positions of clients in the stream of events."""

import pytest

from app.api.stream.stream_cursors import (
    BEGINNING,
    ForeignPositionError,
    InvalidPositionError,
    PositionBeyondHeadError,
    PositionPrunedError,
    PositionRefusedError,
    read_position,
    write_position,
)

STREAM_ID = "0123456789abcdef"


def read(text: str) -> int:
    """Read a position of a stream that holds the events 11 to 20."""
    return read_position(text, stream_id=STREAM_ID, head=20, last_pruned=10)


@pytest.mark.parametrize("position", [10, 11, 20])
def test_written_position_is_read_back(position: int) -> None:
    """Every position from the last pruned event to the newest event is valid."""
    assert read(write_position(STREAM_ID, position)) == position


def test_beginning_stands_before_everything_that_is_kept() -> None:
    """``beginning`` is read as zero, which precedes every stored event."""
    assert read(BEGINNING) == 0


def test_position_is_fit_for_an_address_and_a_close_reason() -> None:
    """A position needs no URL escape and fits in a close reason of 123 bytes."""
    longest = write_position(STREAM_ID, 10**18 - 1)

    assert longest.replace("-", "").replace("_", "").isalnum()
    assert len(f"resume after {longest}") <= 123


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (write_position("fedcba9876543210", 15), ForeignPositionError),
        (write_position(STREAM_ID, 21), PositionBeyondHeadError),
        (write_position(STREAM_ID, 9), PositionPrunedError),
        (write_position(STREAM_ID, 0), PositionPrunedError),
        (write_position(STREAM_ID, 10**18), InvalidPositionError),
        (write_position(STREAM_ID, 15) + "=", InvalidPositionError),
        (write_position(STREAM_ID, 15) + "!", InvalidPositionError),
        ("!" + write_position(STREAM_ID, 15), InvalidPositionError),
        (write_position(STREAM_ID, 15)[:-1], InvalidPositionError),
        (write_position("0123456789ABCDEF", 15), InvalidPositionError),
        (write_position(STREAM_ID, -1), InvalidPositionError),
        ("Beginning", InvalidPositionError),
        ("", InvalidPositionError),
        ("15", InvalidPositionError),
        ("\ud800", InvalidPositionError),
        ("\u0661", InvalidPositionError),
    ],
)
def test_text_that_stands_for_no_position_says_why(
    text: str, error: type[PositionRefusedError]
) -> None:
    """Each cause has its own error, because clients react differently to each."""
    with pytest.raises(error) as caught:
        read(text)

    assert type(caught.value) is error
