"""Tests of ``app.fulfillment.timers``."""

import pytest

from app.fulfillment import timers
from app.fulfillment.timers import DeadlineTimer, LingerTimer
from tests.support.hand_driven import HandClock
from tests.support.waiting import eventually

MILLISECOND_NS = 1_000_000


async def test_a_deadline_in_the_past_calls_back_once() -> None:
    """A timer that fired has no deadline any more."""
    calls: list[str] = []
    timer = DeadlineTimer(HandClock(), lambda: calls.append("deadline"))

    timer.arm(0)

    await eventually(lambda: calls)
    assert calls == ["deadline"]
    assert timer._deadline_ns is None


async def test_only_the_last_deadline_counts() -> None:
    """Arming the timer replaces its deadline, and None removes it."""
    clock = HandClock()
    timer = DeadlineTimer(clock, lambda: None)
    timer.arm(clock.monotonic_ns() + 60_000 * MILLISECOND_NS)
    first = timer._handle
    assert first is not None

    timer.arm(clock.monotonic_ns() + 30_000 * MILLISECOND_NS)
    second = timer._handle
    assert second is not None
    timer.arm(None)

    assert first.cancelled()
    assert second.cancelled()
    assert timer._handle is None


async def test_lingering_is_over_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer remembers that it is over until an order rests again."""
    monkeypatch.setattr(timers, "LINGER_SECONDS", 0.001)
    calls: list[str] = []
    timer = LingerTimer(on_over=lambda: calls.append("over"))

    timer.restart()
    await eventually(lambda: calls)
    was_over = timer.is_over
    timer.cancel()

    assert (was_over, timer.is_over) == (True, True)
    timer.reset()
    assert not timer.is_over
