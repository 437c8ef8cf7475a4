"""Tests of ``app.simulator.market.mini_tickers``."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from app.clock import SystemClock
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from tests.support.virtual_time import VirtualClock, run_in_virtual_time

KEYS = ["e", "E", "s", "c", "o", "h", "l", "v", "q"]
TIME = "ltcbtc@miniTicker"


def scripted() -> ScriptedMarket:
    """Return a market of two symbols, of which LTCBTC has a quote."""
    market = ScriptedMarket(["LTCBTC", "ETHBTC"])
    market.push("LTCBTC", bid=("0.5", "1"), ask=("0.6", "1"))
    return market


async def read(socket: ClientConnection) -> dict[str, Any]:
    """Return the next frame."""
    frame = json.loads(await socket.recv())
    assert isinstance(frame, dict)
    return frame


def open_stream(running: RunningVenue, path: str) -> connect:
    """Connect a client to a path of the venue."""
    return connect(f"{running.stream_url}{path}", proxy=None)


def test_frame_has_binances_form_and_the_venues_time() -> None:
    """The keys have Binance's order, and the times of two frames are one second apart."""

    async def listen(clock: VirtualClock) -> list[dict[str, Any]]:
        venue = SimulatedVenue(scripted(), clock=clock)
        async with venue.serve() as running, open_stream(running, f"/ws/{TIME}") as socket:
            return [await read(socket) for _ in range(3)]

    frames = run_in_virtual_time(listen)

    assert list(frames[0]) == KEYS
    assert (frames[0]["e"], frames[0]["s"], frames[0]["c"]) == (
        "24hrMiniTicker",
        "LTCBTC",
        "0.50000000",
    )
    assert frames[1]["E"] - frames[0]["E"] == frames[2]["E"] - frames[1]["E"] == 1_000
    assert datetime.fromtimestamp(frames[0]["E"] / 1_000, UTC).year == 2026


def test_prices_are_those_since_the_opening() -> None:
    """A frame shows the last, first, highest and lowest best bid."""

    async def listen(clock: VirtualClock) -> dict[str, Any]:
        market = scripted()
        venue = SimulatedVenue(market, clock=clock)
        async with venue.serve() as running, open_stream(running, f"/ws/{TIME}") as socket:
            frame = await read(socket)
            for bid in ("0.59", "0.4", "0.45"):
                market.push("LTCBTC", bid=(bid, "1"), ask=("0.6", "1"))
                frame = await read(socket)
            return frame

    frame = run_in_virtual_time(listen)

    prices = [frame[key] for key in "cohl"]
    assert prices == ["0.45000000", "0.50000000", "0.59000000", "0.40000000"]


async def test_stream_is_subscribed_listed_and_unsubscribed_like_any() -> None:
    """A combined connection gets wrapped frames."""
    venue = SimulatedVenue(scripted(), clock=SystemClock())
    async with venue.serve() as running, open_stream(running, f"/stream?streams={TIME}") as socket:
        frame = await read(socket)
        await socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        listed = await read(socket)
        await socket.send(f'{{"method":"UNSUBSCRIBE","params":["{TIME}"],"id":2}}')
        answered = await read(socket)

    assert (frame["stream"], frame["data"]["s"]) == (TIME, "LTCBTC")
    assert listed == {"result": [TIME], "id": 1}
    assert answered == {"result": None, "id": 2}


def test_a_symbol_that_does_not_trade_has_no_frames() -> None:
    """A stream is silent if its symbol is unknown, unquoted, halted, delisted or muted."""

    async def listen(clock: VirtualClock) -> list[str]:
        venue = SimulatedVenue(scripted(), clock=clock)
        names = "/".join(f"{one}@miniTicker" for one in ("nosuch", "ethbtc", "ltcbtc"))
        heard = []
        async with venue.serve() as running, open_stream(running, f"/ws/{names}") as socket:
            heard.append((await read(socket))["s"])
            for silence, end in (
                (venue.set_status, venue.restore_symbol),
                (venue.remove_symbol, venue.restore_symbol),
                (venue.mute, partial(venue.mute, on=False)),
            ):
                silence("LTCBTC")
                try:
                    async with asyncio.timeout(5):
                        heard.append(f"{(await read(socket))['s']} while it is silent")
                except TimeoutError:
                    end("LTCBTC")
                    heard.append((await read(socket))["s"])
        return heard

    assert run_in_virtual_time(listen) == ["LTCBTC"] * 4
