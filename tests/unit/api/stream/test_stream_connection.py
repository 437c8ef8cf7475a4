"""A single client's connection; ``test_order_stream`` tests its limits over real sockets."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.docs import examples
from app.api.server.text_frames import EXTENSION
from app.api.stream.client_messages import BinaryMessageError
from app.api.stream.event_models import EventTexts
from app.api.stream.stream_connection import EVENTS_PER_TURN, StreamConnection

STORED = examples.events()


class Peer:
    """The server's side of a connection: supplies ``incoming`` in order, records what is sent."""

    def __init__(self, *incoming: Message, takes_frames: bool = False) -> None:
        self.sent: list[Message] = []
        self._incoming = [{"type": "websocket.connect"}, *incoming]
        extensions: dict[str, Any] = {EXTENSION: {}} if takes_frames else {}
        self._scope = {"type": "websocket", "headers": [], "extensions": extensions}

    async def connection(self, *, send_seconds_max: float = 9) -> StreamConnection:
        """Return an accepted connection."""
        websocket = WebSocket(self._scope, self._receive, self._send)
        await websocket.accept()
        self.sent.clear()
        return StreamConnection(websocket, send_seconds_max)

    async def _receive(self) -> Message:
        return self._incoming.pop(0)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


async def test_text_is_received_and_anything_else_refused() -> None:
    """A binary message is refused, and a disconnect ends the connection."""
    connection = await Peer(
        {"type": "websocket.receive", "text": "{}"},
        {"type": "websocket.receive", "bytes": b"{}"},
        {"type": "websocket.disconnect", "code": 1001},
    ).connection()

    assert await connection.receive() == "{}"
    with pytest.raises(BinaryMessageError):
        await connection.receive()
    with pytest.raises(WebSocketDisconnect):
        await connection.receive()


@pytest.mark.parametrize(("takes_frames", "sizes"), [(True, [EVENTS_PER_TURN, 6]), (False, [1])])
async def test_events_go_out_in_portions_that_the_server_takes(
    *, takes_frames: bool, sizes: list[int]
) -> None:
    """A server with the extension gets several events at once, another server one at a time."""
    connection = await Peer(takes_frames=takes_frames).connection()

    portions = [len(one) for one in connection.portions([STORED[0]] * (EVENTS_PER_TURN + 6))]

    assert sorted(set(portions), reverse=True) == sizes
    assert sum(portions) == EVENTS_PER_TURN + 6


async def test_a_portion_is_sent_as_frames_or_as_text() -> None:
    """The frames hold exactly the bytes of the texts."""
    texts = EventTexts(examples.EXAMPLE_STREAM_ID)
    encoded = [texts.of(stored) for stored in STORED]
    framed, plain = Peer(takes_frames=True), Peer()

    await (await framed.connection()).send_events(encoded)
    await (await plain.connection()).send_events(encoded[:1])

    (message,) = framed.sent
    assert message[EXTENSION] == encoded[0].frame + encoded[1].frame
    assert plain.sent == [{"type": "websocket.send", "text": encoded[0].text}]


async def test_a_client_that_makes_no_room_is_given_up() -> None:
    """The time limit applies to each message."""

    class Full(Peer):
        async def _send(self, message: Message) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Future()

    connection = await Full().connection(send_seconds_max=0.01)

    with pytest.raises(TimeoutError):
        await connection.send({"type": "subscribed"})


async def test_a_connection_closed_by_the_server_is_a_disconnect() -> None:
    """Sending after a close by the server is reported as a disconnect of the client."""
    connection = await Peer().connection()
    await connection.close(1008, "over")

    with pytest.raises(WebSocketDisconnect):
        await connection.send_text("{}")
