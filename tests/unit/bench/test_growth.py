"""The arithmetic of the benchmark of growth."""

import pytest

from bench.growth import Usage, busiest
from bench.live_service import ThreadSeconds


def usage(*, seconds: float, loop: float, others: float, units: float = 1) -> Usage:
    """Return a usage with these processor times."""
    cpu = ThreadSeconds(loop=loop, others=others)
    return Usage(seconds=seconds, cpu=cpu, commits=100, units=units, clients_cpu=0)


def test_a_unit_costs_what_is_spent_beyond_rest_of_the_same_length() -> None:
    """Rest is scaled to the load's seconds, and all threads count."""
    rest = usage(seconds=4, loop=0.3, others=0.1)
    load = usage(seconds=2, loop=0.9, others=0.3, units=1_000)

    assert load.microseconds(rest) == pytest.approx(1_000)


def test_the_busiest_resource_comes_first() -> None:
    """It has the least room left, so it saturates first as the load grows."""
    shares = usage(seconds=2, loop=0.2, others=1.0).shares(sync_seconds=0.004)

    text = busiest(shares)

    assert text == "writer thread (writer thread 50 %, disk 20 %, event loop 10 %, memory 0 %)"
