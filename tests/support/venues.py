"""A venue whose quotes the test pushes, and a client of its streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from websockets.asyncio.client import ClientConnection

from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.connections import connect, http_client
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

ANSWER_SECONDS_MAX: Final = WAIT_SECONDS_MAX
BID: Final = ("0.002577", "1")
ASK: Final = ("0.002578", "2")


@asynccontextmanager
async def scripted_venue(
    *symbols: str, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, RunningVenue]]:
    """Run a venue and yield its market, its faults and its addresses."""
    market = ScriptedMarket(symbols or ("LTCBTC",))
    venue = SimulatedVenue(market, clock=clock_of_loop(), limits=limits)
    async with venue.serve() as running:
        yield market, venue, running


@asynccontextmanager
async def connected_client(
    path: str, *symbols: str, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, ClientConnection]]:
    """Serve a market that the test drives, with a client that is connected to a path."""
    async with (
        scripted_venue(*symbols, limits=limits) as (market, venue, running),
        connect(f"{running.stream_url}/{path}") as client,
    ):
        await until_connected(venue)
        yield market, venue, client


@asynccontextmanager
async def rest_client(
    *symbols: str, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[tuple[SimulatedVenue, httpx2.AsyncClient]]:
    """Serve a market that the test drives, with a client of its REST API."""
    async with (
        scripted_venue(*symbols, limits=limits) as (_, venue, running),
        http_client(base_url=running.rest_url) as rest,
    ):
        yield venue, rest


async def connect_without_reading(
    running: RunningVenue, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the handshake of a client that then neither reads nor answers."""
    reader, writer = await asyncio.open_connection(running.host, running.port)
    writer.write(
        f"GET /{path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return reader, writer


async def until_connected(venue: SimulatedVenue, connections: int = 1) -> None:
    """Wait until this number of streams is open."""
    await eventually(lambda: venue.observations.connections_open == connections)


async def ask(client: ClientConnection, **fields: object) -> Any:  # noqa: ANN401 - JSON
    """Send a control message and return the reply."""
    await client.send(json.dumps(fields))
    return await next_message(client)


async def next_message(client: ClientConnection) -> Any:  # noqa: ANN401 - any JSON
    """Return the next message, parsed."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        return json.loads(await client.recv())


async def closed_with(client: ClientConnection) -> tuple[int | None, str | None]:
    """Wait until a connection is closed; return its code and reason."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await client.wait_closed()
    return client.close_code, client.close_reason
