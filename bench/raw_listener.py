"""The cheapest listener of ``/ws/orders``: it subscribes to all, and counts what comes."""

import asyncio
import time
from typing import Final

CONNECTS_AT_ONCE: Final = 50
"""Of those whose client is not known yet the service takes 64."""

_HANDSHAKE: Final = (
    b"GET /ws/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
)
_SUBSCRIBE: Final = b'{"type": "subscribe"}'
_SUBSCRIBE_FRAME: Final = (
    bytes([0x81, 0x80 | len(_SUBSCRIBE)]) + bytes(4) + _SUBSCRIBE  # a mask of zeros masks nothing
)

_TEXT: Final = 0x81
_IN_16_BITS: Final = 126
_HEAD_BYTES: Final = 4
"""Of a frame whose length is told in 16 bits; no message is shorter than that."""


class RawListener(asyncio.Protocol):
    """One connection; what it hears is not read, only counted: ``heard`` messages."""

    def __init__(self) -> None:
        self.heard = 0
        self._rest: bytes | None = None  # of a frame that is not whole; there are none at first
        self._waiting: asyncio.Future[float] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def subscribe(cls, port: int) -> "RawListener":
        """Connect to a port of loopback and subscribe."""
        loop = asyncio.get_running_loop()
        _, listener = await loop.create_connection(cls, "127.0.0.1", port)
        await listener.say(_HANDSHAKE)
        await listener.say(_SUBSCRIBE_FRAME)
        return listener

    def next(self) -> asyncio.Future[float]:
        """Return when something comes next, on the clock of ``time.perf_counter``."""
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport), "it is TCP"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Count messages, and note the time."""
        if self._rest is None:
            self._rest = b""  # the handshake is answered
        else:
            self._count(self._rest + data)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(time.perf_counter())

    def _count(self, data: bytes) -> None:
        """Take the whole frames off (RFC 6455 section 5.2): a server's are not masked."""
        start = 0
        while len(data) - start >= _HEAD_BYTES:
            length = data[start + 1]
            size = 2 + length
            if length == _IN_16_BITS:
                size = _HEAD_BYTES + int.from_bytes(data[start + 2 : start + _HEAD_BYTES])
            if len(data) - start < size:
                break
            self.heard += data[start] == _TEXT
            start += size
        self._rest = data[start:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that nothing comes."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed by the service"))

    async def say(self, content: bytes) -> None:
        """Send bytes and wait for what they are answered with."""
        answered = self.next()
        assert self._transport is not None, "it is connected"
        self._transport.write(content)
        await answered


async def listen_many(port: int, total: int) -> list[RawListener]:
    """Open so many, some at a time."""
    listeners: list[RawListener] = []
    while len(listeners) < total:
        some = min(CONNECTS_AT_ONCE, total - len(listeners))
        listeners += await asyncio.gather(*(RawListener.subscribe(port) for _ in range(some)))
    return listeners
