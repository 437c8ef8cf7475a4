"""Kills a service at random moments while clients use it, then judges what they were told."""

import asyncio
import contextlib
import json
import random
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from websockets.asyncio.client import connect

from tests.crash.checker import Truth, complaints
from tests.crash.clients import Clients, Json
from tests.crash.launcher import Incarnation, Launcher, launcher
from tests.crash.lots import SYMBOLS, LotMarket
from tests.support.services import ScriptedVenue, scripted_venue, until_ready
from tests.support.waiting import eventually, eventually_true

CLIENTS: Final = 12
LIFE_SECONDS_MIN: Final = 0.1
LIFE_SECONDS_MAX: Final = 0.6
END_SECONDS_MAX: Final = 5.0
"""How long after the last start an order may take to end, or an event to be told."""

PAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a campaign ended."""

    kills: int
    orders: int
    events: int
    splits: int
    complaints: list[str]
    database: Path


async def campaign(
    folder: Path,
    *,
    kills: int,
    seed: int,
    planted: str | None = None,
    on_kill: Callable[[int], None] = lambda _kill: None,
) -> Outcome:
    """Run one in ``folder``; ``planted`` names a bug that the service then has."""
    chance = random.Random(seed)
    clients = Clients(seed=seed, count=CLIENTS)
    async with scripted_venue(SYMBOLS) as venue, launcher(folder) as launch:
        market = LotMarket(venue.market)
        async with _running(market, clients):
            for kill in range(1, kills + 1):
                incarnation = await _start(launch, venue, planted)
                clients.follow(await incarnation.url())
                await asyncio.sleep(chance.uniform(LIFE_SECONDS_MIN, LIFE_SECONDS_MAX))
                await incarnation.end(signal.SIGKILL)
                clients.lose()
                on_kill(kill)
            incarnation = await _start(launch, venue, planted)
            clients.follow(await incarnation.url())
            await asyncio.sleep(LIFE_SECONDS_MAX)
            clients.rest()
            await clients.settle_doubts()
            truth = await _truth(await incarnation.url(), clients)
        await incarnation.end(signal.SIGTERM)
    return Outcome(
        kills=kills,
        orders=len(truth.orders),
        events=len(truth.events),
        splits=sum(event["split"] is not None for event in truth.events),
        complaints=complaints(clients.records, truth) + market.oversold(truth.events),
        database=folder / "database.db",
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


async def _start(launch: Launcher, venue: ScriptedVenue, planted: str | None) -> Incarnation:
    return await launch.start(
        planted,
        VENUE="simulator",
        BINANCE_STREAM_URL=venue.stream_url,
        BINANCE_REST_URL=venue.rest_url,
        DATABASE_URL="sqlite+aiosqlite:///database.db",
    )


async def _truth(url: str, clients: Clients) -> Truth:
    """Wait until every order has ended and everything was told, and read it all back."""
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        await until_ready(client)

        async def has_ended() -> bool:
            orders = await _orders(client)
            return all(order["closed_at"] is not None for order in orders)

        # If an end never comes, the checker says what is missing.
        with contextlib.suppress(TimeoutError):
            await eventually_true(has_ended, seconds_max=END_SECONDS_MAX)
        orders = await _orders(client)
    events = await _events(url)
    with contextlib.suppress(TimeoutError):
        await eventually(
            lambda: len(clients.records.events) >= len(events), seconds_max=END_SECONDS_MAX
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


async def _events(url: str) -> list[Json]:
    """Return every event that is stored, as a new subscriber is told them."""
    events: list[Json] = []
    async with connect(f"{url}/ws/orders".replace("http", "ws", 1)) as socket:
        await socket.send(json.dumps({"type": "subscribe", "after": "beginning"}))
        head = json.loads(await socket.recv())["position"]
        with contextlib.suppress(TimeoutError):
            while not events or events[-1]["position"] != head:
                async with asyncio.timeout(END_SECONDS_MAX):
                    events.append(json.loads(await socket.recv()))
    return events
