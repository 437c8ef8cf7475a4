"""WebSocket handshakes answered in HTTP, and limits on what a peer can make us store."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.api.server.http_protocol import BoundedHttpProtocol
from app.api.server.text_frames import EXTENSION, takes_text_frames, text_frame
from app.api.server.websocket_protocol import (
    FRAGMENTS_MAX,
    MESSAGE_BYTES_MAX,
    MESSAGES_WAITING_MAX,
    BoundedWebSocketProtocol,
)
from app.domain.errors import UnauthorizedError
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
)
NO_MASK = bytes(4)
TEXT, CONT, PING, PONG, CLOSE = 0x01, 0x00, 0x09, 0x0A, 0x08
FIN = 0x80
PING_BYTES = 125  # the most that a control frame holds (RFC 6455 section 5.5)


async def tell_length(websocket: WebSocket) -> None:
    """Send the length of the first message."""
    await websocket.accept()
    await websocket.send_text(str(len(await websocket.receive_text())))
    await websocket.close()


async def refuse(_websocket: WebSocket) -> None:
    """Refuse the handshake for a missing key."""
    raise UnauthorizedError


async def stay(websocket: WebSocket) -> None:
    """Send one message, then wait and receive nothing."""
    await websocket.accept()
    await websocket.send_text("welcome")
    await asyncio.Event().wait()


async def say_good_bye(websocket: WebSocket) -> None:
    """Close immediately, then wait."""
    await websocket.accept()
    await websocket.close()
    await asyncio.Event().wait()


async def tell_frames(websocket: WebSocket) -> None:
    """Send two messages in one call after the client's first message."""
    await websocket.accept()
    await websocket.receive_text()
    assert takes_text_frames(websocket.scope)
    frames = text_frame(b"first") + text_frame(b"second")
    try:
        await websocket.send({"type": "websocket.send", EXTENSION: frames})
    except WebSocketDisconnect as gone:
        disconnects.append(gone.code)


disconnects: list[int] = []
"""The close codes that ``tell_frames`` received when its client was gone."""


def frame(opcode: int, content: bytes = b"", *, is_last: bool = True) -> bytes:
    """Return a short frame of a client, with a mask of zeros."""
    return bytes([opcode | (FIN if is_last else 0), 0x80 | len(content)]) + NO_MASK + content


def received(other_end: BoundedWebSocketProtocol) -> list[object]:
    """Return all messages queued for the application."""
    waiting = [other_end.queue.get_nowait() for _ in range(other_end.queue.qsize())]
    return [event for event in waiting if event["type"] == "websocket.receive"]


class RawPeer:
    """A peer that sends arbitrary bytes on a WebSocket."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own

    async def send(self, content: bytes) -> None:
        """Send bytes and ignore connection errors; wait while the service does not read."""
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._own, content)

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and content of the service's next frame, which must be short."""
        first, length = await self._bytes(2)
        return first & 0x0F, await self._bytes(length)

    async def head(self) -> bytes:
        """Return the answer to the handshake."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self._bytes(1)
        return head

    async def _bytes(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            some = await asyncio.get_running_loop().sock_recv(self._own, count - len(content))
            assert some, "the service closed without a word"
            content += some
        return content


@contextlib.asynccontextmanager
async def raw_peer(
    url: str, path: str, state: ServerState
) -> AsyncIterator[tuple[RawPeer, BoundedWebSocketProtocol]]:
    """Connect and shake hands; yield the peer and the service's protocol."""
    address = urlsplit(url)
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        own.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
        await asyncio.get_running_loop().sock_connect(own, (address.hostname, address.port))
        peer = RawPeer(own)
        await peer.send(HANDSHAKE % path.encode())
        assert (await peer.head()).startswith(b"HTTP/1.1 101")
        (other_end,) = state.connections
        assert isinstance(other_end, BoundedWebSocketProtocol)
        try:
            yield peer, other_end
        finally:
            for task in state.tasks:
                task.cancel()


@pytest.fixture
def state() -> ServerState:
    """Return uvicorn's state of its connections."""
    return ServerState()


@pytest.fixture
async def url(application: FastAPI, state: ServerState) -> AsyncIterator[str]:
    """Return the address of the API with additional WebSocket routes."""
    application.router.routes += [
        WebSocketRoute("/length", tell_length),
        WebSocketRoute("/refused", refuse),
        WebSocketRoute("/stay", stay),
        WebSocketRoute("/bye", say_good_bye),
        WebSocketRoute("/frames", tell_frames),
    ]
    config = uvicorn.Config(
        application,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocketProtocol,
        ws_max_size=MESSAGE_BYTES_MAX,
        ws_ping_interval=None,  # a raw peer answers none, and a busy machine takes long enough
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedHttpProtocol(config, state, {}), "127.0.0.1", 0
    )
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=WAIT_SECONDS_MAX)
        await server.wait_closed()


@pytest.mark.parametrize(
    ("path", "origin", "status", "code"),
    [
        ("/length", "http://example.com", 403, b"foreign_origin"),
        ("/nowhere", None, 404, b"not_found"),
        ("/refused", None, 401, b"unauthorized"),
    ],
)
async def test_a_refused_handshake_is_a_problem_document_and_no_error(
    url: str,
    path: str,
    origin: str | None,
    status: int,
    code: bytes,
    *,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client gets a problem document, and uvicorn logs nothing."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"{url}{path}", additional_headers={"Origin": origin} if origin else {}):
            pass

    response = caught.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.body is not None
    assert b'"code":"' + code + b'"' in response.body
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


@pytest.mark.parametrize(
    "head",
    [
        (HANDSHAKE % b"/stay").replace(b"Host", b"Content-Length: 2\r\nHost") + b"{}",
        (HANDSHAKE % b"/stay").replace(b"Host", b"X: y\r\n" * 200 + b"Host"),
        (HANDSHAKE % b"/stay").replace(b"Host", b"X: " + b"y" * 9_000 + b"\r\nHost"),
        HANDSHAKE % (b"/" + b"y" * 9_000),
    ],
    ids=["body", "headers", "header", "path"],
)
async def test_a_handshake_that_the_library_cannot_read_is_a_problem_document(
    url: str, state: ServerState, head: bytes
) -> None:
    """The library does not answer such a handshake, so the protocol answers it with 400."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head)

    answer = await reader.read()

    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json\r\n" in answer
    assert answer.endswith(b'"code":"malformed_http"}')
    await eventually(lambda: not state.connections)


async def test_a_long_message_is_taken_and_a_longer_one_closes(url: str) -> None:
    """A message over the limit closes with 1009 (RFC 6455 section 7.4.1)."""
    async with connect(f"{url}/length") as websocket:
        await websocket.send("x" * MESSAGE_BYTES_MAX)
        assert await websocket.recv() == str(MESSAGE_BYTES_MAX)

    with contextlib.suppress(ConnectionClosedError):
        async with connect(f"{url}/length") as websocket:
            await websocket.send("x" * (MESSAGE_BYTES_MAX + 1))
            await websocket.wait_closed()
    assert websocket.close_code == 1009


@pytest.mark.parametrize("path", ["/stay", "/bye"])
async def test_a_peer_that_pings_and_does_not_read_is_not_read_either(
    url: str, path: str, state: ServerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unread pongs pause reading, before and after the close frame, and no pong is lost."""
    monkeypatch.setattr(BoundedWebSocketProtocol, "close_seconds_max", WAIT_SECONDS_MAX)
    chunk = frame(PING, bytes(PING_BYTES)) * 1_000
    async with raw_peer(url, path, state) as (peer, other_end):
        assert (await peer.frame())[0] in {TEXT, CLOSE}
        if other_end.close_timer is not None:
            other_end.close_timer.cancel()  # uvicorn waits ten seconds for the close frame
        pinged = 0

        async def ping() -> None:
            nonlocal pinged
            while True:
                await peer.send(chunk)
                pinged += 1_000

        pinging = asyncio.create_task(ping())
        transport = other_end.transport
        await eventually(lambda: not other_end.writable.is_set())
        assert not transport.is_reading()
        assert transport.get_write_buffer_size() < 1024 * 1024

        pinging.cancel()
        for _ in range(pinged):
            assert await peer.frame() == (PONG, bytes(PING_BYTES))
        await eventually(transport.is_reading)


async def test_a_message_taken_from_a_peer_that_does_not_read_leaves_reading_paused(
    url: str, state: ServerState
) -> None:
    """Uvicorn resumes reading after each received message, which must not undo the pause."""
    async with raw_peer(url, "/stay", state) as (peer, other_end):
        transport = other_end.transport
        await peer.send(frame(TEXT, b"{}"))
        await eventually(lambda: not other_end.queue.empty())

        other_end.pause_writing()
        await other_end.receive()
        assert not transport.is_reading()
        other_end.resume_writing()
        assert transport.is_reading()

        await peer.send(frame(TEXT, b"{}"))
        await eventually(lambda: not transport.is_reading())
        other_end.pause_writing()
        other_end.resume_writing()
        assert not transport.is_reading()  # a message is still queued


async def test_a_message_in_many_fragments_is_taken_and_in_more_closes(
    url: str, state: ServerState
) -> None:
    """The number of fragments is limited too, because empty ones do not add to the size."""
    fragments = [
        frame(TEXT, b"x", is_last=False),
        *[frame(CONT, is_last=False)] * (FRAGMENTS_MAX - 2),
    ]
    async with raw_peer(url, "/length", state) as (peer, _):
        await peer.send(b"".join(fragments) + frame(CONT, b"y"))
        assert await peer.frame() == (TEXT, b"2")
        assert (await peer.frame())[0] == CLOSE
    await eventually(lambda: not state.connections)

    async with raw_peer(url, "/length", state) as (peer, other_end):
        await peer.send(b"".join(fragments) + frame(CONT, is_last=False) * 2)
        opcode, content = await peer.frame()
        assert (opcode, int.from_bytes(content[:2])) == (CLOSE, 1009)
        assert other_end.frames == []


async def test_fragments_behind_the_good_bye_are_not_kept(url: str, state: ServerState) -> None:
    """Fragments that arrive after our close frame are discarded."""
    async with raw_peer(url, "/bye", state) as (peer, other_end):
        assert (await peer.frame())[0] == CLOSE

        await peer.send(frame(TEXT, b"x", is_last=False) + frame(CONT, is_last=False) * 9)
        await peer.send(frame(PING))

        assert await peer.frame() == (PONG, b"")
        assert other_end.frames == []


async def test_many_messages_at_once_close(url: str, state: ServerState) -> None:
    """The queue of messages is limited, and more messages close with 1008."""
    async with raw_peer(url, "/stay", state) as (peer, other_end):
        assert await peer.frame() == (TEXT, b"welcome")

        await peer.send(frame(TEXT, b"{}") * 2 * MESSAGES_WAITING_MAX)
        opcode, content = await peer.frame()

        assert (opcode, int.from_bytes(content[:2])) == (CLOSE, 1008)
        assert len(received(other_end)) == MESSAGES_WAITING_MAX


async def test_a_peer_that_answers_no_ping_does_not_stay_for_the_good_bye(
    url: str, state: ServerState
) -> None:
    """A peer that answers no ping is disconnected without waiting for its close frame."""
    async with raw_peer(url, "/stay", state) as (peer, other_end):
        flood = asyncio.create_task(peer.send(frame(PING, bytes(PING_BYTES)) * 100_000))
        await eventually(lambda: not other_end.writable.is_set())

        other_end.close_seconds_max = 0
        other_end.keepalive_timeout()

        await eventually(lambda: other_end.disconnected)
        await flood


async def test_messages_of_one_send_are_heard_one_by_one(url: str) -> None:
    """A client receives messages of one send as separate messages."""
    async with connect(f"{url}/frames") as websocket:
        await websocket.send("now")

        assert [await websocket.recv() for _ in range(2)] == ["first", "second"]


async def test_frames_for_a_client_that_said_good_bye_are_not_sent(
    url: str, state: ServerState
) -> None:
    """No frame follows the close frame (RFC 6455 section 5.5.1)."""
    disconnects.clear()
    async with raw_peer(url, "/frames", state) as (peer, _):
        await peer.send(frame(TEXT, b"now") + frame(CLOSE))

        assert (await peer.frame())[0] == CLOSE
        await eventually(lambda: bool(disconnects))

    assert disconnects == [1006]
