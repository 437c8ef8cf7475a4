"""The only module that reads the machine's clocks, and the only source of order ids."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
import uuid_utils

from app.domain.order import OrderId
from app.ports import ClockState

STEP_SECONDS_MIN: Final = 0.1
"""A smaller change of the machine's date is no step: reading two clocks takes time."""

CHECK_SECONDS: Final = 1.0

_NS_PER_MICROSECOND: Final = 1_000

_log = structlog.get_logger()


def _machine_date() -> datetime:
    return datetime.now(UTC)


class SystemClock:
    """The machine's clocks, without the steps of its date.

    ``now`` reads the machine's date once and counts on by the monotonic clock. So an administrator,
    NTP or a suspended machine changes neither the order of two times nor the time between them. A
    step is logged and counted; the next start reads the new date.

    Args:
        machine_date: returns the machine's date, which may step.
    """

    def __init__(self, *, machine_date: Callable[[], datetime] = _machine_date) -> None:
        self._machine_date = machine_date
        self._zero = machine_date() - self._elapsed()
        self._offset = timedelta()
        self._steps = 0

    monotonic_ns = staticmethod(time.monotonic_ns)
    """Nanoseconds of a clock that never goes back; no wrapper, since every frame calls it."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware in UTC. It never goes back and never jumps."""
        return self._zero + self._elapsed()

    def state(self) -> ClockState:
        """Return how often the machine's date stepped, and how far it is from ``now``."""
        return ClockState(steps=self._steps, offset_seconds=self._offset.total_seconds())

    def start_after(self, instant: datetime | None) -> None:
        """Begin at ``instant``, the newest time of the open orders, if the date is before it.

        Otherwise a date that was set back during a restart would let orders end before they were
        accepted, or rest for hours. Call it before the first order.
        """
        if instant is not None and instant > self.now():
            behind = instant - self.now()
            self._zero += behind
            self._offset -= behind
            self._steps += 1
            _log.warning("clock_behind_open_orders", seconds=behind.total_seconds())

    def check(self) -> None:
        """Log and count a step of the machine's date since the last call."""
        offset = self._machine_date() - self.now()
        step_seconds = (offset - self._offset).total_seconds()
        if abs(step_seconds) >= STEP_SECONDS_MIN:
            self._offset = offset
            self._steps += 1
            _log.warning(
                "clock_stepped", seconds=step_seconds, offset_seconds=offset.total_seconds()
            )

    async def run(self) -> None:
        """Check once a second; never return."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self.check()

    def _elapsed(self) -> timedelta:
        return timedelta(microseconds=self.monotonic_ns() // _NS_PER_MICROSECOND)


class Uuid7Source:
    """Order ids as UUID version 7 (RFC 9562 section 5.7): they sort by the machine's date."""

    def new_order_id(self) -> OrderId:
        """Return a new id in canonical text form."""
        return OrderId(str(uuid_utils.uuid7()))
