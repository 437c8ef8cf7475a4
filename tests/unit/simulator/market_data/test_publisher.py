"""Tests of ``app.simulator.market_data.publisher``, in virtual time."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from websockets.asyncio.client import ClientConnection

from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import connect
from tests.support.venues import ask, next_message
from tests.support.virtual_time import clock_of_loop

pytestmark = pytest.mark.virtual_time

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


async def test_frame_has_binances_form_and_the_venues_time() -> None:
    """The keys have Binance's order, and the times of two frames are one second apart."""
    async with listening(f"ws/{TIME}") as (_, _, client):
        frames = [await next_message(client) for _ in range(3)]

    assert list(frames[0]) == ["e", "E", "s", "c", "o", "h", "l", "v", "q"]
    assert [frames[0][key] for key in "es"] == ["24hrMiniTicker", "LTCBTC"]
    assert frames[1]["E"] - frames[0]["E"] == frames[2]["E"] - frames[1]["E"] == 1_000
    assert datetime.fromtimestamp(frames[0]["E"] / 1_000, UTC).year == 2026


@pytest.mark.parametrize(
    ("kind", "milliseconds"),
    [
        ("depth5@100ms", 100),
        ("depth5", 1_000),
        ("ticker", 1_000),
        ("avgPrice", 1_000),
        ("kline_1s", 1_000),
        ("kline_1m", 2_000),
    ],
)
async def test_frames_come_at_the_documented_speed(kind: str, milliseconds: int) -> None:
    """Each kind has an update speed of its own."""
    loop = asyncio.get_running_loop()
    async with listening(f"ws/ltcbtc@{kind}") as (_, _, client):
        at = []
        for _ in range(4):
            await next_message(client)
            at.append(loop.time())

    pauses = [round(1_000 * (after - before)) for before, after in itertools.pairwise(at)]
    assert pauses == [milliseconds] * 3


async def test_prices_are_those_of_the_trades_since_the_opening() -> None:
    """A frame shows the last, first, highest and lowest price."""
    async with listening("ws/ltcbtc@trade/ltcbtc@miniTicker") as (market, venue, client):
        await next_message(client)
        for number in range(40):
            market.push("LTCBTC", bid=("0.5", str(100 - number)), ask=(f"0.{600 + number}", "1"))
        trades = list(venue._data["LTCBTC"].trades.recent)
        frame = await next_message(client)
        while frame["e"] == "trade":
            frame = await next_message(client)

    prices = [trade.price / 10**8 for trade in trades]
    expected = [prices[-1], prices[0], max(prices), min(prices)]
    assert len(set(prices)) > 5
    assert [float(frame[key]) for key in "cohl"] == expected
    assert float(frame["v"]) == pytest.approx(sum(one.quantity for one in trades) / 10**8)


async def test_stream_is_subscribed_listed_and_unsubscribed_like_any() -> None:
    """A combined connection gets wrapped frames."""
    async with listening(f"stream?streams={TIME}") as (_, _, client):
        frame = await next_message(client)
        listed = await ask(client, method="LIST_SUBSCRIPTIONS", id=1)
        answered = await ask(client, method="UNSUBSCRIBE", params=[TIME], id=2)

    assert (frame["stream"], frame["data"]["s"]) == (TIME, "LTCBTC")
    assert listed == {"result": [TIME], "id": 1}
    assert answered == {"result": None, "id": 2}


@pytest.mark.parametrize("kind", ["miniTicker", "ticker", "kline_1s", "depth5", "avgPrice"])
async def test_a_symbol_that_does_not_trade_has_no_frames(kind: str) -> None:
    """A stream is silent if its symbol is unknown, halted, delisted or muted."""
    streams = "/".join(f"{one}@{kind}" for one in ("nosuch", "ltcbtc"))
    async with listening(f"stream?streams={streams}") as (_, venue, client):
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

    assert [frame["stream"] for frame in heard] == [f"ltcbtc@{kind}"] * 4


async def test_an_unquoted_symbol_has_no_mini_ticker() -> None:
    """It has no price yet; ETHBTC gets its first quote later."""
    async with listening("ws/ethbtc@miniTicker/ltcbtc@miniTicker") as (market, _, client):
        heard = {(await next_message(client))["s"] for _ in range(3)}
        market.push("ETHBTC", bid=("0.5", "1"), ask=("0.6", "1"))
        later = {(await next_message(client))["s"] for _ in range(4)}

    assert heard == {"LTCBTC"}
    assert later == {"LTCBTC", "ETHBTC"}
