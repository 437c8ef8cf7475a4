"""The listening socket of the venue, which can close for some time and reopen on its port."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.server import Server

from app.simulator.venue.client_connection import GOING_AWAY

STOP_SECONDS_MAX: Final = 0.3
"""Seconds that clients have to answer the closing frame when the venue stops."""

Listen = Callable[[str, int], Awaitable[Server]]


class VenueListener:
    """Accepts clients. While it is shut, the operating system refuses TCP connections."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._servers: list[Server] = []
        self._host = ""
        self._port = 0
        self._shutting: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Start to listen, and return the port; port 0 selects a free port."""
        server = await self._listen(host, port)
        self._servers.append(server)
        self._host = host
        self._port = int(next(iter(server.sockets)).getsockname()[1])
        return self._port

    @property
    def is_shut(self) -> bool:
        """Whether TCP connections are refused now."""
        return self._shutting is not None and not self._shutting.done()

    def shut(self, seconds: float) -> None:
        """Refuse connections for some time; open connections stay. A shut listener ignores it."""
        # A second task would try to bind the port again while the first one holds it.
        if not self.is_shut:
            self._servers[-1].close(close_connections=False)
            self._shutting = asyncio.create_task(self._reopen(seconds), name="shut listener")

    async def reopen(self) -> None:
        """Accept clients again before the time of ``shut`` is over."""
        if self._shutting is not None and self.is_shut:
            await cancel(self._shutting)
            await self.open(self._host, self._port)

    async def close(self, cut: Callable[[], None]) -> None:
        """Send each client a closing frame, then call ``cut`` to abort the remaining ones."""
        if self._shutting is not None:
            await cancel(self._shutting)
        for server in self._servers:
            server.close(code=GOING_AWAY)
        closed = asyncio.gather(*(server.wait_closed() for server in self._servers))
        try:
            # A client that never answers must not delay the end of the venue.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await asyncio.shield(closed)
        finally:
            cut()
        await closed

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open(self._host, self._port)


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait for its end."""
    task.cancel()
    await asyncio.wait([task])
    # A bug of the market, or a port that cannot be opened again, must not stay unnoticed.
    if not task.cancelled():
        task.result()
