"""Tests of ``app.simulator.faults.frame_faults``."""

import pytest

from app.simulator.faults.frame_faults import RECENT_MAX, FrameFaults
from app.simulator.market.venue_quotes import VenueQuote, venue_quote


def quote(update_id: int, symbol: str = "LTCBTC") -> VenueQuote:
    """Return a quote with this update id."""
    return venue_quote(symbol=symbol, update_id=update_id)


def sent(faults: FrameFaults, *quotes: VenueQuote) -> list[int | str]:
    """Return the update id of each frame for these quotes, or the kind of its garbage."""
    return [
        frame.garbage or frame.quote.update_id for one in quotes for frame in faults.frames_of(one)
    ]


def test_frames_are_unchanged_without_a_fault() -> None:
    """Each quote gives one frame."""
    assert sent(FrameFaults(), quote(1), quote(2)) == [1, 2]


def test_a_muted_symbol_has_no_frames() -> None:
    """Other symbols still have frames."""
    faults = FrameFaults()
    faults.muted.add("LTCBTC")

    assert sent(faults, quote(1), quote(2, "ETHBTC")) == [2]


@pytest.mark.parametrize(
    ("frames", "ids"), [(0, [1, 2, 3]), (2, [1, 1, 2, 2, 3]), (None, [1, 1, 2, 2, 3, 3])]
)
def test_as_many_frames_as_told_are_sent_twice(frames: int | None, ids: list[int | str]) -> None:
    """None means no limit."""
    faults = FrameFaults()
    faults.duplicating.left = frames

    assert sent(faults, quote(1), quote(2), quote(3)) == ids


def test_frames_change_places_with_the_next_of_their_symbol() -> None:
    """A frame of another symbol does not release a held frame."""
    faults = FrameFaults()
    faults.reordering.left = 2
    quotes = (quote(1), quote(10, "ETHBTC"), quote(2), quote(11, "ETHBTC"), quote(3))

    assert sent(faults, *quotes) == [2, 1, 11, 10, 3]


def test_frames_are_spoiled_in_their_place() -> None:
    """As many frames as told are spoiled, and only those with the given symbol."""
    faults = FrameFaults()
    faults.spoil("nan", symbol="LTCBTC", frames=1)

    assert sent(faults, quote(9, "ETHBTC"), quote(1), quote(2)) == [9, "nan", 2]
    with pytest.raises(ValueError, match="garbage is one of"):
        faults.spoil("nonsense", symbol=None, frames=1)


def test_faults_are_idle_until_one_is_on() -> None:
    """Each fault counts, and so does a quote that is still held back."""
    assert FrameFaults().is_idle
    for name in ("duplicating", "reordering", "spoiling"):
        faults = FrameFaults()
        getattr(faults, name).left = None
        assert not faults.is_idle
    faults = FrameFaults()
    faults.muted.add("LTCBTC")
    assert not faults.is_idle
    faults = FrameFaults()
    faults.reordering.left = 1
    faults.frames_of(quote(1))
    assert not faults.is_idle
    faults.clear()
    assert faults.is_idle


def test_several_faults_work_at_the_same_time() -> None:
    """A spoiled frame is duplicated, and a held frame survives the end of all faults."""
    faults = FrameFaults()
    faults.duplicating.left = 1
    faults.spoil("nan", symbol=None, frames=1)
    assert sent(faults, quote(1), quote(2)) == ["nan", "nan", 2]
    faults.reordering.left = None
    assert sent(faults, quote(3)) == []

    assert [held.update_id for held in faults.clear()] == [3]
    assert sent(faults, quote(4)) == [4]
    assert faults.clear() == []


def test_a_bounded_number_of_old_frames_is_remembered() -> None:
    """The newest frames are returned, oldest first."""
    faults = FrameFaults()
    for number in range(RECENT_MAX + 10):
        faults.remember(quote(number))

    assert [one.update_id for one in faults.recent("LTCBTC", 2)] == [108, 109]
    assert len(faults.recent("LTCBTC", 1_000)) == RECENT_MAX
    assert faults.recent("ETHBTC", 5) == []
