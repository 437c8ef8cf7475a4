"""A venue whose quotes the test pushes, and a client of its streams."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection

from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import WAIT_SECONDS_MAX

ANSWER_SECONDS_MAX: Final = WAIT_SECONDS_MAX
BID: Final = ("0.002577", "1")
ASK: Final = ("0.002578", "2")


@asynccontextmanager
async def scripted_venue(
    *symbols: str, limits: VenueLimits = BINANCE_LIMITS
) -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, RunningVenue]]:
    """Serve a market that the test drives."""
    market = ScriptedMarket(symbols or ("LTCBTC",))
    venue = SimulatedVenue(market, clock=clock_of_loop(), limits=limits)
    async with venue.serve() as running:
        yield market, venue, running


async def ask(client: ClientConnection, **fields: object) -> Any:  # noqa: ANN401 - JSON
    """Send a control message and return the reply."""
    await client.send(json.dumps(fields))
    return await next_message(client)


async def next_message(client: ClientConnection) -> Any:  # noqa: ANN401 - any JSON
    """Return the next message, parsed."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        return json.loads(await client.recv())


async def closed_with(client: ClientConnection) -> tuple[int | None, str | None]:
    """Wait for the end of a connection and return its code and reason."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await client.wait_closed()
    return client.close_code, client.close_reason
