"""Tests of ``quote_statistics``: small streams of quotes whose figures are known."""

import math

import pytest

from tests.support.market_statistics.quote_statistics import (
    Observation,
    QuoteStatistics,
    quote_statistics,
)

MS = 1_000_000
SECOND = 1_000 * MS
Touch = tuple[int, int]


def measure(
    *seen: tuple[float, Touch] | tuple[float, Touch, Touch], bid: Touch = (99, 10)
) -> QuoteStatistics:
    """Measure quotes given as ``(seconds, ask)`` or ``(seconds, ask, bid)``; ids rise by 1."""
    observations = []
    for update_id, (seconds, ask, *other) in enumerate(seen, 1):
        shown = other[0] if other else bid
        observations.append(
            Observation(
                at_ns=round(seconds * SECOND),
                update_id=update_id,
                bid_price=shown[0],
                bid_quantity=shown[1],
                ask_price=ask[0],
                ask_quantity=ask[1],
            )
        )
    return quote_statistics(observations)


def asks(*seen: Touch) -> QuoteStatistics:
    """Measure asks that arrive one second apart over an unchanged bid."""
    return measure(*enumerate(seen))


def test_one_quote_is_no_stream() -> None:
    """A single quote has no statistics."""
    with pytest.raises(ValueError, match="no stream"):
        asks((100, 1))


# --- pace -----------------------------------------------------------------------------------------


def test_updates_are_counted_by_the_second_since_the_first_one() -> None:
    """Seconds without an update are counted as well."""
    pace = measure((5.0, (100, 1)), (5.5, (100, 2)), (5.9, (100, 3)), (8.5, (100, 4))).pace

    assert (pace.updates, pace.seconds) == (4, 3.5)
    assert pace.per_second == 4 / 3.5
    # Three in the first second, none in the next two, one in the fourth: 0, 0, 1, 3.
    assert (pace.in_one_second.p25, pace.in_one_second.p50, pace.in_one_second.max) == (0, 1, 3)


def test_gaps_are_given_in_milliseconds() -> None:
    """Each percentile equals one of the gaps."""
    pace = measure((0.0, (100, 1)), (0.002, (100, 2)), (0.012, (100, 3)), (1.012, (100, 4))).pace

    assert (pace.gap_ms.p5, pace.gap_ms.p50, pace.gap_ms.max) == (2, 10, 1000)


def test_updates_less_than_a_millisecond_apart_are_a_burst() -> None:
    """A gap of exactly 1 ms ends a burst: here bursts have three, one and two updates."""
    instants = (0.0, 0.0002, 0.0004, 0.0014, 0.5, 0.5009)
    pace = measure(*((at, (100, number)) for number, at in enumerate(instants, 1))).pace

    assert pace.gaps_under_1ms == 3 / 5
    assert (pace.burst_updates.p5, pace.burst_updates.p50, pace.burst_updates.max) == (1, 2, 3)


def test_steps_of_update_ids_are_those_between_neighbors() -> None:
    """The first update id has no influence."""
    ids = (1_000, 1_001, 1_004, 1_064)
    seen = [Observation(at, ids[at], 99, 1, 100, at + 1) for at in range(4)]

    steps = quote_statistics(seen).pace.update_id_step
    assert (steps.p5, steps.p50, steps.max) == (1, 3, 60)


# --- sides ----------------------------------------------------------------------------------------


def test_an_update_changes_the_ask_the_bid_both_or_neither() -> None:
    """The test has four updates, one of each kind."""
    sides = measure(
        (0, (100, 1), (99, 1)),
        (1, (100, 2), (99, 1)),
        (2, (100, 2), (98, 1)),
        (3, (101, 2), (98, 5)),
        (4, (101, 2), (98, 5)),
    ).sides

    assert sides.repeats_ask == 2 / 4
    assert (sides.one_side, sides.both_sides, sides.neither_side) == (2 / 4, 1 / 4, 1 / 4)


def test_the_spread_counts_by_update_and_by_time() -> None:
    """The spread is wide in one of three updates, and for 1 ms of 100 ms."""
    sides = measure((0.0, (100, 1)), (0.099, (104, 1)), (0.1, (100, 1))).sides

    assert (sides.spread_ticks.p50, sides.spread_ticks.max) == (1, 5)
    assert sides.one_tick == 2 / 3
    assert sides.one_tick_of_time == pytest.approx(0.99)
    assert sides.spread_bps.max == pytest.approx(5 / 104 * 10_000)


# --- quantity -------------------------------------------------------------------------------------


def test_quantities_are_relative_to_their_median_by_update() -> None:
    """A repeated quantity is counted again."""
    quantity = asks((100, 5), (100, 10), (100, 10), (100, 30)).quantity

    assert quantity.median_steps == 10
    assert (quantity.relative.p5, quantity.relative.max) == (0.5, 3)


def test_quantities_are_compared_at_an_unchanged_price_only() -> None:
    """A new level and a repeated quote are not changes of a quantity."""
    ratios = asks((100, 10), (100, 5), (100, 5), (101, 80), (101, 160)).quantity.new_over_old

    assert (ratios.p5, ratios.max) == (0.5, 2)


def test_a_flicker_undoes_the_change_before_exactly() -> None:
    """The quantity goes from 10 to 7 and back to 10 at the same price."""
    assert asks((100, 10), (100, 7), (100, 7), (100, 10)).quantity.flicker == 1 / 2
    assert asks((100, 10), (100, 7), (100, 11)).quantity.flicker == 0
    # A price that changes and returns is not a flicker but a level that returns.
    assert asks((100, 10), (99, 3), (100, 10), (100, 9)).quantity.flicker == 0


def test_the_logarithm_of_the_quantity_says_how_far_and_how_fast_it_wanders() -> None:
    """Four quantities of 1 and four of e^2 have a standard deviation of 1 and one step."""
    high = round(math.e**2 * 1_000_000)
    quantity = asks(*[(100, 1_000_000)] * 4, *[(100, high)] * 4).quantity

    assert quantity.log_sd == pytest.approx(1)
    # Seven neighbors: six on the same side of the mean, two across none: (6 - 1) / 8.
    assert quantity.log_autocorrelation == pytest.approx(5 / 8)


# --- prices and levels ----------------------------------------------------------------------------


def test_changes_of_the_ask_are_sorted_by_what_they_change() -> None:
    """Each kind occurs once; a repeated quote counts as an update but not as a change."""
    price = asks((100, 5), (100, 9), (100, 2), (100, 2), (103, 2), (101, 9)).price

    assert (price.price_up, price.price_down) == (1 / 4, 1 / 4)
    assert (price.quantity_up, price.quantity_down) == (1 / 4, 1 / 4)
    assert price.price_changes == 2 / 5
    assert price.jump_bps.max == pytest.approx(300)


def test_a_level_lives_until_another_price_is_shown() -> None:
    """The last level is not counted, because its end is unknown."""
    levels = measure((0.0, (100, 5)), (1.0, (100, 4)), (3.0, (101, 1)), (3.5, (100, 9))).levels

    assert (levels.life_seconds.p5, levels.life_seconds.max) == (0.5, 3.0)


def test_what_a_lost_level_showed_last_is_relative_to_the_median() -> None:
    """Only a rise of the ask loses a level; a covered level is not lost."""
    levels = asks((100, 10), (100, 1), (101, 10), (100, 20)).levels

    assert (levels.before_lost.p50, levels.before_lost.max) == (0.1, 0.1)


def test_a_lost_level_is_regained_when_it_is_the_best_ask_again() -> None:
    """The level 100 returns after three seconds, and 101 never returns."""
    levels = measure(
        (0, (100, 5)), (1, (101, 5)), (2, (102, 5)), (4, (100, 5)), (5, (100, 6))
    ).levels

    assert levels.lost_regained == 1 / 2
    assert levels.regained_after_seconds.p50 == 3


def test_a_covered_level_is_back_from_behind_when_the_better_one_goes() -> None:
    """The level 100 returns with its quantity of 7 after two seconds, 102 with another one."""
    levels = measure(
        (0, (102, 3)), (1, (100, 7)), (2, (98, 1)), (4, (100, 7)), (5, (102, 4))
    ).levels

    assert levels.back_from_behind == 2 / 4
    assert levels.away_seconds.p5 == 2
    assert levels.away_seconds.max == 4
    assert levels.same_quantity == 1 / 2


def test_a_covered_level_that_was_passed_was_withdrawn() -> None:
    """The ask rose past 100 to 101, so the later 100 is a new level."""
    levels = asks((100, 7), (98, 1), (101, 5), (99, 1), (100, 7)).levels

    assert levels.back_from_behind == 0
    assert math.isnan(levels.same_quantity)


# --- movement -------------------------------------------------------------------------------------


def test_the_middle_moves_by_the_second() -> None:
    """A movement that is undone within a second is not counted."""
    movement = measure(
        (0.0, (101, 1), (99, 1)),
        (0.3, (201, 1), (99, 1)),
        (0.4, (101, 1), (99, 1)),
        (1.5, (102, 1), (100, 1)),
        (3.5, (102, 2), (100, 1)),
    ).movement

    # The middle at 0, 1, 2 and 3 s and at the end: 100, 100, 101, 101, 101.
    assert movement.return_1s_max_bps == pytest.approx(100)
    assert movement.return_1s_sd_bps == pytest.approx(100 / math.sqrt(4))
    assert movement.range_60s_bps == pytest.approx(100)


def test_the_range_is_that_of_the_worst_minute() -> None:
    """A steady rise over two minutes counts with one of its minutes."""
    movement = measure(
        *((second, (1_001 + second, 1), (999 + second, 1)) for second in range(121))
    ).movement

    assert movement.range_60s_bps == pytest.approx(60 / 1_000 * 10_000)
