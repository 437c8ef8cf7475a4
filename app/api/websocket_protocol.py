"""The connections of WebSockets: uvicorn's, with a bound on messages and refusals that are none."""

from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a client's message; it has room for a thousand order ids. Uvicorn would take 16 MiB."""


class RefusingWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, which may answer a handshake in HTTP.

    Uvicorn sends such an answer, but then writes an error as if the handshake had been forgotten,
    so that every page of a stranger could fill the log.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True
