"""The connections of WebSockets: uvicorn's protocol with limits on the memory of one peer.

Uvicorn answers every ping even if the peer does not read, and keeps all fragments of a message,
empty ones too, which do not count in the message's size.
"""

import asyncio
from typing import Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from app.api.problems import MalformedHttpError
from app.api.server import text_frames
from app.api.server.http_protocol import last_answer

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a client's message; it has room for a thousand order ids. Uvicorn would take 16 MiB."""

FRAGMENTS_MAX: Final = 1_024
"""Of a client's message; hardly any client sends more than one."""

MESSAGES_WAITING_MAX: Final = 16
"""Of one client's messages; reading pauses at the first, but a read may bring thousands."""

CLOSE_SECONDS_MAX: Final = 10.0
"""How long a client may take to read the messages before the close."""


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket with bounds, which may answer a handshake in HTTP.

    Uvicorn sends such an answer, but then logs an error as if the handshake had failed, so any
    web page could fill the log.
    """

    close_seconds_max: float = CLOSE_SECONDS_MAX
    _abort_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take data, which begins with the handshake; refuse a handshake that the library ignores.

        The library reads no method but GET, no body, and fewer and shorter headers than we do.
        """
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(last_answer(MalformedHttpError(), self.default_headers))
            self.transport.close()

    async def run_asgi(self) -> None:
        """Serve the connection, and abort it if the client does not read the rest in time.

        Closing waits until everything is sent, which a client can prevent.
        """
        self.scope["extensions"][text_frames.EXTENSION] = {}
        await super().run_asgi()
        self._abort_soon()

    def keepalive_timeout(self) -> None:
        """Close, since the peer does not answer pings, and abort if it does not read either.

        The application waits until the connection is lost.
        """
        super().keepalive_timeout()
        self._abort_soon()

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(self.close_seconds_max, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer: a lost transport must not be aborted."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Stop reading from a peer that does not read, since its messages cause answers."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Continue reading, unless the application still has messages to take."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; reading continues only if there is room for answers."""
        message = await super().receive()
        self._keep_pause()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application."""
        frames = message.get(text_frames.EXTENSION)
        if isinstance(frames, bytes):
            await self._send_frames(frames)
            return
        await super().send(message)
        self._keep_pause()
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    async def _send_frames(self, frames: bytes) -> None:
        """Send whole messages as they are, once there is room."""
        await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(frames)

    def _keep_pause(self) -> None:
        """Pause reading again, which uvicorn resumed without checking for room to write."""
        if not self.writable.is_set():
            self.transport.pause_reading()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, up to the maximum of a message."""
        if self.close_sent:
            self.frames = []  # the connection is closing: the message has no reader
        elif len(self.frames) == FRAGMENTS_MAX:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Queue a message for the application, up to the maximum."""
        if self.queue.qsize() >= MESSAGES_WAITING_MAX and not self.close_sent:
            self._refuse(CloseCode.POLICY_VIOLATION, "too many messages at once")
        else:
            super().send_receive_event_to_app()

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
