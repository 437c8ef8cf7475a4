"""A connection against a scripted peer, with depth that the test answers."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from app.clock import SystemClock
from app.domain.order import Symbol
from app.market.seeding import DepthSource, Seeder
from app.market.session.session import FrameCounts, SharedParts
from app.market.session.supervisor import SessionSupervisor
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.connection import stream_endpoint
from app.market.transport.pacing import SlidingWindow
from app.ports import Clock
from tests.support.builders import make_quote
from tests.support.hypothesis_profiles import load_profile
from tests.support.market import (
    LTCBTC,
    WITHOUT_TIME,
    HandDepth,
    RecordingListener,
    WebSocketPeer,
    eventually_has,
)
from tests.support.waiting import eventually

ETHBTC = Symbol("ETHBTC")
ACKNOWLEDGMENT = '{"result":null,"id":{id}}'
SHUTDOWN = '{"e":"serverShutdown"}'


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the modules are imported, since their settings inherit from it."""
    load_profile(config)


@pytest.fixture
async def peer() -> AsyncIterator[WebSocketPeer]:
    """Run a peer."""
    async with WebSocketPeer().serve() as peer:
        yield peer


class Rig:
    """A peer, a connection to it, and depth that the test answers."""

    def __init__(
        self,
        peer: WebSocketPeer,
        *,
        depth: DepthSource | None = None,
        timing: FeedTiming = WITHOUT_TIME,
        attempts: SlidingWindow | None = None,
        limits: FeedLimits = VENUE_LIMITS,
        clock: Clock | None = None,
    ) -> None:
        self.peer = peer
        self.depth = HandDepth()
        self.counters: Counter[str] = Counter()
        self.counts = FrameCounts()
        self.statuses: list[str] = []
        self.connection = SessionSupervisor(
            SharedParts(
                endpoint=stream_endpoint(peer.url),
                tls=None,
                seeder=Seeder(
                    depth or self.depth,
                    random_source=random.Random(1),
                    counters=self.counters,
                    confirmation_seconds=timing.confirmation_seconds,
                    clock=clock or SystemClock(),
                ),
                clock=clock or SystemClock(),
                random_source=random.Random(1),
                timing=timing,
                attempts=attempts or SlidingWindow(limit=250, seconds=300),
                counters=self.counters,
                counts=self.counts,
                on_change=self._note_status,
                limits=limits,
            )
        )

    @property
    def old(self) -> ServerConnection:
        """The peer's first connection."""
        return self.peer.connections[0]

    @property
    def new(self) -> ServerConnection:
        """The peer's second connection, to which the first rotation leads."""
        return self.peer.connections[1]

    def _note_status(self) -> None:
        status = self.connection.status
        if self.statuses[-1:] != [status]:
            self.statuses.append(status)

    async def subscribe_unanswered(self, listener: RecordingListener) -> None:
        """Subscribe, and return once the venue got the message, without answering it."""
        self.peer.answer = ""
        self.connection.add(LTCBTC, listener)
        await eventually_has(self.peer.received, 1)
        self.peer.answer = ACKNOWLEDGMENT

    def acknowledgment(self) -> str:
        """Make the answer to the last control message."""
        return json.dumps({"result": None, "id": self.peer.received[-1]["id"]})

    def subscribe(self, symbol: Symbol = LTCBTC) -> RecordingListener:
        """Subscribe a new listener."""
        listener = RecordingListener()
        self.connection.add(symbol, listener)
        return listener

    async def live(self, *symbols: Symbol) -> RecordingListener:
        """Subscribe to symbols and return once each has its seed."""
        listener = RecordingListener()
        for symbol in symbols:
            self.connection.add(symbol, listener)
            self.depth.answer(make_quote(5, symbol=symbol))
        await eventually(lambda: len(listener.seeds) == len(symbols))
        return listener


@asynccontextmanager
async def rigged(**options: Any) -> AsyncIterator[Rig]:  # noqa: ANN401 - the options of Rig
    """Run all parts until the context ends."""
    async with WebSocketPeer().serve() as peer:
        rig = Rig(peer, **options)
        task = asyncio.create_task(rig.connection.run())
        try:
            yield rig
        finally:
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled(), "a connection runs until it is stopped"


def ticker(update_id: int, symbol: str = "LTCBTC") -> str:
    """Make a frame."""
    return json.dumps({"u": update_id, "s": symbol, "b": "1", "B": "1", "a": "2", "A": "1"})
