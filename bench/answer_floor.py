"""The least work for a durable answer to waiting orders: a bare server, one write, one sync.

It keeps each connection that posts. At a POST of /quote it writes a record, waits for the disk, and
answers all connections. It checks nothing, decides nothing, and stores nothing readable.

    python -m bench.answer_floor PORT FILE
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

QUOTE: Final = b"POST /quote"
_BODY: Final = b'{"status":"FILLED","padding":"%s"}' % (b"x" * 650)
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    % (len(_BODY), _BODY)
)
"""As long as the answer of an order with one split."""


class _Waiting:
    """The connections that wait for their answer."""

    def __init__(self, file: Path) -> None:
        self.transports: list[asyncio.Transport] = []
        self._file = file.open("ab", buffering=0)

    async def answer(self) -> None:
        """Write and sync once, then answer all, as one commit does."""
        await asyncio.get_running_loop().run_in_executor(None, self._store, len(self.transports))
        transports, self.transports = self.transports, []
        for transport in transports:
            transport.write(ANSWER)

    def _store(self, orders: int) -> None:
        self._file.write(_BODY * orders)
        os.fsync(self._file.fileno())


class _Connection(asyncio.Protocol):
    def __init__(self, waiting: _Waiting) -> None:
        self._waiting = waiting
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "it is TCP"
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET"):  # the benchmark checks whether the server is ready
            self._transport.write(ANSWER)
            return
        self._waiting.transports.append(self._transport)
        if data.startswith(QUOTE):
            self._answering = asyncio.create_task(self._waiting.answer())


async def serve(port: int, file: Path) -> None:
    """Serve until killed."""
    waiting = _Waiting(file)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(waiting), "127.0.0.1", port, backlog=1_024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
