"""A running service beside a venue whose quotes a benchmark pushes, and what its threads cost."""

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
from bench.processes import Program, free_port, program
from bench.raw_client import RawClient, get_request

ROOT: Final = str(Path(__file__).resolve().parents[1])
"""Where a program that runs elsewhere finds our packages."""

READY_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.01
_NS_PER_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSeconds:
    """Processor time of a process: its event loop's thread, and all others together.

    The other two are how long they stood ready to run while others had the processors.
    """

    loop: float
    others: float
    loop_queued: float = 0.0
    others_queued: float = 0.0

    @property
    def total(self) -> float:
        """The processor time of all threads."""
        return self.loop + self.others

    def since(self, earlier: "ThreadSeconds") -> "ThreadSeconds":
        """Return what was spent after an earlier look."""
        return ThreadSeconds(
            loop=self.loop - earlier.loop,
            others=self.others - earlier.others,
            loop_queued=self.loop_queued - earlier.loop_queued,
            others_queued=self.others_queued - earlier.others_queued,
        )


def thread_seconds(pid: int) -> ThreadSeconds:
    """Return the processor time of the threads that a process has now, to the nanosecond."""
    running = {True: 0, False: 0}
    queued = {True: 0, False: 0}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
            is_loop = int(task.name) == pid
            on_processor, in_queue, _ = map(int, (task / "schedstat").read_text().split())
            running[is_loop] += on_processor
            queued[is_loop] += in_queue
    return ThreadSeconds(
        loop=running[True] / _NS_PER_SECOND,
        others=running[False] / _NS_PER_SECOND,
        loop_queued=queued[True] / _NS_PER_SECOND,
        others_queued=queued[False] / _NS_PER_SECOND,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveService:
    """The service as a process of its own, fed by ``market`` over loopback."""

    market: ScriptedMarket
    program: Program
    database: Path
    control: RawClient

    def cpu(self) -> ThreadSeconds:
        """Return the processor time that it has taken."""
        return thread_seconds(self.program.process.pid)

    async def metrics(self) -> dict[str, float]:
        """Return its counters and gauges by name; of those with labels the sum."""
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
async def live_service(
    folder: Path, symbols: tuple[str, ...], settings: Mapping[str, str] | None = None
) -> AsyncIterator[LiveService]:
    """Run the service on an empty database in ``folder``, until the block ends."""
    market = ScriptedMarket(symbols)
    port = free_port()
    database = folder / "bench.db"
    async with SimulatedVenue(market, clock=SystemClock()).serve("127.0.0.1", 0) as venue:
        environment = {
            "HTTP_PORT": str(port),
            "LOG_FORMAT": "json",
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": venue.stream_url,
            "BINANCE_REST_URL": venue.rest_url,
            "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
            "REQUESTS_PER_SECOND_MAX": "0",
            "PYTHONPATH": ROOT,
        }
        command = [sys.executable, "-m", "app", "serve"]
        with program(
            command, port=port, folder=folder, environment=environment | dict(settings or {})
        ) as running:
            await _until_ready(running)
            control = await RawClient.connect(port)
            try:
                yield LiveService(
                    market=market, program=running, database=database, control=control
                )
            finally:
                control.close()
                await asyncio.to_thread(running.stop)


async def _until_ready(running: Program) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while await asyncio.to_thread(running.status, "/readyz") != 200:
        if running.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the service did not start")
        await asyncio.sleep(0.05)
