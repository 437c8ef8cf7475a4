"""Waits for conditions, with a limit that only a failure reaches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

WAIT_SECONDS_MAX: Final = 300.0
"""Far more than a busy machine needs. A test that passes is not slower for it."""

POLL_SECONDS: Final = 0.005


async def eventually(
    condition: Callable[[], object], *, seconds_max: float = WAIT_SECONDS_MAX
) -> None:
    """Return once the condition holds; fail after the limit."""
    async with asyncio.timeout(seconds_max):
        while not condition():  # noqa: ASYNC110 - conditions of any kind have no event
            await asyncio.sleep(POLL_SECONDS)


async def eventually_true(
    condition: Callable[[], Awaitable[object]],
    *,
    seconds_max: float = WAIT_SECONDS_MAX,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Return once the awaited condition holds; fail after the limit."""
    async with asyncio.timeout(seconds_max):
        while not await condition():  # noqa: ASYNC110 - as above
            await asyncio.sleep(poll_seconds)
