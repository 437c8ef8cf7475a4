"""The synthetic market is within its bounds; tests of ``tests.support.market_statistics``."""

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import pytest

from tests.support.market_statistics.__main__ import main
from tests.support.market_statistics.bounds import Around, Bound
from tests.support.market_statistics.measurement import (
    CLASSES,
    SECONDS,
    Finding,
    PairClass,
    findings,
    synthetic_findings,
    synthetic_observations,
    tape_statistics,
)
from tests.support.market_statistics.quote_statistics import Observation, quote_statistics
from tests.support.tapes import find_tape_file

SEED = 1
BY_NAME = {one.name: one for one in CLASSES}
MAJOR = BY_NAME["major"]
LIVELY = BY_NAME["lively alt"]
each_class = pytest.mark.parametrize("pair_class", CLASSES, ids=lambda one: one.name)


tape = cache(tape_statistics)
"""Measure each tape only once."""


def missed(found: list[Finding]) -> dict[str, tuple[Sequence[float], tuple[float, float]]]:
    """Return the figures outside their bounds, with the measured and the allowed values."""
    return {one.bound.figure: (one.of_pairs, one.limits) for one in found if not one.is_held}


@each_class
def test_the_synthetic_market_keeps_to_the_bounds(pair_class: PairClass) -> None:
    """Every figure of every class is within its bound around the figures of the tapes."""
    assert missed(synthetic_findings(pair_class, seed=SEED, seconds=SECONDS)) == {}


# --- the bounds detect a market that is wrong in one way ------------------------------------------


@cache
def observed(symbol: str) -> tuple[Observation, ...]:
    """Return the quotes of a pair."""
    return tuple(synthetic_observations(symbol, seed=SEED, seconds=SECONDS))


def figures_missed(pair_class: PairClass, seen: list[Observation]) -> set[str]:
    """Return the bounds of a class that a stream of quotes misses."""
    return set(missed(findings(pair_class, quote_statistics(seen))))


def evenly_paced(seen: tuple[Observation, ...]) -> list[Observation]:
    """Distribute the updates evenly over the same time."""
    gap_ns = seen[-1].at_ns // len(seen)
    return [one._replace(at_ns=number * gap_ns) for number, one in enumerate(seen)]


def one_side_at_a_time(seen: tuple[Observation, ...]) -> list[Observation]:
    """Remove the updates that change both sides."""
    kept = [seen[0]]
    for one in seen[1:]:
        if one[2:4] == kept[-1][2:4] or one[4:6] == kept[-1][4:6]:
            kept.append(one)
    return kept


def always_one_tick_wide(seen: tuple[Observation, ...]) -> list[Observation]:
    """Keep the bid one tick below the ask."""
    return [one._replace(bid_price=one.ask_price - 1) for one in seen]


def without_dust(seen: tuple[Observation, ...]) -> list[Observation]:
    """Raise small quantities to a tenth of the median."""
    least = sorted(one.ask_quantity for one in seen)[len(seen) // 2] // 10
    return [one._replace(ask_quantity=max(one.ask_quantity, least)) for one in seen]


def without_memory(seen: tuple[Observation, ...]) -> list[Observation]:
    """Change the quantities of each level a little, so that no level returns unchanged."""
    lifts = itertools.count(1)
    lift = 0
    changed = []
    for before, one in itertools.pairwise((seen[0], *seen)):
        if before.ask_price != one.ask_price:
            lift = next(lifts) % 89
        changed.append(one._replace(ask_quantity=one.ask_quantity + lift))
    return changed


def with_repeats(seen: tuple[Observation, ...]) -> list[Observation]:
    """Repeat one quote."""
    return [*seen[:100], seen[99], *seen[100:]]


@pytest.mark.parametrize(
    ("spoil", "figures"),
    [
        (evenly_paced, {"pace.gaps_under_1ms", "pace.burst_updates.p99", "pace.gap_ms.p99"}),
        (one_side_at_a_time, {"sides.both_sides", "sides.one_side"}),
        (always_one_tick_wide, {"sides.one_tick", "sides.spread_bps.p99"}),
        (without_dust, {"levels.before_lost.p50", "quantity.log_sd", "quantity.relative.p5"}),
        (without_memory, {"levels.same_quantity"}),
        (with_repeats, {"sides.neither_side"}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_market_that_is_wrong_in_one_way_is_found_out(
    spoil: Callable[[tuple[Observation, ...]], list[Observation]], figures: set[str]
) -> None:
    """The bounds are narrow enough to detect each spoiled property."""
    assert figures <= figures_missed(MAJOR, spoil(observed("BTCUSDT")))


def test_a_class_is_not_taken_for_another() -> None:
    """A major misses many bounds of a lively alt, and the reverse."""
    assert len(figures_missed(LIVELY, list(observed("BTCUSDT")))) > 10
    assert len(figures_missed(MAJOR, list(observed("ZILUSDT")))) > 10


# --- bounds ---------------------------------------------------------------------------------------


def test_a_bound_is_drawn_around_the_range_of_the_tapes() -> None:
    """A tape without the figure does not affect the bound."""
    factor = Bound("pace.per_second", Around.FACTOR, 2.0, "")
    margin = Bound("pace.per_second", Around.MARGIN, 2.0, "")

    assert factor.limits((4, math.nan, 10)) == (2, 20)
    assert margin.limits((4, math.nan, 10)) == (2, 12)


def test_a_figure_that_no_pair_shows_does_not_hold() -> None:
    """NaN is outside every bound."""
    bound = Bound("levels.same_quantity", Around.FACTOR, 2.0, "")

    assert not Finding(bound=bound, of_tapes=(0.5,), of_pairs=(math.nan,)).is_held


@each_class
def test_every_bound_has_a_reason_and_figures_of_every_tape(pair_class: PairClass) -> None:
    """No figure has two bounds, and every stored figure has a bound."""
    figures = [bound.figure for bound in pair_class.bounds]

    assert len(set(figures)) == len(figures)
    assert set(figures) == set(pair_class.figures)
    assert all(bound.reason for bound in pair_class.bounds)
    assert {len(one) for one in pair_class.figures.values()} == {len(pair_class.sources)}


@each_class
def test_the_stored_figures_are_those_of_the_tapes(pair_class: PairClass) -> None:
    """A new measurement of the tapes gives the stored figures, to the fourth digit."""
    measured = {
        file: tape(find_tape_file(file)) for file in {file for file, _ in pair_class.sources}
    }
    for bound in pair_class.bounds:
        found = [bound.measured(measured[file][symbol]) for file, symbol in pair_class.sources]

        assert found == pytest.approx(pair_class.figures[bound.figure], rel=1e-3, nan_ok=True)


PUBLISHED = {
    "updates_per_s": "pace.per_second",
    "per_second": "pace.in_one_second",
    "gap_us": "pace.gap_ms",
    "gaps_under_1ms_share": "pace.gaps_under_1ms",
    "update_id_step": "pace.update_id_step",
    "repeats_same_ask_price_and_qty": "sides.repeats_ask",
    "changed.both": "sides.both_sides",
    "changed.none": "sides.neither_side",
    "spread_ticks": "sides.spread_ticks",
    "spread_1_tick_share": "sides.one_tick",
    "spread_bps": "sides.spread_bps",
    "ask_qty": "quantity.relative",
    "ask_price_change_share": "price.price_changes",
    "ask_jump_bps": "price.jump_bps",
    "ask_event_mix.price_up": "price.price_up",
    "ask_event_mix.price_down": "price.price_down",
    "ask_event_mix.qty_up": "price.quantity_up",
    "ask_event_mix.qty_down": "price.quantity_down",
    "ask_qty_flicker_share": "quantity.flicker",
    "ask_qty_change_same_price.new_over_old": "quantity.new_over_old",
    "ask_level_life_s": "levels.life_seconds",
    "ask_qty_just_before_level_lost": "levels.before_lost",
    "ask_lost_levels_regained.share": "levels.lost_regained",
    "ask_lost_levels_regained.after_s": "levels.regained_after_seconds",
    "ask_returns_from_behind.per_price_change": "levels.back_from_behind",
    "ask_returns_from_behind.away_s": "levels.away_seconds",
    "ask_returns_from_behind.same_qty_share": "levels.same_quantity",
    "mid_1s_return_bps.std": "movement.return_1s_sd_bps",
    "mid_1s_return_bps.max_abs": "movement.return_1s_max_bps",
    "max_60s_range_bps": "movement.range_60s_bps",
}
"""The path in ``QuoteStatistics`` of each published figure."""

ROUNDED = {"updates_per_s": 6e-3, "mid_1s_return_bps.max_abs": 6e-4}
"""Figures published with fewer than four digits after the decimal point."""

QUANTITIES = ("ask_qty", "ask_qty_just_before_level_lost")


def published_figures(of_symbol: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Yield our path, the published figure in our unit, and its rounding error."""
    for path, ours in PUBLISHED.items():
        value: Any = of_symbol
        for key in path.split("."):
            value = value.get(key, {})
        unit = 1_000.0 if path == "gap_us" else 1.0
        if path in QUANTITIES:
            unit = of_symbol["ask_qty"]["p50"]
        values = value.items() if isinstance(value, dict) else [("", value)]
        for percentile, figure in values:
            name = f"{ours}.{percentile}".strip(".")
            if percentile not in ("p1", "p10") and figure is not None:
                yield name, figure / unit, ROUNDED.get(path, 1e-4)


@pytest.mark.parametrize("place", range(4))
def test_the_published_figures_of_the_tapes_are_reproduced(place: int) -> None:
    """Our definitions give the figures that were published with the recordings."""
    published = json.loads(find_tape_file("stats.json").read_text(encoding="utf-8"))[place]
    measured = tape(find_tape_file(published["file"]))
    checked = 0
    for symbol, of_symbol in published["symbols"].items():
        for path, figure, rounding in published_figures(of_symbol):
            ours = attrgetter(path)(measured[symbol])
            if not math.isnan(ours):
                assert ours == pytest.approx(figure, rel=6e-3, abs=rounding), (symbol, path)
                checked += 1

    assert checked > 50 * len(published["symbols"])


# --- the report -----------------------------------------------------------------------------------


def test_the_report_says_which_bounds_hold_and_fails_where_one_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Four seconds are too short for the bounds, so the exit code is 1."""
    assert main(["--seed", "1", "--seconds", "4"]) == 1

    report = capsys.readouterr().out
    assert "BTCUSDT (majors), ETHUSDT (majors), ETHUSDT (ethusdt)" in report
    assert "MISSED" in report
    assert "holds" in report
