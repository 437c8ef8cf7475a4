"""Many open orders: a clean stop, and the next start resumes all of them."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.processes import papertape
from tests.support.raw_http import RawConnection
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.stream_client import open_stream
from tests.support.waiting import eventually_true

SYMBOLS: Final = tuple(f"T{number:02}BTC" for number in range(20))
ORDERS: Final = int(os.environ.get("OPEN_ORDERS", "1000"))
WAITING: Final = 100
CONNECTIONS: Final = 40


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    """Run a venue with twenty symbols whose best ask is above every order."""
    async with scripted_venue(SYMBOLS) as venue:
        quote_all(venue, ask_price="0.0025")
        yield venue


def quote_all(venue: ScriptedVenue, *, ask_price: str) -> None:
    """Display one lot at the same best ask for every symbol."""
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
    """Place all orders except for those whose clients wait for the end."""

    async def place_some(first: int) -> None:
        connection = await RawConnection.open(url)
        for number in range(first, ORDERS - WAITING, CONNECTIONS):
            answer = await connection.order(buy(number), prefer="respond-async")
            assert answer.status == httpx2.codes.ACCEPTED, answer
        await connection.close()

    await asyncio.gather(*(place_some(first) for first in range(CONNECTIONS)))


async def has_accepted(client: httpx2.AsyncClient, total: int) -> bool:
    """Return whether this number of orders is stored."""
    found, parameters = 0, {"limit": "1000"}
    while True:
        page = (await client.get("/orders", params=parameters)).json()
        found += len(page["orders"])
        if page["next_cursor"] is None:
            return found == total
        parameters["cursor"] = page["next_cursor"]


async def has_matched_all(client: httpx2.AsyncClient, venue: ScriptedVenue) -> bool:
    """Push a quote that reaches the orders of each symbol; return whether all symbols fill."""
    quote_all(venue, ask_price="0.0009")
    answers = await asyncio.gather(
        *(
            client.get("/orders", params={"symbol": one, "status": "FILLED", "limit": 1})
            for one in SYMBOLS
        )
    )
    return all(answer.json()["orders"] for answer in answers)


async def test_a_stop_answers_all_clients_and_the_next_start_matches_all(
    tmp_path: Path, venue: ScriptedVenue
) -> None:
    """Waiting requests get 202 with a Location, listeners a position, and all orders continue."""
    async with papertape(tmp_path, "serve", name="first", **venue.environment) as process:
        async with process.ready_client():
            url = await process.url()
        await place_all(url)
        waiting = [await RawConnection.open(url) for _ in range(WAITING)]
        for number, connection in enumerate(waiting):
            connection.send_order(buy(number))
        async with process.ready_client() as client:
            await eventually_true(lambda: has_accepted(client, ORDERS))
        async with open_stream(url) as stream:
            await stream.subscribe()
            status = await process.stop()

            assert status == 0, process.log
            answers = [await connection.answer() for connection in waiting]
            await asyncio.gather(*(connection.close() for connection in waiting))
            _, closed = await stream.rest()
        assert {answer.status for answer in answers} == {httpx2.codes.ACCEPTED}
        locations = {answer.headers["location"] for answer in answers}
        assert locations == {f"/order/{answer.body['order_id']}" for answer in answers}
        assert len(locations) == WAITING
        assert closed.code == 1012

    async with (
        papertape(tmp_path, "serve", name="second", **venue.environment) as process,
        process.ready_client() as client,
        open_stream(await process.url()) as stream,
    ):
        await eventually_true(lambda: has_matched_all(client, venue))
        assert f'"orders": {ORDERS}, "symbols": {len(SYMBOLS)}' in process.log
        await stream.subscribe(after=closed.resume_after)
        assert (await stream.event())["status"] == "FILLED"
