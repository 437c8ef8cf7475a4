"""The arithmetic that several benchmarks share."""

from pathlib import Path

import pytest

from bench.harness.measuring import Cost, Round, least_microseconds, quantile, sync_seconds
from bench.harness.processes import ThreadSeconds


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0)]
)
def test_quantile_is_the_least_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    """A quantile is a measured value, never one between two of them."""
    assert quantile([float(number) for number in range(100, 0, -1)], share) == expected


def test_quantile_of_one_value_is_that_value() -> None:
    """A single measurement is its own p99."""
    assert quantile([3.0], 0.99) == 3.0


def test_a_cost_is_written_per_piece() -> None:
    """CPU is in microseconds, and a wait in milliseconds by the share that waited no longer."""
    waits = [number / 1e3 for number in range(100, 0, -1)]
    cost = Cost(total=100, cpu_seconds=0.02, wall_seconds=0.5, waits_seconds=waits)

    assert cost.cpu_microseconds == pytest.approx(200)
    assert cost.per_second == pytest.approx(200)
    assert cost.wait_milliseconds(0.5) == pytest.approx(50)
    assert cost.wait_milliseconds(0.99) == pytest.approx(99)


def test_rounds_together_have_the_figures_of_all_their_requests() -> None:
    """Times add up, and each figure is per request of both rounds."""
    rounds = [
        Round(
            latencies=(latency,) * 100,
            wall=1.0,
            server=ThreadSeconds(loop=0.01, others=0.02, loop_queued=0.5),
            client=0.1,
        )
        for latency in (0.001, 0.003)
    ]

    both = rounds[0] + rounds[1]

    assert both.rate == pytest.approx(100)
    assert both.microseconds(both.server.total) == pytest.approx(300)
    assert [both.milliseconds(share) for share in (0.5, 0.51)] == pytest.approx([1, 3])
    assert (both.percent(both.server.loop_queued), both.percent(both.client)) == ("50 %", "10 %")


def test_the_cheapest_round_counts() -> None:
    """Every round runs, and the result is the cost of one piece."""
    rounds = []

    assert least_microseconds(lambda: rounds.append(1), total=10, rounds=3) >= 0
    assert len(rounds) == 3


def test_a_sync_of_the_disk_takes_time(tmp_path: Path) -> None:
    """The probe writes to the given folder."""
    assert sync_seconds(tmp_path) > 0
    assert list(tmp_path.iterdir())
