"""WebSocket handshakes that are answered in HTTP, and messages that are too long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from app.api.http_protocol import BoundedHttpProtocol
from app.api.websocket_protocol import MESSAGE_BYTES_MAX, RefusingWebSocketProtocol
from app.domain.errors import UnauthorizedError
from tests.support.waiting import WAIT_SECONDS_MAX


async def tell_length(websocket: WebSocket) -> None:
    """Answer how long the first message is."""
    await websocket.accept()
    await websocket.send_text(str(len(await websocket.receive_text())))
    await websocket.close()


async def refuse(_websocket: WebSocket) -> None:
    """Ask for a key."""
    raise UnauthorizedError


@pytest.fixture
async def url(application: FastAPI) -> AsyncIterator[str]:
    """Return the address of the whole edge, with two routes for WebSockets."""
    application.router.routes += [
        WebSocketRoute("/length", tell_length),
        WebSocketRoute("/refused", refuse),
    ]
    config = uvicorn.Config(
        application,
        http=BoundedHttpProtocol,
        ws=RefusingWebSocketProtocol,
        ws_max_size=MESSAGE_BYTES_MAX,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    state = ServerState()
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
    """The client reads why; the log is not for strangers to fill."""
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


async def test_a_long_message_is_taken_and_a_longer_one_closes(url: str) -> None:
    """1009 says that it was too big (RFC 6455 section 7.4.1)."""
    async with connect(f"{url}/length") as websocket:
        await websocket.send("x" * MESSAGE_BYTES_MAX)
        assert await websocket.recv() == str(MESSAGE_BYTES_MAX)

    with contextlib.suppress(ConnectionClosedError):
        async with connect(f"{url}/length") as websocket:
            await websocket.send("x" * (MESSAGE_BYTES_MAX + 1))
            await websocket.wait_closed()
    assert websocket.close_code == 1009
