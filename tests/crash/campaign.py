"""Runs a service with faults while clients use it, then checks the records of the clients."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx2

from app.auditing.audit import audit
from app.recording.verify.verification import verify
from app.simulator.venue.venue_limits import BINANCE_LIMITS
from tests.crash.checker import Truth, complaints
from tests.crash.clients import Clients, Json
from tests.crash.lots import SYMBOLS, LotMarket
from tests.support.connections import http_client
from tests.support.processes import PapertapeProcess, start_papertape
from tests.support.services import ScriptedVenue, scripted_venue, until_ready
from tests.support.stream_client import open_stream
from tests.support.waiting import WAIT_SECONDS_MAX, eventually, eventually_true

CLIENTS: Final = 12
HEARD_PER_LIFE_MAX: Final = 100
"""The most answers and events before a kill. A life does not end by time: machines differ."""

PHASE_SECONDS_MAX: Final = 0.05
"""The kill follows after a random pause, so that it hits any phase of the service."""

ENDS_SECONDS_MAX: Final = WAIT_SECONDS_MAX
ENDS_SECONDS_MAX_PLANTED: Final = 5.0
"""The longest wait for the end of the last order, or for the last event. With a planted bug some
never come."""

OF_MANY_LIVES: Final = replace(BINANCE_LIMITS, connection_attempts_max=100_000)
"""Limits of a venue for a campaign, which opens more connections than one client may."""

PAGE: Final = 1_000
LOOK_SECONDS: Final = 0.2
"""The pause between two looks at the orders. Each look reads all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a campaign."""

    orders: int
    events: int
    splits: int
    refusals: int
    complaints: list[str]


@dataclass(slots=True, kw_only=True)
class ServiceHost:
    """A service that an ordeal starts and kills, and its clients."""

    folder: Path
    venue: ScriptedVenue
    clients: Clients
    chance: random.Random
    database: Path
    recordings: Path
    planted: str | None
    process: PapertapeProcess | None = None
    starts: int = 0

    async def start(self) -> None:
        """Start the service, and give its URL to the clients."""
        self.starts += 1
        self.process = await start_papertape(
            self.folder,
            "serve",
            name=f"service-{self.starts}",
            before=None if self.planted is None else f"tests.crash.planted_bugs:{self.planted}",
            DATABASE_URL=f"sqlite+aiosqlite:///{self.database}",
            RECORD_DIR=str(self.recordings),
            **self.venue.environment,
        )
        self.clients.follow(await self.process.url())

    async def kill(self) -> None:
        """Kill the service."""
        self.clients.lose()
        await self.running.kill()

    async def until_heard(self, count: int) -> None:
        """Wait until clients received this much more, or a planted bug has killed the service."""
        goal = self.clients.records.heard + count
        await eventually(lambda: self.clients.records.heard >= goal or not self.running.is_running)

    @property
    def running(self) -> PapertapeProcess:
        """The process of the service."""
        assert self.process is not None, "it was started"
        return self.process


Ordeal = Callable[[ServiceHost], Awaitable[None]]
"""A series of faults; the service runs at the end."""


def kills(count: int, on_kill: Callable[[int], None] = lambda _kill: None) -> Ordeal:
    """Return an ordeal of kills at random moments."""

    async def ordeal(host: ServiceHost) -> None:
        for kill in range(1, count + 1):
            await host.start()
            await host.until_heard(host.chance.randint(0, HEARD_PER_LIFE_MAX))
            await asyncio.sleep(host.chance.uniform(0, PHASE_SECONDS_MAX))
            await host.kill()
            on_kill(kill)
        await host.start()
        await host.until_heard(HEARD_PER_LIFE_MAX)

    return ordeal


async def campaign(
    folder: Path, ordeal: Ordeal, *, seed: int, planted: str | None = None
) -> Outcome:
    """Run an ordeal while clients use the service, and check the records of the clients.

    The database is in the folder ``disk`` of ``folder``; ``planted`` names a bug of the service.
    """
    database = folder / "disk" / "database.db"
    database.parent.mkdir(exist_ok=True)
    clients = Clients(seed=seed, count=CLIENTS)
    async with scripted_venue(SYMBOLS, limits=OF_MANY_LIVES) as venue:
        market = LotMarket(venue.market)
        host = ServiceHost(
            folder=folder,
            venue=venue,
            clients=clients,
            chance=random.Random(seed),
            database=database,
            recordings=folder / "recordings",
            planted=planted,
        )
        try:
            async with _running(market, clients):
                await ordeal(host)
                clients.rest()
                await clients.settle_doubts()
                truth = await _truth(
                    await host.running.url(),
                    clients,
                    seconds_max=ENDS_SECONDS_MAX_PLANTED if planted else ENDS_SECONDS_MAX,
                )
            await host.running.stop()
        finally:
            if host.process is not None:
                await host.process.kill()
    report = await audit(f"sqlite+aiosqlite:///{database}")
    verification = await verify(f"sqlite+aiosqlite:///{database}", [folder / "recordings"])
    return Outcome(
        orders=len(truth.orders),
        events=len(truth.events),
        splits=sum(event["split"] is not None for event in truth.events),
        refusals=clients.records.database_refusals,
        complaints=[
            *complaints(clients.records, truth),
            *market.oversold(truth.events),
            *map(str, report.examples),
            *map(str, verification.differences),
            *(f"not covered: {count} {cause}" for cause, count in verification.causes.items()),
        ],
    )


@contextlib.asynccontextmanager
async def _running(market: LotMarket, clients: Clients) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(market.run()), asyncio.create_task(clients.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if not isinstance(end, asyncio.CancelledError) and isinstance(end, BaseException):
            raise end


async def _truth(url: str, clients: Clients, *, seconds_max: float) -> Truth:
    """Wait until all orders are closed and all events received, and read both back."""
    async with http_client(base_url=url) as client:
        await until_ready(client)

        async def has_ended() -> bool:
            orders = await _orders(client)
            return all(order["closed_at"] is not None for order in orders)

        # If an order never ends, the checker reports it.
        with contextlib.suppress(TimeoutError):
            await eventually_true(has_ended, seconds_max=seconds_max, poll_seconds=LOOK_SECONDS)
        orders = await _orders(client)
    events = await _events(url, seconds_max=seconds_max)
    with contextlib.suppress(TimeoutError):
        await eventually(
            lambda: len(clients.records.events) >= len(events), seconds_max=seconds_max
        )
    return Truth(orders=orders, events=events)


async def _orders(client: httpx2.AsyncClient) -> list[Json]:
    orders: list[Json] = []
    parameters = {"limit": str(PAGE)}
    while True:
        page = (await client.get("/orders", params=parameters)).json()
        orders += page["orders"]
        if page["next_cursor"] is None:
            return orders
        parameters["cursor"] = page["next_cursor"]


async def _events(url: str, *, seconds_max: float) -> list[Json]:
    """Return every stored event as a new subscriber receives it, which checks it by the contract.

    The events of the clients must be the same, so they are checked, too.
    """
    events: list[Json] = []
    async with open_stream(url) as stream:
        head = await stream.subscribe(after="beginning")
        with contextlib.suppress(TimeoutError):
            while not events or events[-1]["position"] != head:
                async with asyncio.timeout(seconds_max):
                    events.append(await stream.event())
    return events
