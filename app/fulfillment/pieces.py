"""Long work in pieces, between which the event loop serves everybody else.

What a start takes up stays for long, and the garbage collector would look through all of it again
and again: 100,000 orders hold the loop for a tenth of a second each time. So at a start it is told
to leave alone what there is after each piece; whatever of it is no longer used is freed as ever,
unless it is part of a cycle. Of those a running service leaves many, from whatever it does at that
moment, so later the collector is left as it is.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

PIECE: Final = 500
"""Orders that are taken up in one go: some five milliseconds."""

_Item = TypeVar("_Item")


async def pieces(
    items: Sequence[_Item], *, is_start: bool = False
) -> AsyncIterator[Sequence[_Item]]:
    """Yield all items in their order, some at a time; nothing is awaited around a lone piece."""
    for start in range(0, len(items), PIECE):
        if start:
            if is_start:
                gc.freeze()
            await asyncio.sleep(0)
        yield items[start : start + PIECE]
