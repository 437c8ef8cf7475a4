"""Tests of ``app.clock``."""

import uuid
from datetime import timedelta

from app.clock import SystemClock, Uuid7Source


def test_now_is_aware_and_in_utc() -> None:
    """A naive time cannot be compared with an aware one."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_monotonic_clock_never_goes_back() -> None:
    """Timers depend on it."""
    clock = SystemClock()

    readings = [clock.monotonic_ns() for _ in range(100)]

    assert readings == sorted(readings)


def test_ids_are_uuids_that_sort_by_creation_time() -> None:
    """Ids have version 7 of RFC 9562 and the canonical text form."""
    source = Uuid7Source()

    made = [source.new_order_id() for _ in range(100)]

    assert made == sorted(set(made))
    assert {uuid.UUID(one).version for one in made} == {7}
