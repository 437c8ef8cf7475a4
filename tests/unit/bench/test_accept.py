"""The figures and goals of the benchmark of accepts, from made rounds."""

import pytest

from bench.accept import EMPTY, OURS, SESSION, Best, section
from bench.harness.measuring import Round
from bench.harness.processes import ThreadSeconds

NAMES = (OURS, EMPTY, SESSION)


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
    """Rates, processor time, and latency are per request."""
    best = found(latency=0.002, cpu=0.01)

    assert best.rate == pytest.approx(500)
    assert best.cpu == pytest.approx(200)
    assert best.p50 == pytest.approx(2)


@pytest.mark.parametrize(("cpu", "holds"), [(0.02, True), (0.03, False)])
def test_the_cost_is_compared_with_the_empty_app(cpu: float, holds: bool) -> None:  # noqa: FBT001 - a table
    """The service has to do 45 % of the empty app's requests with the same CPU."""
    best = {
        (name, concurrency): found(latency=0.001, cpu=cpu if name == OURS else 0.01)
        for name in NAMES
        for concurrency in (64, 1)
    }

    assert section(best, 1.0).results[0].holds is holds


@pytest.mark.parametrize("speed", [1, 10])
@pytest.mark.parametrize(("ours", "holds"), [(0.002, True), (0.0021, False)])
def test_a_latency_is_compared_with_a_session_at_any_speed_of_the_machine(
    speed: int,
    ours: float,
    holds: bool,  # noqa: FBT001 - a table
) -> None:
    """One at a time takes at most as long as a session; a slower machine slows both."""
    best = {
        (name, concurrency): found(latency=speed * (ours if name == OURS else 0.002), cpu=0.01)
        for name in NAMES
        for concurrency in (64, 1)
    }

    (alone,) = (one for one in section(best, 1.0).results if one.what.startswith("Latency of one"))
    assert alone.holds is holds


def test_the_slowest_answers_are_those_of_the_median_round() -> None:
    """One lucky round does not hide the tail, but it shows the possible speed."""
    rounds = [found(latency=seconds, cpu=0.01).rounds[0] for seconds in (0.001, 0.009, 0.002)]

    best = Best(tuple(rounds))

    assert best.p50 == pytest.approx(1)
    assert best.p99 == pytest.approx(2)
