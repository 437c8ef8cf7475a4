"""Get depth snapshots for listeners without a quote, or with an old one to confirm.

A stream starts without a snapshot, and a quiet pair may send nothing for half a minute. So each
listener gets a snapshot requested after two events: the venue acknowledged the stream, and anything
that made the listener's last quote worthless.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final, Protocol

import structlog

from app.domain.errors import SymbolNotTradingError, VenueError, VenueThrottledError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.session.symbol_stream import SymbolStream
from app.market.transport.pacing import Backoff
from app.ports import Clock, FeedRecorder

SEEDS_AT_ONCE_MAX: Final = 25
"""Enough for 50 symbols to be live within a second, without a crowd of connections."""

RETRY_SECONDS_FIRST: Final = 0.2
RETRY_SECONDS_MAX: Final = 5.0
"""Allows three stale seeds in 10 s, which reveal that the venue restarted its update ids."""

_log = structlog.get_logger()


class DepthSource(Protocol):
    """Source of the seeds."""

    async def depth(self, symbol: Symbol) -> Quote:
        """Return the current best bid and ask.

        Raises VenueError; SymbolNotTradingError for a symbol that is halted.
        """


class SymbolStatuses(Protocol):
    """Knows which symbols trade."""

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Note which of the symbols trade, from an answer requested at ``asked_ns``."""

    async def wait_until_trading(self, symbol: Symbol) -> None:
        """Return once the venue trades a symbol."""


class Seeder:
    """Gets seeds in the order of the requests, a bounded number at once.

    Failures are logged when they begin, not at each retry; counters show how often they occur.
    """

    def __init__(
        self,
        depth: DepthSource,
        *,
        random_source: random.Random,
        counters: Counter[str],
        confirmation_seconds: float,
        clock: Clock,
        statuses: SymbolStatuses | None = None,
        recorder: FeedRecorder | None = None,
    ) -> None:
        self._depth = depth
        self._clock = clock
        self._statuses = statuses
        self._recorder = recorder
        self._confirmation_seconds = confirmation_seconds
        self._random = random_source
        self._counters = counters
        self._slots = asyncio.Semaphore(SEEDS_AT_ONCE_MAX)

    async def seed(
        self, stream: SymbolStream, on_contradiction: Callable[[], None] | None = None
    ) -> None:
        """Request seeds until every listener of the stream has accepted one.

        ``on_contradiction`` is called before a seed is offered that shows another best bid or ask
        than the last delivery.
        """
        backoff = Backoff(self._random, first_seconds=RETRY_SECONDS_FIRST)
        while stream.unseeded():
            if stream.awaits_confirmation_only:
                await self._wait_for_confirmation(stream)
                if not stream.unseeded():
                    return
            pause_seconds = await self._try(stream, on_contradiction)
            if stream.is_halted and self._statuses is not None:
                await self._statuses.wait_until_trading(stream.symbol)
            # A pause also after a halt: depth and the statuses may contradict each other.
            if stream.unseeded():
                backoff_seconds = backoff.next_seconds(most_seconds=RETRY_SECONDS_MAX)
                await asyncio.sleep(max(pause_seconds, backoff_seconds))

    async def _wait_for_confirmation(self, stream: SymbolStream) -> None:
        """Wait until a confirmation may be requested; a newer frame makes it unnecessary."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(stream.seed_requested_at + self._confirmation_seconds - now)
        stream.note_confirmations()

    async def _try(
        self, stream: SymbolStream, on_contradiction: Callable[[], None] | None
    ) -> float:
        """Offer one seed to the listeners that waited at its request; return the pause to make."""
        async with self._slots:
            # Noted before the request: a later listener has not seen the frames since the seed.
            waiting, distrusted = stream.unseeded(), stream.distrusted
            stream.seed_requested_at = asyncio.get_running_loop().time()
            asked_ns = self._clock.monotonic_ns()
            try:
                seed = await self._depth.depth(stream.symbol)
            except VenueError as error:
                self._note_failure(stream, str(error))
                stream.is_halted = isinstance(error, SymbolNotTradingError)
                if stream.is_halted and self._statuses is not None:
                    self._statuses.note_trading([stream.symbol], [], asked_ns=asked_ns)
                # The venue bans an address that continues after a 429.
                return error.retry_after_seconds if isinstance(error, VenueThrottledError) else 0.0
        self._counters["seeds"] += 1
        stream.seed_error = None
        stream.is_halted = False
        # After a distrust the seed may show the book from before the unknown change.
        if stream.distrusted == distrusted:
            if self._recorder is not None:
                self._recorder.on_seed(seed)
            if on_contradiction is not None and stream.is_contradicted_by(seed):
                on_contradiction()
            self._note_staleness(stream, seed, is_stale=not stream.offer(seed, waiting))
        return 0.0

    def _note_failure(self, stream: SymbolStream, cause: str) -> None:
        self._counters["seeds_failed"] += 1
        if stream.seed_error is None:
            _log.warning("seed_failed", symbol=stream.symbol, cause=cause)
        stream.seed_error = cause

    def _note_staleness(self, stream: SymbolStream, seed: Quote, *, is_stale: bool) -> None:
        if is_stale:
            self._counters["seeds_stale"] += 1
            if not stream.is_seed_stale:
                _log.warning("seed_stale", symbol=stream.symbol, update_id=seed.update_id)
        stream.is_seed_stale = is_stale
