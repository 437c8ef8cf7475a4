"""The records of the clients of a campaign."""

import asyncio
import json

from websockets.asyncio.server import ServerConnection, serve

from tests.crash.checker import Truth, complaints
from tests.crash.clients import Clients
from tests.support.waiting import WAIT_SECONDS_MAX

REFUSAL = {"type": "error", "code": "position_beyond_head", "detail": "of another life"}


async def refuse(connection: ServerConnection) -> None:
    """Refuse a subscription like a service that lost announced events."""
    await connection.recv()
    await connection.send(json.dumps(REFUSAL))
    await connection.close(1008, REFUSAL["code"])


async def test_a_refused_subscription_is_a_complaint() -> None:
    """A refused subscription is recorded, and the checker reports it."""
    clients = Clients(seed=1, count=0)
    async with serve(refuse, "127.0.0.1", 0) as server, asyncio.timeout(WAIT_SECONDS_MAX):
        (socket,) = server.sockets
        clients.follow(f"http://127.0.0.1:{socket.getsockname()[1]}")
        await clients.run()

    assert clients.records.stream_errors == [REFUSAL]
    (complaint,) = complaints(clients.records, Truth(orders=[], events=[]))
    assert "position_beyond_head" in complaint
