"""Runs drills that mostly wait concurrently, each in its own folder."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

AT_ONCE_MAX: Final = 12
"""More of them would wait for the processor instead of for their conditions."""

DRILL_SECONDS_MAX: Final = 500.0
"""A drill that hangs ends before the timeout of the whole test, so that its row is named."""

RunDrill = Callable[[Path], Awaitable[None]]


async def run_side_by_side(
    drills: Mapping[str, RunDrill], folder: Path
) -> dict[str, Exception | None]:
    """Run drills in the given order, and return the error of each by its name."""
    places = asyncio.Semaphore(AT_ONCE_MAX)

    async def run(name: str, drill: RunDrill) -> Exception | None:
        own = folder / name.replace(" ", "-")
        own.mkdir()
        async with places:
            try:
                async with asyncio.timeout(DRILL_SECONDS_MAX):
                    await drill(own)
            except Exception as error:  # noqa: BLE001 - the test of this name raises it
                return error
        return None

    ends = await asyncio.gather(*(run(name, drill) for name, drill in drills.items()))
    return dict(zip(drills, ends, strict=True))
