"""The listening socket of the venue: it may be shut for a while and opened again at its port."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.server import Server

from app.simulator.venue.client_connection import GOING_AWAY

STOP_SECONDS_MAX: Final = 0.3
"""How long clients may take to answer the closing frame when the venue ends."""

Listen = Callable[[str, int], Awaitable[Server]]


class VenueListener:
    """Lets clients in. While it is shut, the system refuses their TCP connections."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._servers: list[Server] = []
        self._host = ""
        self._port = 0
        self._shutting: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and return the port, a free one if it was to be 0."""
        server = await self._listen(host, port)
        self._servers.append(server)
        self._host = host
        self._port = int(next(iter(server.sockets)).getsockname()[1])
        return self._port

    @property
    def is_shut(self) -> bool:
        """Whether connections are refused now."""
        return self._shutting is not None and not self._shutting.done()

    def shut(self, seconds: float) -> None:
        """Refuse connections for some time; those that are there stay. Nothing if it is shut."""
        if not self.is_shut:
            self._servers[-1].close(close_connections=False)
            self._shutting = asyncio.create_task(self._reopen(seconds), name="shut listener")

    async def close(self, cut: Callable[[], None]) -> None:
        """Say goodbye, then cut whoever does not answer."""
        if self._shutting is not None:
            self._shutting.cancel()
            await asyncio.wait([self._shutting])
            if not self._shutting.cancelled():
                self._shutting.result()
        for server in self._servers:
            server.close(code=GOING_AWAY)
        closed = asyncio.gather(*(server.wait_closed() for server in self._servers))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await asyncio.shield(closed)
        finally:
            cut()
        await closed

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open(self._host, self._port)
