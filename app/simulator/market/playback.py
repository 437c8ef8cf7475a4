"""Plays timed quotes on the event loop's clock."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.simulator.market.venue_quotes import VenueQuote

BATCH_MAX: Final = 256
"""Quotes published in one go at most, so that a fast tape leaves time for the clients."""

_SECONDS_PER_NS: Final = 1e-9

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayTarget:
    """Where a playback is to pause: behind the quote of ``symbol`` with this update id.

    Without a symbol it is the first quote of any symbol that has the id.
    """

    symbol: str | None
    update_id: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def is_at(self, quote: VenueQuote) -> bool:
        """Tell whether this is the quote."""
        return self.symbol in {None, quote.symbol} and quote.update_id == self.update_id

    def is_before(self, quote: VenueQuote) -> bool:
        """Tell whether the quote comes too late."""
        return quote.symbol == self.symbol and quote.update_id > self.update_id


class Playback:
    """The publisher of one run: quotes are published when their instant has come.

    Instants are counted from the opening, never from the quote before, so that being late is caught
    up with and does not add up. Time does not pass while it is paused, and passes ``speed`` times
    as fast while it is not.
    """

    def __init__(
        self,
        publish: Callable[[VenueQuote], None],
        *,
        first_update_id: int,
        is_paused: bool,
        speed: float = 1.0,
    ) -> None:
        self._publish = publish
        self._first_update_id = first_update_id
        self._seconds_per_ns = _SECONDS_PER_NS / speed
        self._played_ns = 0
        self._next: VenueQuote | None = None
        self._target: PlayTarget | None = None
        self.is_over = False
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

    @property
    def is_paused(self) -> bool:
        """Whether the market's time stands."""
        return self._paused_at is not None

    def play_to(self, target: PlayTarget) -> None:
        """Go on, up to and including a quote, and pause there at its instant.

        One that has been passed pauses the market where it is.
        """
        self._target = target
        if self._next is not None and target.is_before(self._next):
            self._arrive()
        else:
            self.resume()

    async def play(self, quotes: Iterator[VenueQuote]) -> None:
        """Publish the quotes at their instants; opens after those at 0."""
        published = 0
        for quote in quotes:
            if quote.at_ns > 0:
                if not self.opened.is_set():
                    self.open()
                if published >= BATCH_MAX:
                    await asyncio.sleep(0)
                    published = 0
                if await self._turn_of(quote):
                    published = 0
                published += 1
            self._publish(quote)
            self._played_ns = quote.at_ns
            if self._target is not None and quote.at_ns > 0 and self._target.is_at(quote):
                self._arrive()
        self._next = None
        self.is_over = True
        self.open()
        log.info("market_over")

    async def _turn_of(self, quote: VenueQuote) -> bool:
        """Wait for a quote's instant; False if it has come already."""
        self._next = quote
        has_waited = False
        while True:
            if self._target is not None and self._target.is_before(quote):
                self._arrive()
            if self._paused_at is None and self._ahead(quote.at_ns) <= 0:
                return has_waited
            has_waited = True
            if self._paused_at is not None:
                await self._going.wait()
            else:
                await asyncio.sleep(self._ahead(quote.at_ns))

    def _arrive(self) -> None:
        """Pause at the instant of the last quote, however late it came."""
        assert self._target is not None, "one arrives somewhere"
        self._paused_at = self._opened_at + self._played_ns * self._seconds_per_ns
        self._going.clear()
        self._target.reached.set()
        log.info(
            "market_paused_at_target", symbol=self._target.symbol, update_id=self._target.update_id
        )
        self._target = None

    def _ahead(self, at_ns: int) -> float:
        return self._opened_at + at_ns * self._seconds_per_ns - self._loop.time()
