"""Reading back from a database that may not answer at once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

RELOAD_SECONDS: Final = 1.0
"""Pause before the database is asked again after it did not answer."""

_Answer = TypeVar("_Answer")

_log = structlog.get_logger()


async def read_until_answered(
    read: Callable[[], Awaitable[_Answer]], *, trouble: str, **fields: str
) -> _Answer:
    """Read again and again until it works; each failure is logged as ``trouble`` with fields."""
    while True:
        try:
            return await read()
        except Exception:  # noqa: BLE001 - whatever ails the database: ask again
            _log.warning(trouble, **fields, exc_info=True)
            await asyncio.sleep(RELOAD_SECONDS)
