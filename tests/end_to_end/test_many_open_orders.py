"""Many open orders: a stop in order, and the next start takes all of them up."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.processes import PapertapeProcess, papertape
from tests.support.raw_http import RawConnection
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.waiting import eventually_true

SYMBOLS: Final = tuple(f"T{number:02}BTC" for number in range(20))
ORDERS: Final = int(os.environ.get("OPEN_ORDERS", "1000"))
WAITING: Final = 100
CONNECTIONS: Final = 40


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    """Twenty symbols whose best ask is above every order."""
    async with scripted_venue(SYMBOLS) as venue:
        quote_all(venue, ask_price="0.0025")
        yield venue


def quote_all(venue: ScriptedVenue, *, ask_price: str) -> None:
    """Display a quantity of one at the same best ask for every symbol."""
    for symbol in SYMBOLS:
        venue.market.push(symbol, bid=("0.0001", "1"), ask=(ask_price, "1"))


def buy(number: int) -> dict[str, Any]:
    """Return the body of an order that rests."""
    return {
        "symbol": SYMBOLS[number % len(SYMBOLS)],
        "order_size": "1",
        "price": "0.0010",
        "timeout_seconds": 3_600,
    }


async def place_all(url: str) -> None:
    """Have so many orders accepted that some more, whose clients wait, make up the number."""

    async def place_some(first: int) -> None:
        connection = await RawConnection.open(url)
        for number in range(first, ORDERS - WAITING, CONNECTIONS):
            answer = await connection.order(buy(number), prefer="respond-async")
            assert answer.status == httpx2.codes.ACCEPTED, answer
        await connection.close()

    await asyncio.gather(*(place_some(first) for first in range(CONNECTIONS)))


@contextlib.asynccontextmanager
async def service(folder: Path, venue: ScriptedVenue, name: str) -> AsyncIterator[PapertapeProcess]:
    """Run the service in a process of its own."""
    async with papertape(
        folder,
        "serve",
        name=name,
        VENUE="simulator",
        BINANCE_STREAM_URL=venue.stream_url,
        BINANCE_REST_URL=venue.rest_url,
    ) as process:
        yield process


async def listener(url: str) -> ClientConnection:
    """Follow all orders from now on."""
    socket = await connect(f"{url}/ws/orders".replace("http", "ws", 1))
    await socket.send(json.dumps({"type": "subscribe"}))
    assert json.loads(await socket.recv())["type"] == "subscribed"
    return socket


async def farewell(socket: ClientConnection) -> tuple[int, str]:
    """Return how the service closes a connection, after whatever it tells before."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code is not None, "it is closed"
    return socket.close_code, socket.close_reason or ""


async def has_accepted(client: httpx2.AsyncClient, total: int) -> bool:
    """Say whether so many orders are stored."""
    found, parameters = 0, {"limit": "1000"}
    while True:
        page = (await client.get("/orders", params=parameters)).json()
        found += len(page["orders"])
        if page["next_cursor"] is None:
            return found == total
        parameters["cursor"] = page["next_cursor"]


async def has_matched_all(client: httpx2.AsyncClient, venue: ScriptedVenue) -> bool:
    """Show each symbol a quote that reaches its orders; say whether all of them fill by now."""
    quote_all(venue, ask_price="0.0009")
    answers = await asyncio.gather(
        *(
            client.get("/orders", params={"symbol": one, "status": "FILLED", "limit": 1})
            for one in SYMBOLS
        )
    )
    return all(answer.json()["orders"] for answer in answers)


async def test_a_stop_tells_everybody_and_the_next_start_matches_all(
    tmp_path: Path, venue: ScriptedVenue
) -> None:
    """Waiting requests get 202 with a Location, listeners a position; all orders are there."""
    async with service(tmp_path, venue, "first") as process:
        async with process.ready_client():
            url = await process.url()
        await place_all(url)
        waiting = [await RawConnection.open(url) for _ in range(WAITING)]
        for number, connection in enumerate(waiting):
            connection.send_order(buy(number))
        async with process.ready_client() as client:
            await eventually_true(lambda: has_accepted(client, ORDERS))
        socket = await listener(url)

        status = await process.stop()

        assert status == 0, process.log
        answers = [await connection.answer() for connection in waiting]
        await asyncio.gather(*(connection.close() for connection in waiting))
        assert {answer.status for answer in answers} == {httpx2.codes.ACCEPTED}
        locations = {answer.headers["location"] for answer in answers}
        assert locations == {f"/order/{answer.body['order_id']}" for answer in answers}
        assert len(locations) == WAITING
        code, reason = await farewell(socket)
        assert (code, reason.startswith("resume after ")) == (1012, True)

    async with service(tmp_path, venue, "second") as process, process.ready_client() as client:
        await eventually_true(lambda: has_matched_all(client, venue))
        assert f'"orders": {ORDERS}, "symbols": {len(SYMBOLS)}' in process.log
        position = reason.removeprefix("resume after ")
        async with connect(f"{await process.url()}/ws/orders".replace("http", "ws", 1)) as socket:
            await socket.send(json.dumps({"type": "subscribe", "after": position}))
            assert json.loads(await socket.recv())["type"] == "subscribed"
            assert json.loads(await socket.recv())["status"] == "FILLED"
