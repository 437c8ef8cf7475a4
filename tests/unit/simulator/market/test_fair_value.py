"""Tests of ``app.simulator.market.fair_value``."""

import itertools
import random
import statistics
from dataclasses import replace

import pytest

from app.simulator.market.fair_value import NS, FairValue
from app.simulator.market.pair_dynamics import KINDS, PairDynamics

MAJOR = KINDS["major"]


def jumps(dynamics: PairDynamics, number: int, seed: int = 1) -> list[tuple[int, float]]:
    """Return the time of each jump and the value after it."""
    fair = FairValue(dynamics, random.Random(seed))
    seen = []
    for _ in range(number):
        due_ns = fair.due_ns
        fair.jump(due_ns)
        seen.append((due_ns, fair.bps))
    return seen


def test_jumps_occur_as_often_as_the_dynamics_say() -> None:
    """Excited periods and undone jumps make the mean gap shorter than in calm periods."""
    seen = jumps(MAJOR, 2_000)
    mean_gap = (seen[-1][0] - seen[0][0]) / NS / len(seen)

    assert MAJOR.move_gap / 3 < mean_gap < MAJOR.move_gap
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


def test_some_jumps_are_undone() -> None:
    """After an undone jump, only the weak pull separates the value from its former one."""
    values = [value for _, value in jumps(MAJOR, 1_000)]
    undone = [abs(a - c) < 0.05 for a, c in zip(values, values[2:], strict=False)]

    assert 0.1 < sum(undone) / len(undone) < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_the_value_stays_near_the_first_price(seed: int) -> None:
    """Its long-term standard deviation is about 120 bps, also with large jumps."""
    values = [value for _, value in jumps(replace(MAJOR, move_bps=10.0), 50_000, seed)]

    assert 60 < statistics.pstdev(values) < 260
    assert max(map(abs, values)) <= 900


def test_excited_and_calm_periods_alternate() -> None:
    """The pair starts calm and is calm most of the time."""
    fair = FairValue(MAJOR, random.Random(3))
    seen = [fair.is_excited(step * NS // 20) for step in range(20_000)]

    assert not seen[0]
    assert 0.1 < sum(seen) / len(seen) < 0.4
    assert 100 < sum(a != b for a, b in itertools.pairwise(seen)) < 1_000
