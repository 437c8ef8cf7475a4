"""The cheapest clients of HTTP and ``/ws/orders``: prepared bytes on sockets that are kept.

A client library costs more per answer than the service, so the benchmark would measure the library.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

import msgspec

CONNECTS_AT_ONCE: Final = 50
"""The service accepts at most 64 connections that are not authenticated yet."""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"

_HANDSHAKE: Final = (
    b"GET /ws/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDAwMDAwMDAwMDAwMDAwMA==\r\n\r\n"
)
_SUBSCRIBE: Final = b'{"type": "subscribe"}'
_SUBSCRIBE_FRAME: Final = (
    bytes([0x81, 0x80 | len(_SUBSCRIBE)]) + bytes(4) + _SUBSCRIBE  # a mask of zeros masks nothing
)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and when its last byte was read, on the clock of ``time.perf_counter``."""

    status: int
    body: bytes
    at: float


def get_request(path: str) -> bytes:
    """Return the bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post_request(path: str, document: object, *, headers: str = "") -> bytes:
    """Return the bytes of a POST; each line of ``headers`` ends with CR LF."""
    body = msgspec.json.encode(document)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol, Generic[_Result]):
    """One connection to a port of loopback, on which at most one future waits."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[_Result] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Connect."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    @classmethod
    async def connect_many(cls, port: int, total: int) -> list[Self]:
        """Connect ``total`` times, a limited number at a time."""
        opened: list[Self] = []
        while len(opened) < total:
            some = min(CONNECTS_AT_ONCE, total - len(opened))
            opened += await asyncio.gather(*(cls.connect(port) for _ in range(some)))
        return opened

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to it."""
        assert isinstance(transport, asyncio.Transport), "it is TCP"
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the waiting future: no answer comes."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed by the service"))

    def send(self, content: bytes) -> asyncio.Future[_Result]:
        """Send bytes, and return the future of their answer."""
        assert self._transport is not None, "it is connected"
        if self._transport.is_closing():
            raise ConnectionResetError("idle for too long")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(content)
        return self._waiting


class RawClient(_Connection[Answer]):
    """A client of HTTP, with one request under way at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._received = bytearray()

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future has its answer."""
        assert self._waiting is None, "one at a time"
        return self.send(request)

    def data_received(self, data: bytes) -> None:
        """Read a part of an answer."""
        at = time.perf_counter()
        self._received += data
        head_bytes = self._received.find(_HEAD_END) + len(_HEAD_END)
        if head_bytes < len(_HEAD_END):
            return
        head = bytes(self._received[:head_bytes]).lower()
        start = head.index(_LENGTH) + len(_LENGTH)
        total = head_bytes + int(head[start : head.index(b"\r", start)])
        if len(self._received) < total:
            return
        body = bytes(self._received[head_bytes:total])
        del self._received[:total]
        assert not self._received, "one answer per request"
        waiting, self._waiting = self._waiting, None
        assert waiting is not None, "an answer without a request"
        waiting.set_result(Answer(int(head[9:12]), body, at))


class RawListener(_Connection[float]):
    """A listener to all orders; it notes when messages come and does not read them."""

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Connect and subscribe."""
        listener = await super().connect(port)
        await listener.send(_HANDSHAKE)
        await listener.send(_SUBSCRIBE_FRAME)
        return listener

    def next(self) -> asyncio.Future[float]:
        """Return when the next message comes, on the clock of ``time.perf_counter``."""
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Note the time."""
        del data
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(time.perf_counter())
