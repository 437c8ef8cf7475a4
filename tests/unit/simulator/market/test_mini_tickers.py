"""Tests of ``app.simulator.market.mini_tickers``."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from websockets.asyncio.client import ClientConnection

from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import connect
from tests.support.venues import ask, next_message
from tests.support.virtual_time import clock_of_loop, in_virtual_time

TIME = "ltcbtc@miniTicker"


@asynccontextmanager
async def listening(
    path: str,
) -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, ClientConnection]]:
    """Serve two symbols, of which LTCBTC has a quote, with a client of a path."""
    market = ScriptedMarket(["LTCBTC", "ETHBTC"])
    market.push("LTCBTC", bid=("0.5", "1"), ask=("0.6", "1"))
    venue = SimulatedVenue(market, clock=clock_of_loop())
    async with venue.serve() as running, connect(f"{running.stream_url}/{path}") as client:
        yield market, venue, client


@in_virtual_time
async def test_frame_has_binances_form_and_the_venues_time() -> None:
    """The keys have Binance's order, and the times of two frames are one second apart."""
    async with listening(f"ws/{TIME}") as (_, _, client):
        frames = [await next_message(client) for _ in range(3)]

    assert list(frames[0]) == ["e", "E", "s", "c", "o", "h", "l", "v", "q"]
    assert [frames[0][key] for key in "esc"] == ["24hrMiniTicker", "LTCBTC", "0.50000000"]
    assert frames[1]["E"] - frames[0]["E"] == frames[2]["E"] - frames[1]["E"] == 1_000
    assert datetime.fromtimestamp(frames[0]["E"] / 1_000, UTC).year == 2026


@in_virtual_time
async def test_prices_are_those_since_the_opening() -> None:
    """A frame shows the last, first, highest and lowest best bid."""
    async with listening(f"ws/{TIME}") as (market, _, client):
        frame = await next_message(client)
        for bid in ("0.59", "0.4", "0.45"):
            market.push("LTCBTC", bid=(bid, "1"), ask=("0.6", "1"))
            frame = await next_message(client)

    prices = [frame[key] for key in "cohl"]
    assert prices == ["0.45000000", "0.50000000", "0.59000000", "0.40000000"]


@in_virtual_time
async def test_stream_is_subscribed_listed_and_unsubscribed_like_any() -> None:
    """A combined connection gets wrapped frames."""
    async with listening(f"stream?streams={TIME}") as (_, _, client):
        frame = await next_message(client)
        listed = await ask(client, method="LIST_SUBSCRIPTIONS", id=1)
        answered = await ask(client, method="UNSUBSCRIBE", params=[TIME], id=2)

    assert (frame["stream"], frame["data"]["s"]) == (TIME, "LTCBTC")
    assert listed == {"result": [TIME], "id": 1}
    assert answered == {"result": None, "id": 2}


@in_virtual_time
async def test_a_symbol_that_does_not_trade_has_no_frames() -> None:
    """A stream is silent if its symbol is unknown, unquoted, halted, delisted or muted."""
    streams = "/".join(f"{one}@miniTicker" for one in ("nosuch", "ethbtc", "ltcbtc"))
    async with listening(f"ws/{streams}") as (_, venue, client):
        heard = [await next_message(client)]
        for silence, end in (
            (venue.set_status, venue.restore_symbol),
            (venue.remove_symbol, venue.restore_symbol),
            (venue.mute, partial(venue.mute, on=False)),
        ):
            silence("LTCBTC")
            silent_until = asyncio.get_running_loop().call_later(5, end, "LTCBTC").when()
            heard.append(await next_message(client))
            assert asyncio.get_running_loop().time() >= silent_until

    assert [frame["s"] for frame in heard] == ["LTCBTC"] * 4
