"""The recovery of fifty symbols in virtual time, independent of the machine's speed.

In the first minute, attempts to connect are at most 5 s apart, however they fail. All 50 symbols
are live within a second of the first accepted connection, although depth answers slowly.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from app.domain.quote import Quote
from app.market.timing import FeedTiming
from app.simulator.venue.server import SimulatedVenue
from tests.support.market import (
    INTERRUPTED,
    SEED,
    SYMBOLS,
    RecordingListener,
    venue_and_feed,
)

pytestmark = pytest.mark.virtual_time

MINUTE: Final = 60.0
DEPTH_SECONDS: Final = 0.3
LIVE_SECONDS_MAX: Final = 1.0
PAUSE_SECONDS_MAX: Final = 5.0
Fail = Callable[[SimulatedVenue], None]
FAULTS: Final[dict[str, Fail]] = {
    "dropped": lambda _: None,
    "refused with 502": lambda venue: venue.refuse_connections(),
    "handshakes reset": lambda venue: venue.reset_handshakes(),
    "handshakes too slow": lambda venue: venue.delay_handshakes(30),
    "gone": lambda venue: venue.vanish(MINUTE),
}


AS_SERVED = FeedTiming(time_stream_seconds=3_600.0)
"""The waits of the service, but without the request for the venue's time."""


class TimedListener(RecordingListener):
    """A listener that records the loop time of its last seed."""

    def __init__(self) -> None:
        super().__init__()
        self.seeded_at = 0.0

    def on_seed(self, seed: Quote) -> bool:
        """Record a seed and its time."""
        self.seeded_at = asyncio.get_running_loop().time()
        return super().on_seed(seed)


async def recover(fail: Fail, timing: FeedTiming = AS_SERVED) -> tuple[list[float], float]:
    """Lose the connection for a minute; return the pauses between attempts and the time to live."""
    async with venue_and_feed(SYMBOLS, timing=timing) as on:
        attempts = on.observed.connection_attempts_at
        listeners = [TimedListener() for _ in SYMBOLS]
        for symbol, listener in zip(SYMBOLS, listeners, strict=True):
            on.feed.subscribe(symbol, listener)
        await asyncio.sleep(5)
        assert all(len(listener.seeds) == 1 for listener in listeners)

        on.venue.slow_rest(DEPTH_SECONDS, path="/api/v3/depth")
        lost_at, before = asyncio.get_running_loop().time(), len(attempts)
        fail(on.venue)
        on.venue.drop_connections()
        await asyncio.sleep(MINUTE)
        on.venue.refuse_connections(on=False)
        on.venue.reset_handshakes(on=False)
        on.venue.delay_handshakes(0)
        await asyncio.sleep(2 * PAUSE_SECONDS_MAX)

        assert all(listener.told == [SEED, INTERRUPTED, SEED] for listener in listeners)
        assert on.observed.connections_opened == 2
        pauses = [
            later - one for one, later in itertools.pairwise([lost_at, *list(attempts)[before:]])
        ]
        return pauses, max(listener.seeded_at for listener in listeners) - attempts[-1]


@pytest.mark.parametrize("name", FAULTS)
async def test_fifty_symbols_are_live_within_a_second_of_the_first_connection(name: str) -> None:
    """Attempts stay frequent, and recovery is fast, after every kind of failure for a minute."""
    pauses, live_seconds = await recover(FAULTS[name])

    unseen = MINUTE if name == "gone" else 0.0  # the venue does not see attempts while it is gone
    assert max(pauses) - unseen <= PAUSE_SECONDS_MAX
    assert DEPTH_SECONDS < live_seconds <= LIVE_SECONDS_MAX


async def test_a_feed_that_comes_back_too_seldom_is_caught() -> None:
    """The test detects a feed with longer pauses."""
    lazy = replace(AS_SERVED, early_pause_seconds_max=20.0)

    pauses, _ = await recover(FAULTS["refused with 502"], timing=lazy)

    assert max(pauses) > PAUSE_SECONDS_MAX
