"""Plays the timed quotes of a market on the clock of the event loop."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.venue.listing import Listing

BATCH_MAX: Final = 256
"""Quotes published without a pause at most, so that a fast tape leaves time for clients."""

_SECONDS_PER_NS: Final = 1e-9

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayTarget:
    """The quote after which a playback must pause.

    Attributes:
        symbol: its symbol; None for any symbol.
        update_id: its update id.
        reached: set when the playback has paused there.
    """

    symbol: str | None
    update_id: int
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def is_at(self, quote: VenueQuote) -> bool:
        """Return whether this is the quote."""
        return self.symbol in {None, quote.symbol} and quote.update_id == self.update_id

    def is_before(self, quote: VenueQuote) -> bool:
        """Return whether this quote comes after the target, so that the target was missed."""
        return quote.symbol == self.symbol and quote.update_id > self.update_id


class Playback:
    """Publishes the quotes of one run of a market at their times.

    Times count from the opening, not from the previous quote, so delays do not accumulate. Time
    stops while the playback is paused.

    Args:
        publish: makes a quote the current one, and sends it to its subscribers.
        first_update_id: the first update id of a market without its own ids.
        is_paused: whether the playback starts paused.
        speed: how many times faster than real time the market runs.

    Attributes:
        opened: set to admit clients. Each listed symbol has a quote then, though it may be empty.
        is_over: whether the market has no more quotes.
    """

    def __init__(
        self,
        publish: Callable[[VenueQuote], None],
        *,
        first_update_id: int,
        is_paused: bool,
        speed: float = 1.0,
    ) -> None:
        self.publish = publish
        self.first_update_id = first_update_id
        self._seconds_per_ns = _SECONDS_PER_NS / speed
        self._played_ns = 0
        self._next: VenueQuote | None = None
        self._target: PlayTarget | None = None
        self.is_over = False
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._paused_at: float | None = self._opened_at if is_paused else None
        self._resumed = asyncio.Event()
        if not is_paused:
            self._resumed.set()
        self.opened = asyncio.Event()

    def pause(self) -> None:
        """Stop the market's time."""
        if self._paused_at is None:
            self._paused_at = self._loop.time()
            self._resumed.clear()

    def resume(self) -> None:
        """Continue the market's time where it stopped."""
        # Moving the opening by the length of the pause delays all later quotes by it.
        if self._paused_at is not None:
            self._opened_at += self._loop.time() - self._paused_at
            self._paused_at = None
            self._resumed.set()

    @property
    def is_paused(self) -> bool:
        """Whether the market's time is stopped."""
        return self._paused_at is not None

    def play_to(self, target: PlayTarget) -> None:
        """Continue up to and including a quote, and pause at its time.

        If the quote was already played, the market pauses where it is.
        """
        self._target = target
        # Quotes after ``_next`` are unknown, but ids rise, so a smaller id cannot come any more.
        if self._next is not None and target.is_before(self._next):
            self._pause_at_target()
        else:
            self.resume()

    async def play(self, quotes: Iterator[VenueQuote]) -> None:
        """Publish the quotes at their times; open the market after the quotes at time 0."""
        published = 0
        for quote in quotes:
            if quote.at_ns > 0:
                self.opened.set()
                # Quotes that are all due would otherwise keep the event loop for themselves.
                if published >= BATCH_MAX:
                    await asyncio.sleep(0)
                    published = 0
                if await self._wait_for(quote):
                    published = 0
                published += 1
            self.publish(quote)
            self._played_ns = quote.at_ns
            # Quotes at time 0 are the state at the opening; a target is always a later quote.
            if self._target is not None and quote.at_ns > 0 and self._target.is_at(quote):
                self._pause_at_target()
        self._next = None
        self.is_over = True
        # A market without later quotes must open too, or the venue would never start.
        self.opened.set()
        log.info("market_over")

    async def _wait_for(self, quote: VenueQuote) -> bool:
        """Wait for the time of a quote; return False if the quote is due already."""
        self._next = quote
        has_waited = False
        # A pause or a new target may come while this waits, so both are checked again.
        while True:
            if self._target is not None and self._target.is_before(quote):
                self._pause_at_target()
            if self._paused_at is None and self._seconds_until(quote.at_ns) <= 0:
                return has_waited
            has_waited = True
            if self._paused_at is not None:
                await self._resumed.wait()
            else:
                await asyncio.sleep(self._seconds_until(quote.at_ns))

    def _pause_at_target(self) -> None:
        """Pause at the time of the last quote, even if that quote was late."""
        assert self._target is not None, "there is a target to arrive at"
        self._paused_at = self._opened_at + self._played_ns * self._seconds_per_ns
        self._resumed.clear()
        self._target.reached.set()
        log.info(
            "market_paused_at_target", symbol=self._target.symbol, update_id=self._target.update_id
        )
        self._target = None

    def _seconds_until(self, at_ns: int) -> float:
        return self._opened_at + at_ns * self._seconds_per_ns - self._loop.time()


class Market(Protocol):
    """A source of listings and quotes."""

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""

    async def run(self, playback: Playback) -> None:
        """Publish quotes until they end or until canceled; a market can run again."""
