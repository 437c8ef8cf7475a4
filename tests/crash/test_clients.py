"""What the clients of a campaign write down."""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

from tests.crash.checker import Truth, complaints
from tests.crash.clients import Clients
from tests.support.waiting import WAIT_SECONDS_MAX

REFUSAL = {"type": "error", "code": "position_beyond_head", "detail": "of another life"}


async def refuse(connection: ServerConnection) -> None:
    """Answer a subscription as a service does that lost what it told."""
    await connection.recv()
    await connection.send(json.dumps(REFUSAL))
    await connection.close(1008, REFUSAL["code"])


async def test_a_stream_that_refuses_to_go_on_is_a_complaint() -> None:
    """The campaign goes on to its end and says what else was wrong."""
    clients = Clients(seed=1, count=0)
    async with serve(refuse, "127.0.0.1", 0) as server, asyncio.timeout(WAIT_SECONDS_MAX):
        (socket,) = server.sockets
        clients.follow(f"http://127.0.0.1:{socket.getsockname()[1]}")
        await clients.run()

    assert clients.records.stream_errors == [REFUSAL]
    (complaint,) = complaints(clients.records, Truth(orders=[], events=[]))
    assert "position_beyond_head" in complaint
