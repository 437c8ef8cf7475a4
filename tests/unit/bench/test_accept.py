"""What a round says, by hand."""

import pytest

from bench.accept import AT_ONCE, EMPTY, OURS, SESSION, STANDARD, Best, Round, section
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
    assert best.p50 == pytest.approx(2)


@pytest.mark.parametrize(("cpu", "holds"), [(0.02, True), (0.03, False)])
def test_the_goal_is_held_against_the_empty_app(cpu: float, holds: bool) -> None:  # noqa: FBT001 - a table
    """45 % of the empty app, and no less."""
    best = {
        (name, concurrency): found(latency=0.001, cpu=cpu if name == OURS else 0.01)
        for name in (OURS, AT_ONCE, EMPTY, STANDARD, SESSION)
        for concurrency in (64, 1)
    }

    result = section(best, 1.0).results[0]
    assert (result.holds, bool(result.note)) == (holds, not holds)


def test_the_slowest_answers_are_those_of_the_median_round() -> None:
    """One lucky round does not hide the tail; how fast it can be is the best round's to say."""
    rounds = [found(latency=seconds, cpu=0.01).rounds[0] for seconds in (0.001, 0.009, 0.002)]

    best = Best(tuple(rounds))

    assert best.p50 == pytest.approx(1)
    assert best.p99 == pytest.approx(2)
