"""``BookTickerFeed``: quotes of many symbols over as few connections as possible.

Subscriptions are counted by reference. A frame is parsed and delivered in the same call; only a
connection that will replace another one buffers its frames. A seed covers lost frames. Listeners
recognize repeated and late frames by their update ids.
"""

import asyncio
import random
from collections import Counter
from dataclasses import asdict
from typing import Final

import httpx2
import structlog

from app.domain.order import Symbol
from app.market.book_ticker import DropReason
from app.market.seeding import DepthSource, Seeder, SymbolStatuses
from app.market.session.session import FrameCounts, SharedParts
from app.market.session.supervisor import SessionSupervisor
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.connection import stream_endpoint
from app.market.transport.failure_kinds import EndKind, FailureKind
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock, FeedRecorder, FeedState, QuoteListener

_COUNTED_FROM_THE_START: Final = (
    "connections",
    "reconnects",
    "rotations",
    "connection_failures",
    "control_messages",
    "venue_times",
    "times_behind",
    "seeds",
    "seeds_stale",
    "seeds_failed",
    # A counter that starts with its first count would hide that increase from a monitor.
    *(f"lost_{kind}" for kind in EndKind),
    *(f"failed_{kind}" for kind in FailureKind),
    *(f"dropped_{reason}" for reason in DropReason),
    "dropped_binary",
    "dropped_unsubscribed",
)
_WORST_FIRST: Final = ("down", "connecting", "connected", "idle")

_log = structlog.get_logger()


class BookTickerFeed:
    """The venue's book tickers; see ``app.ports.Feed``.

    ``run`` maintains the connections until it is canceled. Subscribing within the event loop works
    before that, too.

    Args:
        stream_url: address of the venue's stream, with or without a path.
        depth: gets the depth snapshots.
        clock: source of all times.
        random: source of the jitter.
        timing: the waits; None for the defaults.
        limits: the venue's limits.
        recorder: gets each delivered frame before the listeners; None to record nothing.
        statuses: knows which symbols trade; None if each is taken to trade.
    """

    def __init__(
        self,
        *,
        stream_url: str,
        depth: DepthSource,
        clock: Clock,
        random: random.Random,
        timing: FeedTiming | None = None,
        limits: FeedLimits = VENUE_LIMITS,
        recorder: FeedRecorder | None = None,
        statuses: SymbolStatuses | None = None,
    ) -> None:
        self._clock = clock
        timing = timing or FeedTiming()
        self._counters: Counter[str] = Counter(dict.fromkeys(_COUNTED_FROM_THE_START, 0))
        endpoint = stream_endpoint(stream_url)
        self._parts = SharedParts(
            endpoint=endpoint,
            # The same trust as in VenueRest; created once, as reading the certificates takes 20 ms.
            tls=httpx2.create_ssl_context() if endpoint.startswith("wss:") else None,
            seeder=Seeder(
                depth,
                random_source=random,
                counters=self._counters,
                recorder=recorder,
                confirmation_seconds=timing.confirmation_seconds,
                clock=clock,
                statuses=statuses,
            ),
            clock=clock,
            random_source=random,
            timing=timing,
            attempts=SlidingWindow(limit=limits.attempts_max, seconds=limits.attempts_seconds),
            counters=self._counters,
            counts=FrameCounts(),
            on_change=self._note_change,
            limits=limits,
            recorder=recorder,
        )
        self._connections = [SessionSupervisor(self._parts)]
        self._connection_by_symbol: dict[Symbol, SessionSupervisor] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._status = "idle"
        self._since = clock.now()

    async def run(self) -> None:
        """Maintain the connections; never return."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for connection in self._connections:
                tasks.create_task(connection.run())

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Send the symbol's quotes to the listener from now on, and a seed soon."""
        connection = self._connection_by_symbol.get(symbol)
        if connection is None:
            connection = self._connection_by_symbol[symbol] = self._connection_with_room()
        connection.add(symbol, listener)
        self._note_change()

    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Take back one ``subscribe``, if any; after the last one the listener gets no calls."""
        connection = self._connection_by_symbol.get(symbol)
        if connection is None:
            return
        if connection.remove(symbol, listener):
            del self._connection_by_symbol[symbol]
        self._note_change()

    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Ask whether the listener's last quote is still current, at most once a second.

        The answer is a seed like any other, or a newer frame that arrives first.
        """
        connection = self._connection_by_symbol.get(symbol)
        if connection is not None:
            connection.confirm(symbol, listener)

    def subscribed(self) -> dict[Symbol, int]:
        """Return the symbols with listeners, with the update id of the newest frame of each."""
        return {
            symbol: stream.last_update_id
            for connection in self._connections
            for symbol, stream in connection.streams.items()
        }

    def state(self) -> FeedState:
        """Return the state of the feed: the status of its worst connection, and any cause."""
        causes = (connection.cause for connection in self._connections)
        return FeedState(
            status=self._status,
            cause=next((cause for cause in causes if cause is not None), None),
            since=self._since,
            symbols=len(self._connection_by_symbol),
            counters={**self._counters, **asdict(self._parts.counts)},
            connections=tuple(connection.state() for connection in self._connections),
        )

    def _connection_with_room(self) -> SessionSupervisor:
        for connection in self._connections:
            if not connection.is_full:
                return connection
        connection = SessionSupervisor(self._parts)
        self._connections.append(connection)
        if self._tasks is not None:  # otherwise ``run`` starts it
            self._tasks.create_task(connection.run())
        return connection

    def _note_change(self) -> None:
        """Update the times at which the feed and its connections got their status."""
        for connection in self._connections:
            connection.note_status()
        statuses = {connection.status for connection in self._connections}
        status = next(status for status in _WORST_FIRST if status in statuses)
        if status != self._status:
            _log.info("feed_status_changed", before=self._status, after=status)
            self._status = status
            self._since = self._clock.now()
