"""Tests of ``app.fulfillment.stale_seeds``."""

from app.fulfillment.stale_seeds import STALE_NS_OF_A_RESET, StaleSeeds

LATER_NS = STALE_NS_OF_A_RESET


def test_three_over_ten_seconds_show_a_reset() -> None:
    """Fewer, or in a shorter time, may be a venue that is a little behind."""
    hasty, lasting = StaleSeeds(), StaleSeeds()

    assert [hasty.shows_a_reset(at, gate=9) for at in (0, 1, 2, LATER_NS - 1)] == [False] * 4
    assert [lasting.shows_a_reset(at, gate=9) for at in (0, LATER_NS, LATER_NS)] == [
        False,
        False,
        True,
    ]


def test_a_gate_that_moved_begins_the_count_anew() -> None:
    """A frame above it came meanwhile, so the venue does not count anew."""
    seeds = StaleSeeds()
    seeds.shows_a_reset(0, gate=9)
    seeds.shows_a_reset(1, gate=9)

    assert not seeds.shows_a_reset(LATER_NS, gate=10)
    assert not seeds.shows_a_reset(LATER_NS + 1, gate=10)
    assert seeds.shows_a_reset(2 * LATER_NS, gate=10)


def test_what_was_cleared_does_not_count() -> None:
    """Another connection is judged by its own seeds."""
    seeds = StaleSeeds()
    seeds.shows_a_reset(0, gate=9)
    seeds.shows_a_reset(1, gate=9)

    seeds.clear()

    assert not seeds.shows_a_reset(LATER_NS, gate=9)
