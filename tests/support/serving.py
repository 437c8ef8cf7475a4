"""Serves an application on a real socket, as the composition root does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from app.api.server.websocket_protocol import MESSAGE_BYTES_MAX, BoundedWebSocketProtocol
from tests.support.waiting import eventually


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the test run."""
        yield


@contextlib.asynccontextmanager
async def serving(
    application: ASGIApp, *, send_buffer_bytes: int | None = None
) -> AsyncIterator[str]:
    """Serve on a free port while the block runs; yield the URL.

    With a small ``send_buffer_bytes`` the server soon notices a client that does not read.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    if send_buffer_bytes is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    server = _Server(
        uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws=BoundedWebSocketProtocol,
            ws_max_size=MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
    )
    with listener:
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
