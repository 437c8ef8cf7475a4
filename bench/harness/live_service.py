"""A service in a process of its own, beside a venue whose quotes a benchmark pushes."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.clock import SystemClock
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from bench.harness.processes import Program, free_port, program
from bench.harness.raw_client import RawClient, get_request

ROOT: Final = str(Path(__file__).resolve().parents[2])
"""Where a program that runs in another folder finds our packages."""

_POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveService:
    """The service that runs as ``program``, fed by ``market`` over loopback."""

    market: ScriptedMarket
    program: Program
    control: RawClient

    async def metrics(self) -> dict[str, float]:
        """Return its counters and gauges by name; a name with labels has the sum."""
        text = (await self.control.ask(get_request("/metrics"))).body.decode()
        found = dict[str, float]()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                found[name] = found.get(name, 0.0) + float(value)
        return found

    async def until(self, name: str, value: float, *, seconds: float = 60.0) -> None:
        """Wait until a counter or gauge has a value, or more."""
        deadline = time.monotonic() + seconds
        while (await self.metrics()).get(name, 0.0) < value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not reach {value:g} within {seconds:g} s")
            await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def starting_service(
    folder: Path, venue: SimulatedVenue, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Start the service on ``bench.db`` in ``folder``; it may not be ready yet."""
    port = free_port()
    async with venue.serve("127.0.0.1", 0) as running:
        environment = {
            "HTTP_PORT": str(port),
            "LOG_FORMAT": "json",
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": running.stream_url,
            "BINANCE_REST_URL": running.rest_url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bench.db'}",
            "REQUESTS_PER_SECOND_MAX": "0",
            "PYTHONPATH": ROOT,
        }
        command = [sys.executable, "-m", "app", "serve"]
        with program(
            command, port=port, folder=folder, environment=environment | dict(settings or {})
        ) as service:
            yield service


@contextlib.asynccontextmanager
async def live_service(
    folder: Path, symbols: tuple[str, ...], settings: Mapping[str, str] | None = None
) -> AsyncIterator[LiveService]:
    """Run the service on an empty database in ``folder``, and stop it at the end."""
    market = ScriptedMarket(symbols)
    venue = SimulatedVenue(market, clock=SystemClock())
    async with starting_service(folder, venue, settings) as running:
        await asyncio.to_thread(running.until_answering, "/readyz")
        control = await RawClient.connect(running.port)
        try:
            yield LiveService(market=market, program=running, control=control)
        finally:
            control.close()
            await asyncio.to_thread(running.stop)
