"""One client's connection to the order stream: messages in and out, each with a time limit."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.server.text_frames import EXTENSION, takes_text_frames
from app.api.stream.client_messages import BinaryMessageError
from app.api.stream.event_models import EventText
from app.domain.events import StoredEvent

SEND_SECONDS_MAX: Final = 20.0
"""How long a reader may take to make room for one message before it counts as gone."""

ABNORMAL_CLOSURE: Final = 1006
"""The code of a connection that was closed without one (RFC 6455 section 7.1.5)."""

EVENTS_PER_TURN: Final = 64
"""Events that one client gets before other tasks have a turn. While there is room to send, sending
does not suspend, so thousands of events for hundreds of clients would block the event loop."""


class StreamConnection:
    """The connection to one client.

    The server waits for room before it sends, so a message that times out was not sent at all.
    """

    def __init__(self, websocket: WebSocket, send_seconds_max: float) -> None:
        self.websocket = websocket
        self._send_seconds_max = send_seconds_max
        self._takes_frames = takes_text_frames(websocket.scope)

    async def receive(self) -> str:
        """Wait for a message.

        Raises:
            WebSocketDisconnect: the client left.
            BinaryMessageError: the message is not text.
        """
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text = message.get("text")
        if not isinstance(text, str):
            raise BinaryMessageError
        return text

    async def send(self, message: Mapping[str, object]) -> None:
        """Send a message; raises like ``send_text``."""
        await self.send_text(msgspec.json.encode(message).decode())

    async def send_text(self, text: str) -> None:
        """Send a message that was encoded before.

        Raises:
            TimeoutError: the client makes no room for it.
            WebSocketDisconnect: the connection is closed.
        """
        await self._within_limit(self.websocket.send_text(text))

    def portions(self, events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
        """Split events into portions for ``send_events``: of one, if the server takes no frames."""
        size = EVENTS_PER_TURN if self._takes_frames else 1
        for start in range(0, len(events), size):
            yield events[start : start + size]

    async def send_events(self, texts: Sequence[EventText]) -> None:
        """Send a portion, each event as a message; raises like ``send_text``."""
        if self._takes_frames:
            frames = b"".join([one.frame for one in texts])
            await self._within_limit(
                self.websocket.send({"type": "websocket.send", EXTENSION: frames})
            )
            return
        (only,) = texts
        await self.send_text(only.text)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; raises like ``send_text``."""
        await self._within_limit(self.websocket.close(code, reason))

    async def _within_limit(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._send_seconds_max):
                await sending
        except RuntimeError:
            # The server closed by itself, over a missing pong or an oversized message. It refuses
            # to send before the application receives the disconnect.
            raise WebSocketDisconnect(ABNORMAL_CLOSURE) from None
