"""The connections of WebSockets: uvicorn's, with bounds on what a peer can make us keep.

Uvicorn writes an answer to every ping whether or not the peer reads any, and keeps a message's
fragments for as long as they come, empty ones too, which count for nothing in the message's size.
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
"""How long a client may take to read what was sent before the end."""


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket with bounds, which may answer a handshake in HTTP.

    Uvicorn sends such an answer, but then writes an error as if the handshake had been forgotten,
    so that every page of a stranger could fill the log.
    """

    close_seconds_max: float = CLOSE_SECONDS_MAX
    _abort_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Take what arrived: first a whole handshake, on which the library may keep silent.

        It reads no other method than GET, no body, and not as many or as long headers as we do.
        """
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(last_answer(MalformedHttpError(), self.default_headers))
            self.transport.close()

    async def run_asgi(self) -> None:
        """Serve the connection; a client that reads no more does not keep it for ever.

        Closing waits until everything was sent, and that may never be.
        """
        self.scope["extensions"][text_frames.EXTENSION] = {}
        await super().run_asgi()
        self._abort_soon()

    def keepalive_timeout(self) -> None:
        """Close, since the peer does not answer pings; it may not read the good-bye either.

        The application waits until the connection is lost.
        """
        super().keepalive_timeout()
        self._abort_soon()

    def _abort_soon(self) -> None:
        if self._abort_timer is None and not self.disconnected:
            self._abort_timer = self.loop.call_later(self.close_seconds_max, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time: a transport that is gone minds being aborted, and nothing is kept."""
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Read no more from a peer that does not read: what it says, it wants answers to."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on, unless the application has yet to take what was read."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; that makes room for more only if there is room for answers."""
        message = await super().receive()
        self._keep_pause()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says."""
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
        """Undo that uvicorn resumed reading without a look at writing."""
        if not self.writable.is_set():
            self.transport.pause_reading()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, up to so many of a message."""
        if self.close_sent:
            self.frames = []  # nobody wants the message any more
        elif len(self.frames) == FRAGMENTS_MAX:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand on a message, up to so many that wait."""
        if self.queue.qsize() >= MESSAGES_WAITING_MAX and not self.close_sent:
            self._refuse(CloseCode.POLICY_VIOLATION, "too many messages at once")
        else:
            super().send_receive_event_to_app()

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
