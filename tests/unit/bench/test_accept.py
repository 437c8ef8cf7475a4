"""What a round says, by hand."""

import pytest

from bench.accept import EMPTY, OURS, SESSION, STANDARD, Best, Round, section
from bench.live_service import ThreadSeconds


def found(*, latency: float, cpu: float) -> Best:
    """Return one round of a hundred requests that took ``latency`` seconds each, in a row."""
    return Best(
        (
            Round(
                latencies=(latency,) * 100,
                wall=100 * latency,
                server=ThreadSeconds(loop=cpu, others=cpu),
                client=0.0,
            ),
        )
    )


def test_figures_are_per_request() -> None:
    """Rates, processor time, and latency."""
    best = found(latency=0.002, cpu=0.01)

    assert best.rate == pytest.approx(500)
    assert best.cpu == pytest.approx(200)
    assert best.latency(0.5) == pytest.approx(2)


@pytest.mark.parametrize(("cpu", "holds"), [(0.02, True), (0.03, False)])
def test_the_goal_is_held_against_the_empty_app(cpu: float, holds: bool) -> None:  # noqa: FBT001 - a table
    """45 % of the empty app, and no less."""
    best = {
        (name, concurrency): found(latency=0.001, cpu=cpu if name == OURS else 0.01)
        for name in (OURS, EMPTY, STANDARD, SESSION)
        for concurrency in (64, 1)
    }

    assert section(best, 1.0).results[0].holds is holds
