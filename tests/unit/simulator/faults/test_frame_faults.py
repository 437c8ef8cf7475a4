"""Tests of ``app.simulator.faults.frame_faults``."""

import pytest

from app.simulator.faults.frame_faults import RECENT_MAX, FrameFaults
from app.simulator.market.venue_quotes import VenueQuote, venue_quote


def quote(update_id: int, symbol: str = "LTCBTC") -> VenueQuote:
    """Make a quote."""
    return venue_quote(symbol=symbol, update_id=update_id)


def sent(faults: FrameFaults, *quotes: VenueQuote) -> list[int | str]:
    """Send quotes through; return the update id of each frame, or how it is spoiled."""
    return [
        frame.garbage or frame.quote.update_id for one in quotes for frame in faults.frames_of(one)
    ]


def test_frames_pass_as_they_are_without_a_fault() -> None:
    """One for each quote."""
    assert sent(FrameFaults(), quote(1), quote(2)) == [1, 2]


def test_a_muted_symbol_has_no_frames() -> None:
    """Others have theirs."""
    faults = FrameFaults()
    faults.muted.add("LTCBTC")

    assert sent(faults, quote(1), quote(2, "ETHBTC")) == [2]


@pytest.mark.parametrize(
    ("frames", "ids"), [(0, [1, 2, 3]), (2, [1, 1, 2, 2, 3]), (None, [1, 1, 2, 2, 3, 3])]
)
def test_frames_come_twice_as_often_as_told(frames: int | None, ids: list[int | str]) -> None:
    """None is for good."""
    faults = FrameFaults()
    faults.duplicating.left = frames

    assert sent(faults, quote(1), quote(2), quote(3)) == ids


def test_frames_change_places_with_the_next_of_their_symbol() -> None:
    """Another symbol's frame does not let a held one go."""
    faults = FrameFaults()
    faults.reordering.left = 2
    quotes = (quote(1), quote(10, "ETHBTC"), quote(2), quote(11, "ETHBTC"), quote(3))

    assert sent(faults, *quotes) == [2, 1, 11, 10, 3]


def test_frames_are_spoiled_in_their_place() -> None:
    """As many as told, of the symbol that was named."""
    faults = FrameFaults()
    faults.spoil("nan", symbol="LTCBTC", frames=1)

    assert sent(faults, quote(9, "ETHBTC"), quote(1), quote(2)) == [9, "nan", 2]
    with pytest.raises(ValueError, match="garbage is one of"):
        faults.spoil("nonsense", symbol=None, frames=1)


def test_faults_are_idle_until_one_is_on() -> None:
    """Each of them is one, and so is a quote that is still held back."""
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


def test_faults_at_once_do_not_get_in_each_other_s_way() -> None:
    """A spoiled frame comes twice, a held one is not lost when all faults end."""
    faults = FrameFaults()
    faults.duplicating.left = 1
    faults.spoil("nan", symbol=None, frames=1)
    assert sent(faults, quote(1), quote(2)) == ["nan", "nan", 2]
    faults.reordering.left = None
    assert sent(faults, quote(3)) == []

    assert [held.update_id for held in faults.clear()] == [3]
    assert sent(faults, quote(4)) == [4]
    assert faults.clear() == []


def test_old_frames_are_remembered_up_to_a_bound() -> None:
    """The newest of them, oldest first."""
    faults = FrameFaults()
    for number in range(RECENT_MAX + 10):
        faults.remember(quote(number))

    assert [one.update_id for one in faults.recent("LTCBTC", 2)] == [108, 109]
    assert len(faults.recent("LTCBTC", 1_000)) == RECENT_MAX
    assert faults.recent("ETHBTC", 5) == []
