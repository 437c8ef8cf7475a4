"""Plays timed quotes on the event loop's clock."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from app.simulator.quotes import VenueQuote

BATCH_MAX: Final = 256
"""Quotes published in one go at most, so that a fast tape leaves time for the clients."""

_SECONDS_PER_NS: Final = 1e-9


class Playback:
    """The stage of one run: quotes are published when their instant has come.

    Instants are counted from the opening, never from the quote before, so that being late is caught
    up with and does not add up. Time does not pass while it is paused.
    """

    def __init__(
        self, publish: Callable[[VenueQuote], None], *, first_update_id: int, is_paused: bool
    ) -> None:
        self._publish = publish
        self._first_update_id = first_update_id
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._paused_at: float | None = self._opened_at if is_paused else None
        self._going = asyncio.Event()
        if not is_paused:
            self._going.set()
        self.opened = asyncio.Event()

    @property
    def first_update_id(self) -> int:
        """Where update ids begin, for a market that has none of its own."""
        return self._first_update_id

    def publish(self, quote: VenueQuote) -> None:
        """Make the quote the current one and send it to whoever subscribed."""
        self._publish(quote)

    def open(self) -> None:
        """Let clients in."""
        self.opened.set()

    def pause(self) -> None:
        """Stop the market's time."""
        if self._paused_at is None:
            self._paused_at = self._loop.time()
            self._going.clear()

    def resume(self) -> None:
        """Let the market's time go on where it stopped."""
        if self._paused_at is not None:
            self._opened_at += self._loop.time() - self._paused_at
            self._paused_at = None
            self._going.set()

    async def play(self, quotes: Iterator[VenueQuote]) -> None:
        """Publish the quotes at their instants; opens after those at 0."""
        published = 0
        for quote in quotes:
            if quote.at_ns > 0:
                if not self.opened.is_set():
                    self.open()
                if await self._until(quote.at_ns):
                    published = 0
                elif published >= BATCH_MAX:
                    await asyncio.sleep(0)
                    published = 0
                published += 1
            self._publish(quote)
        self.open()

    async def _until(self, at_ns: int) -> bool:
        """Wait for an instant; False if it has come already."""
        has_waited = False
        while self._paused_at is not None or self._ahead(at_ns) > 0:
            has_waited = True
            if self._paused_at is not None:
                await self._going.wait()
            else:
                await asyncio.sleep(self._ahead(at_ns))
        return has_waited

    def _ahead(self, at_ns: int) -> float:
        return self._opened_at + at_ns * _SECONDS_PER_NS - self._loop.time()
