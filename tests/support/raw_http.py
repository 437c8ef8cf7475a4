"""A minimal HTTP/1.1 client, for tests in which a library would use most of the processor."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer: status, headers by lower-case name, and the JSON of the body."""

    status: int
    headers: dict[str, str]
    body: Any


class RawConnection:
    """One connection to a service, with one request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> "RawConnection":
        """Connect to the service at ``url``."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    def send_order(self, body: dict[str, Any], *, prefer: str | None = None) -> None:
        """Send an order without waiting for the answer."""
        content = json.dumps(body).encode()
        head = (
            f"POST /order/limit HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        )
        if prefer is not None:
            head += f"Prefer: {prefer}\r\n"
        self._writer.write(f"{head}\r\n".encode() + content)

    async def answer(self) -> RawAnswer:
        """Wait for the next answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        content = await self._reader.readexactly(int(headers["content-length"]))
        return RawAnswer(int(first.split()[1]), headers, json.loads(content))

    async def order(self, body: dict[str, Any], *, prefer: str | None = None) -> RawAnswer:
        """Send an order and wait for its answer."""
        self.send_order(body, prefer=prefer)
        return await self.answer()

    def send_half_an_order(self) -> None:
        """Send only the first half of a request."""
        self._writer.write(b"POST /order/limit HTTP/1.1\r\nHost: localhost\r\nContent-Le")

    async def begin_a_body(self) -> None:
        """Send a head without its body, and wait until the service asks for the body."""
        self._writer.write(
            b"POST /order/limit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        await self._reader.readuntil(b"100 Continue\r\n\r\n")

    async def abandon(self) -> None:
        """Abort the connection, as a crashing client does."""
        self._writer.transport.abort()
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
