"""The connections of WebSockets: uvicorn's, with a bound on messages and refusals that are none."""

from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a client's message; it has room for a thousand order ids. Uvicorn would take 16 MiB."""

CLOSE_SECONDS_MAX: Final = 10.0
"""How long a client may take to read what was sent before the end."""


class RefusingWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which may answer a handshake in HTTP.

    Uvicorn sends such an answer, but then writes an error as if the handshake had been forgotten,
    so that every page of a stranger could fill the log.
    """

    async def run_asgi(self) -> None:
        """Serve the connection; a client that reads no more does not keep it for ever.

        Closing waits until everything was sent, and that may never be.
        """
        await super().run_asgi()
        self.loop.call_later(CLOSE_SECONDS_MAX, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True
