"""A busy process keeps its connection, though the pong waits unread in the socket."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import uvloop
from websockets.sync.server import ServerConnection, serve

from app.market.timing import FeedLimits, FeedTiming
from app.market.transport.connection import VenueConnection, open_connection
from tests.support.waiting import eventually
from tests.unit.market.transport.conftest import Receiver

WORK_SECONDS = 0.9
"""Three times as long as a pong may take, which is long for a thread that only has to answer."""

HASTY = FeedTiming(ping_interval_seconds=0.005, ping_timeout_seconds=WORK_SECONDS / 3)
MANY_PINGS = FeedLimits(control_messages_max=1_000)
TEXTS = 3

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class BusyReceiver(Receiver):
    """Takes longer for each text than a pong may take, and blocks the event loop meanwhile."""

    def on_text(self, connection: VenueConnection, text: bytes) -> None:
        """Block the event loop."""
        time.sleep(WORK_SECONDS)
        super().on_text(connection, text)


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


async def ends_while_busy(endpoint: str) -> list[str]:
    """Connect, handle all texts, and return the kinds of the connection's ends."""
    receiver = BusyReceiver()
    connection = await open_connection(
        endpoint, receiver, tls=None, timing=HASTY, open_seconds=5, limits=MANY_PINGS
    )
    try:
        connection.start()
        await eventually(lambda: receiver.kinds or len(receiver.texts) == TEXTS)
        await asyncio.sleep(2 * HASTY.ping_timeout_seconds)  # for what was due meanwhile
        return receiver.kinds
    finally:
        await connection.close()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_busy_process_keeps_its_connection(loop_factory: LoopFactory) -> None:
    """A busy process ends no connection, in either order of timers and sockets."""
    with prompt_peer() as endpoint, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(ends_while_busy(endpoint)) == []
