"""The simulated venue's market data over real sockets: streams and REST of one market."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect

from app.clock import SystemClock
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import http_client
from tests.support.waiting import eventually

SYMBOL: Final = "LTCBTC"
KINDS: Final = (
    "trade",
    "aggTrade",
    "ticker",
    "miniTicker",
    "avgPrice",
    "kline_1s",
    "kline_1m",
    "depth@100ms",
    "depth",
    "depth5@100ms",
    "depth20",
)


class MovingVenue:
    """A venue whose best ask is taken and renewed again and again."""

    def __init__(self, market: ScriptedMarket, venue: SimulatedVenue, *urls: str) -> None:
        self.market = market
        self.venue = venue
        self.stream_url, self.rest_url = urls

    async def move(self) -> None:
        """Push quotes until canceled."""
        number = 0
        while True:
            number += 1
            ask = f"0.00{2500 + number % 7}"
            self.market.push(SYMBOL, bid=("0.0024", "7"), ask=(ask, str(9 - number % 8)))
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def stream(self, query: str) -> AsyncIterator[ClientConnection]:
        """Open a stream."""
        async with connect(f"{self.stream_url}/{query}", proxy=None) as connection:
            yield connection


@asynccontextmanager
async def moving_venue() -> AsyncIterator[MovingVenue]:
    """Run a venue with one moving symbol."""
    market = ScriptedMarket([SYMBOL])
    venue = SimulatedVenue(market, clock=SystemClock())
    async with venue.serve() as running:
        moving = MovingVenue(market, venue, running.stream_url, running.rest_url)
        task = asyncio.create_task(moving.move())
        try:
            yield moving
        finally:
            task.cancel()


async def next_of(connection: ClientConnection, stream: str) -> dict[str, Any]:
    """Return the next frame of a stream."""
    async for text in connection:
        frame = json.loads(text)
        if frame.get("stream") == stream:
            return dict(frame["data"])
    raise AssertionError("the venue closed the connection")


@pytest.mark.parametrize("unit", ["", "&timeUnit=MICROSECOND"])
async def test_every_stream_sends(unit: str) -> None:
    """Each kind of stream sends frames of its own form, in the unit that the client chose."""
    digits = 16 if unit else 13
    names = [f"{SYMBOL.lower()}@{kind}" for kind in KINDS]
    frames: dict[str, dict[str, Any]] = {}
    async with (
        moving_venue() as moving,
        moving.stream(f"stream?streams={'/'.join(names)}{unit}") as connection,
    ):
        async for text in connection:
            frame = json.loads(text)
            frames[frame["stream"]] = frame["data"]
            if len(frames) == len(names):
                break

    for name, data in frames.items():
        if "@depth5" in name or "@depth20" in name:
            assert len(data["asks"]) in {5, 20}
            assert data.keys() == {"lastUpdateId", "bids", "asks"}
        else:
            assert data["s"] == SYMBOL
            assert len(str(data["E"])) == digits


async def test_a_client_follows_the_book() -> None:
    """The snapshot and the updates form one chain, and the book is that of the venue."""
    stream = f"{SYMBOL.lower()}@depth@100ms"
    async with (
        moving_venue() as moving,
        moving.stream(f"stream?streams={stream}") as connection,
        http_client(base_url=moving.rest_url) as rest,
    ):
        await next_of(connection, stream)
        query = {"symbol": SYMBOL, "limit": "50"}
        snapshot = (await rest.get("/api/v3/depth", params=query)).json()
        asks, last_id = dict(snapshot["asks"]), snapshot["lastUpdateId"]
        for _ in range(10):
            update = await next_of(connection, stream)
            if update["u"] <= last_id:
                continue
            assert update["U"] <= last_id + 1
            asks |= dict(update["a"])
            last_id = update["u"]
        shown = moving.venue.current_quote(SYMBOL)
        while last_id < shown.update_id:
            update = await next_of(connection, stream)
            asks |= dict(update["a"])
            last_id, shown = update["u"], moving.venue.current_quote(SYMBOL)
    best = min((float(price), price) for price, quantity in asks.items() if float(quantity))[1]

    assert (best, asks[best]) == (shown.ask_price, shown.ask_quantity)


async def test_what_is_not_served_is_counted() -> None:
    """Streams and paths that this venue lacks are named in the state."""
    async with moving_venue() as moving:
        async with moving.stream("ws/!bookTicker/ltcbtc@blockTrade/ltcbtc@trade"):
            await eventually(lambda: moving.venue.observations.connections_open)
        async with http_client(base_url=moving.rest_url) as rest:
            missing = await rest.get("/api/v3/ticker/tradingDay", params={"symbol": SYMBOL})
            state = (await rest.get("/simulator")).json()

    assert missing.status_code == httpx2.codes.NOT_FOUND
    assert state["observations"]["not_served"] == {
        "!bookTicker": 1,
        "ltcbtc@blockTrade": 1,
        "/api/v3/ticker/tradingDay": 1,
    }
