"""The arithmetic of the benchmark of growth."""

from dataclasses import replace

import pytest

from bench.growth import Rest, Usage, busiest
from bench.harness.processes import ThreadSeconds

IDLE = ThreadSeconds(loop=0, others=0)


def usage(*, seconds: float = 2, loop: float, others: float = 0, units: float = 1) -> Usage:
    """Return a usage with these processor times."""
    cpu = ThreadSeconds(loop=loop, others=others)
    return Usage(seconds=seconds, cpu=cpu, commits=100, units=units, clients=IDLE)


REST = Rest.of([usage(seconds=4, loop=0.3, others=0.1), usage(seconds=2, loop=0.16, others=0.04)])


def test_the_cost_of_a_unit_excludes_rest_of_the_same_length() -> None:
    """Rest is scaled to the load's seconds, and all threads count."""
    assert REST.microseconds_per_unit(usage(loop=0.9, others=0.3, units=1_000)) == pytest.approx(
        1_000
    )


def test_a_cost_within_the_differences_of_rest_is_below_noise() -> None:
    """The result is None then, and not zero."""
    noisy = Rest.of([usage(loop=0.1), usage(loop=0.3)])

    assert noisy.noise == pytest.approx(0.1)
    assert noisy.microseconds_per_unit(usage(loop=0.39)) is None
    assert noisy.microseconds_per_unit(usage(loop=0.5)) == pytest.approx(300_000)


def test_the_cost_of_a_load_without_its_units_is_subtracted() -> None:
    """Rest of its own length is subtracted from each first."""
    measured = replace(usage(seconds=2, loop=1.2, units=10), beside=usage(seconds=1, loop=0.6))

    assert REST.microseconds_per_unit(measured) == pytest.approx(50_000)


def test_the_busiest_resource_has_the_least_time_left() -> None:
    """The time in which it was ready, but waited for a processor, counts as well."""
    cpu = ThreadSeconds(loop=0.8, others=0.6, others_queued=0.4)

    assert busiest(replace(usage(loop=0), cpu=cpu), 0.004) == "writer, 30 % busy, and ready 20 %"
    assert busiest(usage(loop=0.5), 0.004) == "event loop, 25 % busy"
    assert busiest(usage(loop=0.5), 0.015) == "disk, 75 % busy"
