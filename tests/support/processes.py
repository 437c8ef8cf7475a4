"""Runs commands of the product as processes, and ends them after each test."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import httpx2

from tests.support.connections import http_client
from tests.support.forker import REPOSITORY, Command, shared_forker
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

POLL_SECONDS: Final = 0.02

_SETTINGS: Final = (
    "HTTP_HOST",
    "HTTP_ALLOWED_HOSTS",
    "ALLOW_OPEN_ACCESS",
    "ORDER_TIMEOUT_SECONDS",
    "TIMEOUT_SECONDS_MAX",
    "BINANCE_STREAM_URL",
    "BINANCE_REST_URL",
)


class Process(Protocol):
    """A process of the system, new or forked."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal."""

    async def wait(self) -> int:
        """Wait until it has exited, and return its exit status."""


class PapertapeProcess:
    """One run of ``papertape …`` with its log in a file."""

    def __init__(self, process: Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it is running."""
        return self._process.returncode is None

    @property
    def log(self) -> str:
        """The text written so far to standard output and standard error."""
        return self._log.read_text(encoding="utf-8")

    async def url(self) -> str:
        """Wait until the service listens, and return its URL."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while True:
                for line in self.log.splitlines(keepends=True):
                    if '"service_started"' in line and line.endswith("\n"):
                        return str(json.loads(line)["url"])
                assert self._process.returncode is None, self.log
                await asyncio.sleep(POLL_SECONDS)

    @contextlib.asynccontextmanager
    async def ready_client(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Wait until orders are accepted; the context gets a client for the service."""
        async with http_client(base_url=await self.url()) as client:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                while (await client.get("/readyz")).is_error:  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(POLL_SECONDS)
            yield client

    async def wait(self) -> int:
        """Wait until it exits; return its exit status."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return await self._process.wait()

    async def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        return await self._signal(signal.SIGTERM)

    async def interrupt(self) -> int:
        """Send SIGINT, as Ctrl-C does, and return the exit status."""
        return await self._signal(signal.SIGINT)

    async def kill(self) -> int:
        """Send SIGKILL, and return the exit status."""
        return await self._signal(signal.SIGKILL)

    async def _signal(self, number: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(number)
        return await self.wait()


async def start_papertape(
    folder: Path,
    *arguments: str,
    name: str = "papertape",
    before: str | None = None,
    **settings: str,
) -> PapertapeProcess:
    """Start ``papertape ARGUMENTS`` by forking a process that has imported everything.

    Args:
        folder: The current directory of the process. Its log is there as ``NAME.log``.
        arguments: The command line.
        name: A name for this process.
        before: A function that the process calls first, as ``module:name``.
        settings: Environment variables.
    """
    command = Command(
        arguments=arguments, folder=str(folder), environment=_environment(settings), before=before
    )
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = shared_forker().start(command, stdout=output.fileno(), stderr=output.fileno())
    return PapertapeProcess(process, log)


@contextlib.asynccontextmanager
async def papertape(
    folder: Path, *arguments: str, name: str = "papertape", **settings: str
) -> AsyncIterator[PapertapeProcess]:
    """Run ``papertape ARGUMENTS`` (see ``start_papertape``); kill it at the end if it runs."""
    running = await start_papertape(folder, *arguments, name=name, **settings)
    try:
        yield running
    finally:
        await running.kill()


@contextlib.asynccontextmanager
async def papertape_from_scratch(
    folder: Path, *arguments: str, name: str = "papertape", **settings: str
) -> AsyncIterator[PapertapeProcess]:
    """Run ``papertape ARGUMENTS`` in a new interpreter, for tests of the start itself."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app",
            *arguments,
            cwd=folder,
            env=_environment(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    running = PapertapeProcess(process, log)
    try:
        yield running
    finally:
        await running.kill()


@contextlib.asynccontextmanager
async def simulated_venue(folder: Path) -> AsyncIterator[tuple[PapertapeProcess, dict[str, str]]]:
    """Run ``papertape simulate`` on a free port.

    Yields:
        The process, and the environment variables of a service that uses it.
    """
    async with papertape(folder, "simulate", "--port", "0", name="venue") as venue:
        await eventually(lambda: "ws://127.0.0.1:" in venue.log)
        address = re.search(r"127\.0\.0\.1:\d+", venue.log)
        assert address is not None
        yield (
            venue,
            {
                "VENUE": "simulator",
                "BINANCE_STREAM_URL": f"ws://{address[0]}",
                "BINANCE_REST_URL": f"http://{address[0]}",
            },
        )


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key not in _SETTINGS}
    environment |= {"HTTP_PORT": "0", "LOG_FORMAT": "json", "PYTHONPATH": str(REPOSITORY)}
    return environment | dict(settings)


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit status and the outputs of a command."""

    status: int
    output: bytes
    errors: str


async def run_papertape(folder: Path, *arguments: str, standard_input: bytes = b"") -> Ended:
    """Run ``papertape ARGUMENTS`` to its end; return both outputs separately.

    Args:
        folder: The current directory of the process.
        arguments: The command line.
        standard_input: At most a pipe's buffer (64 KiB on Linux).
    """
    command = Command(
        arguments=arguments,
        folder=str(folder),
        environment=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    given, written = os.pipe()
    with (
        os.fdopen(given, "rb") as stdin,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        with os.fdopen(written, "wb") as pipe:
            pipe.write(standard_input)
        process = shared_forker().start(
            command, stdin=stdin.fileno(), stdout=output.fileno(), stderr=errors.fileno()
        )
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                status = await process.wait()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
        output.seek(0)
        errors.seek(0)
        return Ended(status, output.read(), errors.read().decode())
