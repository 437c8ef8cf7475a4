"""Depth snapshots for listeners that have no quote yet, or an old one that they want confirmed.

A stream brings no snapshot, and a quiet pair may say nothing for half a minute. So each listener
gets a snapshot that was asked for after the venue acknowledged its stream and after anything that
made its last quote worthless.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from app.domain.errors import VenueError, VenueThrottledError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.session.symbol_stream import SymbolStream
from app.market.transport.pacing import Backoff
from app.ports import FeedRecorder

SEEDS_AT_ONCE_MAX: Final = 25
"""50 symbols are live again within a second, and the venue sees no crowd of connections."""

RETRY_SECONDS_FIRST: Final = 0.2
RETRY_SECONDS_MAX: Final = 5.0
"""Three stale seeds fit into 10 s, which is how a venue that counts anew is recognized."""

CONFIRMATION_SECONDS: Final = 1.0
"""An old quote of a symbol is confirmed at most that often."""

_log = structlog.get_logger()


class DepthSource(Protocol):
    """Where seeds come from."""

    async def depth(self, symbol: Symbol) -> Quote:
        """Return the best bid and ask now. Raises VenueError."""


class Seeder:
    """Gets seeds, a bounded number at once, in the order in which they are asked for.

    Trouble is logged where it begins, not at each retry; the counters tell how often.
    """

    def __init__(
        self,
        depth: DepthSource,
        *,
        random_source: random.Random,
        counters: Counter[str],
        recorder: FeedRecorder | None = None,
        confirmation_seconds: float = CONFIRMATION_SECONDS,
    ) -> None:
        self._depth = depth
        self._recorder = recorder
        self._confirmation_seconds = confirmation_seconds
        self._random = random_source
        self._counters = counters
        self._slots = asyncio.Semaphore(SEEDS_AT_ONCE_MAX)

    async def seed(
        self, stream: SymbolStream, on_contradiction: Callable[[], None] | None = None
    ) -> None:
        """Ask until every listener of the stream is content.

        ``on_contradiction`` is called before a seed is offered that shows another touch than the
        stream told last.
        """
        backoff = Backoff(self._random, first_seconds=RETRY_SECONDS_FIRST)
        while stream.unseeded():
            if stream.awaits_confirmation_only:
                await self._wait_for_confirmation(stream)
                if not stream.unseeded():
                    return
            pause_seconds = await self._try(stream, on_contradiction)
            if stream.unseeded():
                backoff_seconds = backoff.next_seconds(most_seconds=RETRY_SECONDS_MAX)
                await asyncio.sleep(max(pause_seconds, backoff_seconds))

    async def _wait_for_confirmation(self, stream: SymbolStream) -> None:
        """Wait until the symbol may be asked for again; a frame that comes first is enough."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(stream.seed_requested_at + self._confirmation_seconds - now)
        stream.note_confirmations()

    async def _try(
        self, stream: SymbolStream, on_contradiction: Callable[[], None] | None
    ) -> float:
        """Offer one seed to those who waited when it was asked for; return how long to pause."""
        async with self._slots:
            waiting, distrusted = stream.unseeded(), stream.distrusted
            stream.seed_requested_at = asyncio.get_running_loop().time()
            try:
                seed = await self._depth.depth(stream.symbol)
            except VenueError as error:
                self._note_failure(stream, str(error))
                return error.retry_after_seconds if isinstance(error, VenueThrottledError) else 0.0
        self._counters["seeds"] += 1
        stream.seed_error = None
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
