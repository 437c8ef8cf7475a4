"""Tests of ``Outage``."""

import asyncio
import random
from dataclasses import replace

from app.market.session.outage import Outage
from app.market.timing import FeedTiming
from tests.support.virtual_time import in_virtual_time

TIMING = FeedTiming(pause_seconds_first=0.04, stable_seconds=100)
LATE = replace(TIMING, early_seconds=0)
"""The first minute of an outage is over at once."""


async def test_trouble_is_over_with_a_connection_and_its_pauses_once_that_lasted() -> None:
    """A connection clears the cause, but only a stable one restarts the pauses."""
    outage = Outage(TIMING, random.Random(1))
    loop = asyncio.get_running_loop()
    outage.note_failure("refused")
    grown = [outage.next_pause_seconds() for _ in range(9)][-1]

    outage.note_connected()
    outage.note_lost(opened_at=loop.time())
    after_a_moment = outage.next_pause_seconds()
    outage.note_lost(opened_at=loop.time() - 100)
    after_long = outage.next_pause_seconds()

    assert outage.cause is None
    assert grown > 1
    assert after_a_moment > 1
    assert after_long <= 0.08


async def test_attempts_take_less_time_at_first() -> None:
    """Attempts get less time in the first minute of an outage."""
    early = Outage(TIMING, random.Random(1))
    late = Outage(LATE, random.Random(1))
    late.note_failure("refused")

    assert early.open_seconds == TIMING.open_seconds_early
    assert late.open_seconds == TIMING.open_seconds


async def test_pauses_may_grow_longer_after_the_first_minute() -> None:
    """Pauses exceed the early maximum only after the first minute of an outage."""
    early, late = (Outage(timing, random.Random(1)) for timing in (TIMING, LATE))
    late.note_failure("refused")

    early_pauses, late_pauses = (
        [outage.next_pause_seconds() for _ in range(50)] for outage in (early, late)
    )

    assert early_pauses[0] <= TIMING.pause_seconds_first
    assert 4 < max(early_pauses) <= 5
    assert 16 < max(late_pauses) <= 20


@in_virtual_time
async def test_attempts_are_counted_from_start_to_start() -> None:
    """The first attempt is immediate, and pauses count from start to start."""
    outage = Outage(TIMING, random.Random(1))
    loop = asyncio.get_running_loop()
    started = loop.time()

    await outage.wait_for_attempt()
    first = loop.time() - started
    await outage.wait_for_attempt()

    assert first < 0.02
    assert loop.time() - started >= 0.02
