"""A busy process keeps its connection, though the pong waits unread in the socket."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import uvloop
from websockets.sync.server import ServerConnection, serve

from app.market.timing import FeedLimits, FeedTiming
from app.market.transport.connection import VenueConnection, open_connection
from app.market.transport.failure_kinds import Ending
from tests.support.waiting import eventually

WORK_SECONDS = 0.9
"""Three times as long as a pong may take, which is long for a thread that only has to answer."""

HASTY = FeedTiming(ping_interval_seconds=0.005, ping_timeout_seconds=WORK_SECONDS / 3)
MANY_PINGS = FeedLimits(control_messages_max=1_000)
TEXTS = 3

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class BusyReceiver:
    """Takes longer for each text than a pong may take."""

    def __init__(self) -> None:
        self.texts = 0
        self.endings: list[Ending] = []

    def on_texts(self, connection: VenueConnection, texts: Sequence[bytes]) -> None:
        """Block the event loop for each text."""
        del connection
        for _ in texts:
            time.sleep(WORK_SECONDS)
            self.texts += 1

    def on_binary(self, connection: VenueConnection) -> None:
        """Ignore: the peer sends none."""

    def on_skipped(self, connection: VenueConnection, texts: int) -> None:
        """Ignore: no text is skipped here."""

    def on_behind(self, connection: VenueConnection, *, is_behind: bool) -> None:
        """Ignore."""

    def on_lost(self, connection: VenueConnection, ending: Ending) -> None:
        """Record the end."""
        del connection
        self.endings.append(ending)


@contextmanager
def prompt_peer() -> Iterator[str]:
    """Serve on a thread that answers pings immediately and sends texts at intervals."""
    is_over = threading.Event()

    def converse(connection: ServerConnection) -> None:
        for _ in range(TEXTS):
            if not is_over.wait(WORK_SECONDS / 3):
                connection.send("text")
        is_over.wait()

    with serve(converse, "127.0.0.1", 0, ping_interval=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        finally:
            is_over.set()
            server.shutdown()
            thread.join()


async def endings_while_busy(endpoint: str) -> list[Ending]:
    """Connect, handle all texts, and return the ends of the connection."""
    receiver = BusyReceiver()
    connection = await open_connection(
        endpoint, receiver, tls=None, timing=HASTY, open_seconds=5, limits=MANY_PINGS
    )
    try:
        connection.start()
        await eventually(lambda: receiver.endings or receiver.texts == TEXTS)
        await asyncio.sleep(2 * HASTY.ping_timeout_seconds)  # for what was due meanwhile
        return receiver.endings
    finally:
        await connection.close()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_busy_process_keeps_its_connection(loop_factory: LoopFactory) -> None:
    """A busy process ends no connection, in either order of timers and sockets."""
    with prompt_peer() as endpoint, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(endings_while_busy(endpoint)) == []
