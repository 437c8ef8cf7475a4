"""Starts the product as processes of their own, and ends them, whatever a test does."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx2

REPOSITORY: Final = Path(__file__).parents[2]
START_SECONDS_MAX: Final = 30.0
END_SECONDS_MAX: Final = 15.0
POLL_SECONDS: Final = 0.05

_SETTINGS: Final = (
    "HTTP_HOST",
    "HTTP_ALLOWED_HOSTS",
    "ALLOW_OPEN_ACCESS",
    "ORDER_TIMEOUT_SECONDS",
    "TIMEOUT_SECONDS_MAX",
    "BINANCE_STREAM_URL",
    "BINANCE_REST_URL",
)


class PapertapeProcess:
    """One run of ``papertape …`` with its log in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote so far, on both of its outputs."""
        return self._log.read_text(encoding="utf-8")

    async def url(self) -> str:
        """Wait until the service listens, and return where."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                for line in self.log.splitlines():
                    if '"service_started"' in line:
                        return str(json.loads(line)["url"])
                assert self._process.returncode is None, self.log
                await asyncio.sleep(POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def ready_client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Wait until orders are accepted; the context gets a client for the service."""
        async with httpx2.AsyncClient(base_url=await self.url(), timeout=60) as client:
            async with asyncio.timeout(START_SECONDS_MAX):
                while (await client.get("/readyz")).is_error:  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(POLL_SECONDS)
            yield client

    async def wait(self) -> int:
        """Wait until it has ended by itself; return its exit status."""
        async with asyncio.timeout(START_SECONDS_MAX):
            return await self._process.wait()

    async def stop(self) -> int:
        """Ask it to end (SIGTERM), and return its exit status."""
        return await self._signal(signal.SIGTERM)

    async def interrupt(self) -> int:
        """Press Ctrl-C (SIGINT), and return its exit status."""
        return await self._signal(signal.SIGINT)

    async def kill(self) -> int:
        """End it without a warning (SIGKILL)."""
        return await self._signal(signal.SIGKILL)

    async def _signal(self, number: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(END_SECONDS_MAX):
            return await self._process.wait()


@contextlib.asynccontextmanager
async def papertape(
    folder: Path, *arguments: str, name: str = "papertape", **settings: str
) -> AsyncIterator[PapertapeProcess]:
    """Run ``papertape ARGUMENTS`` in ``folder``; it is killed at the end if it still runs."""
    log = folder / f"{name}.log"
    environment = {key: value for key, value in os.environ.items() if key not in _SETTINGS}
    environment |= {"HTTP_PORT": "0", "LOG_FORMAT": "json", "PYTHONPATH": str(REPOSITORY)}
    environment |= settings
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app",
            *arguments,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
        )
    running = PapertapeProcess(process, log)
    try:
        yield running
    finally:
        await running.kill()
