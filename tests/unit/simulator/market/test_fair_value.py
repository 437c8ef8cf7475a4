"""Tests of ``app.simulator.market.fair_value``."""

import itertools
import random
import statistics
from dataclasses import replace

import pytest

from app.simulator.market.fair_value import NS, FairValue
from app.simulator.market.pair_dynamics import MAJOR, PairDynamics


def jumps(dynamics: PairDynamics, number: int, seed: int = 1) -> list[tuple[int, float]]:
    """Return the instants of jumps, and the value after each."""
    fair = FairValue(dynamics, random.Random(seed))
    seen = []
    for _ in range(number):
        due_ns = fair.due_ns
        fair.jump(due_ns)
        seen.append((due_ns, fair.bps))
    return seen


def test_jumps_come_as_often_as_the_temperament_says() -> None:
    """Excited stretches and undone jumps make the gaps shorter than the mean of calm ones."""
    seen = jumps(MAJOR, 2_000)
    mean_gap = (seen[-1][0] - seen[0][0]) / NS / len(seen)

    assert MAJOR.move_gap / 3 < mean_gap < MAJOR.move_gap
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


def test_some_jumps_are_undone() -> None:
    """The value is back where it was but for the pull, which is weak."""
    values = [value for _, value in jumps(MAJOR, 1_000)]
    undone = [abs(a - c) < 0.05 for a, c in zip(values, values[2:], strict=False)]

    assert 0.1 < sum(undone) / len(undone) < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_the_value_stays_near_for_ever(seed: int) -> None:
    """In the long run its standard deviation is about 120 bps, whatever the size of a jump."""
    values = [value for _, value in jumps(replace(MAJOR, move_bps=10.0), 50_000, seed)]

    assert 60 < statistics.pstdev(values) < 260
    assert max(map(abs, values)) <= 900


def test_excited_and_calm_stretches_alternate() -> None:
    """Calm first, and mostly."""
    fair = FairValue(MAJOR, random.Random(3))
    seen = [fair.is_excited(step * NS // 20) for step in range(20_000)]

    assert not seen[0]
    assert 0.1 < sum(seen) / len(seen) < 0.4
    assert 100 < sum(a != b for a, b in itertools.pairwise(seen)) < 1_000
