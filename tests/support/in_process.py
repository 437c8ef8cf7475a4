"""A web application called in process: by a client, or message by message as a server does."""

import asyncio
from decimal import Decimal
from typing import Final

import httpx2
from starlette.types import ASGIApp, Message, Scope

from app.api.services import ApiOptions

LOCALHOST: Final = (b"host", b"localhost")
OPTIONS: Final = ApiOptions(
    order_timeout_seconds=Decimal("0.05"),
    timeout_seconds_max=Decimal(86_400),
    wait_seconds_max=300,
    requests_per_second_max=0,
    websockets_max=1_000,
    websockets_per_owner_max=200,
    body_bytes_max=16_384,
    allowed_hosts=("localhost", "127.0.0.1", "[::1]"),
    version="0.1.0",
)
"""Settings of the API with a short default time for orders."""


def client_of(application: ASGIApp, *, caller: str = "127.0.0.1") -> httpx2.AsyncClient:
    """Return a client that calls an application from the address ``caller``, without a socket."""
    transport = httpx2.ASGITransport(app=application, client=(caller, 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost:8080")


def scope_of(method: str, path: str, *headers: tuple[bytes, bytes]) -> Scope:
    """Return the scope of a request with exactly these headers."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": list(headers),
    }


class AsgiPeer:
    """The server's side of a connection: it sends ``incoming``, and keeps the answer."""

    def __init__(self, *incoming: Message) -> None:
        self.sent: list[Message] = []
        self._incoming = list(incoming)

    async def receive(self) -> Message:
        """Return the next message, if there is one."""
        if not self._incoming:
            await asyncio.Event().wait()
        return self._incoming.pop(0)

    async def send(self, message: Message) -> None:
        """Keep a message of the application."""
        self.sent.append(message)


async def exchange(application: ASGIApp, scope: Scope, *incoming: Message) -> list[Message]:
    """Serve a connection that brings these messages, and return the messages of the answer."""
    peer = AsgiPeer(*incoming)
    await application(scope, peer.receive, peer.send)
    return peer.sent
