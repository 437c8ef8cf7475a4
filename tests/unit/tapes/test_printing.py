"""Tests of ``app.tapes.printing``."""

from app.tapes.printing import count_of, printable


def test_a_noun_follows_its_number() -> None:
    """One is not many, nor is none."""
    assert [count_of(number, "frame") for number in (0, 1, 2)] == [
        "0 frames",
        "1 frame",
        "2 frames",
    ]
    assert count_of(3, "loss", plural="losses") == "3 losses"


def test_nothing_that_others_wrote_moves_the_cursor() -> None:
    """Letters of any script stay."""
    assert printable("币安\x1b[2J\r\n\u202e\ud800") == r"币安\x1b[2J\r\n\u202e\ud800"
