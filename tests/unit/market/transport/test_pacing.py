"""Tests of ``app.market.transport.pacing``."""

import asyncio
import random

from app.market.transport.pacing import Backoff, SlidingWindow
from tests.support.virtual_time import in_virtual_time


async def passes(window: SlidingWindow, count: int, units: int = 1) -> list[float]:
    """Acquire one unit after another; return when each passed, in seconds from now."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    times = []
    for _ in range(count):
        await window.acquire(units)
        times.append(loop.time() - start)
    return times


@in_virtual_time
async def test_window_lets_its_limit_pass_at_once_and_then_makes_wait() -> None:
    """No window of any position passes more than the limit."""
    window = SlidingWindow(limit=3, seconds=0.2)

    times = await passes(window, 7)

    assert times[2] < 0.2
    assert all(later - earlier >= 0.2 for earlier, later in zip(times, times[3:], strict=False))


@in_virtual_time
async def test_window_counts_units_and_what_was_noted_without_asking() -> None:
    """Weights and noted units count toward the limit."""
    window = SlidingWindow(limit=10, seconds=0.2)
    window.note(6)

    times = await passes(window, 2, units=4)

    assert times[0] < 0.2
    assert times[1] > 0.15


@in_virtual_time
async def test_waiters_of_a_window_pass_in_turn() -> None:
    """Waiters pass in the order of their requests."""
    window = SlidingWindow(limit=1, seconds=0.02)
    passed: list[int] = []

    async def wait(number: int) -> None:
        await window.acquire()
        passed.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(wait(number))

    assert passed == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_canceled_waiter_takes_nothing_from_the_window() -> None:
    """A canceled waiter uses no units."""
    window = SlidingWindow(limit=1, seconds=0.05)
    await window.acquire()
    waiter = asyncio.create_task(window.acquire())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait({waiter})

    await window.acquire()

    assert len(window._noted) == 1


def test_pauses_double_up_to_the_most_with_jitter_and_start_anew() -> None:
    """Each pause lies between half of its ceiling and the ceiling, and a reset restarts."""
    backoff = Backoff(random.Random(7), first_seconds=0.5)

    pauses = [backoff.next_seconds(most_seconds=5) for _ in range(100)]
    backoff.reset()

    for pause, ceiling in zip(pauses, [0.5, 1, 2, 4, *[5] * 96], strict=True):
        assert ceiling / 2 <= pause <= ceiling
    assert len(set(pauses)) == 100
    assert backoff.next_seconds(most_seconds=5) <= 0.5


@in_virtual_time
async def test_held_window_lets_nothing_pass_until_its_time() -> None:
    """A hold blocks all units, and a shorter hold does not shorten it."""
    window = SlidingWindow(limit=10, seconds=1)
    window.hold(0.2)
    window.hold(0.05)

    times = await passes(window, 2)

    assert times[0] >= 0.19
    assert times[1] < 1


@in_virtual_time
async def test_rounding_difference_causes_no_wait() -> None:
    """A rounding difference of two times causes no wait."""
    chance = random.Random(1)
    for _ in range(1_000):
        window = SlidingWindow(limit=1, seconds=chance.uniform(0.1, 300))
        window.note()
        ends_at = window._noted[0][0] + window.seconds

        assert window._passes_at(1, ends_at - 1e-5) is not None
        assert window._passes_at(1, ends_at - 1e-10) is None
