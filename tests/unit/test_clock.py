"""Tests of ``app.clock``."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from app.clock import CHECK_SECONDS, SystemClock, Uuid7Source
from tests.support.waiting import eventually


def test_now_is_aware_and_in_utc() -> None:
    """A naive time cannot be compared with an aware one."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_monotonic_clock_never_goes_back() -> None:
    """Timers depend on it."""
    clock = SystemClock()

    readings = [clock.monotonic_ns() for _ in range(100)]

    assert readings == sorted(readings)


class SteppedDate:
    """The machine's date, which the test moves."""

    def __init__(self) -> None:
        self.stepped = timedelta()

    def __call__(self) -> datetime:
        """Return the date."""
        return datetime.now(UTC) + self.stepped

    def step(self, seconds: float) -> None:
        """Move the date."""
        self.stepped += timedelta(seconds=seconds)


STEPS = [-0.5, 0.5, -10_800.0, 10_800.0, 10.0, -86_400.0 * 400, 86_400.0 * 4_000]


@pytest.mark.parametrize("seconds", STEPS)
def test_now_does_not_follow_a_step_of_the_machines_date(seconds: float) -> None:
    """Time goes on as before; the step is logged and counted once."""
    date = SteppedDate()
    clock = SystemClock(machine_date=date)
    clock.check()
    before = clock.now()

    date.step(seconds)
    after = clock.now()
    with capture_logs() as logs:
        clock.check()
        clock.check()

    assert timedelta() <= after - before < timedelta(seconds=60)
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("clock_stepped", "warning")
    assert entry["seconds"] == pytest.approx(seconds, abs=60)
    assert clock.state().steps == 1
    assert clock.state().offset_seconds == pytest.approx(seconds, abs=60)


def test_steps_there_and_back_are_two_and_small_ones_none() -> None:
    """NTP may slew the clocks by some milliseconds."""
    date = SteppedDate()
    clock = SystemClock(machine_date=date)

    for seconds in (7_200.0, -7_200.0, 0.001):
        date.step(seconds)
        clock.check()

    assert clock.state().steps == 2
    assert clock.state().offset_seconds == pytest.approx(0, abs=60)


def test_a_start_begins_after_the_newest_time_of_the_open_orders() -> None:
    """The date was set back during a restart; later steps are counted from there."""
    date = SteppedDate()
    clock = SystemClock(machine_date=date)
    newest = clock.now() + timedelta(hours=3)

    with capture_logs() as logs:
        clock.start_after(newest)
        clock.check()
        clock.start_after(newest - timedelta(hours=1))
        clock.start_after(None)

    assert newest <= clock.now() < newest + timedelta(seconds=60)
    (entry,) = logs
    assert entry["event"] == "clock_behind_open_orders"
    assert entry["seconds"] == pytest.approx(10_800, abs=60)
    assert clock.state().steps == 1
    assert clock.state().offset_seconds == pytest.approx(-10_800, abs=60)


@pytest.mark.virtual_time
async def test_the_date_is_checked_every_second() -> None:
    """The task runs until it is canceled."""
    date = SteppedDate()
    clock = SystemClock(machine_date=date)
    task = asyncio.create_task(clock.run())

    await asyncio.sleep(CHECK_SECONDS / 2)
    date.step(5)
    await eventually(lambda: clock.state().steps == 1)
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()


def test_ids_are_uuids_that_sort_by_creation_time() -> None:
    """Ids have version 7 of RFC 9562 and the canonical text form."""
    source = Uuid7Source()

    made = [source.new_order_id() for _ in range(100)]

    assert made == sorted(set(made))
    assert {uuid.UUID(one).version for one in made} == {7}
