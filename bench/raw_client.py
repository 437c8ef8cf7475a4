"""The cheapest client of HTTP: bytes made before, written to a socket, and told when all is there.

A client library costs more per answer than the service does, and would be what is measured.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import msgspec

CONNECTS_AT_ONCE: Final = 100

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


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


class RawClient(asyncio.Protocol):
    """One kept connection, with one request under way at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> "RawClient":
        """Connect to a port of loopback."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        return client

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; the future has its answer."""
        assert self._waiting is None, "one at a time"
        assert self._transport is not None, "it is connected"
        if self._transport.is_closing():
            raise ConnectionResetError("idle for too long")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
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
        """Take a piece of an answer."""
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
        assert not self._received, "nobody asked for more than one answer"
        waiting, self._waiting = self._waiting, None
        assert waiting is not None, "an answer that nobody asked for"
        waiting.set_result(Answer(int(head[9:12]), body, at))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits that no answer comes."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed by the service"))


async def connect_many(port: int, total: int) -> list[RawClient]:
    """Open connections, some at a time."""
    clients: list[RawClient] = []
    while len(clients) < total:
        some = min(CONNECTS_AT_ONCE, total - len(clients))
        clients += await asyncio.gather(*(RawClient.connect(port) for _ in range(some)))
    return clients
