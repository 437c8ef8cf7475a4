"""Stops, kills and restarts of real processes: no order is lost, and no lot is sold twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.connections import http_client
from tests.support.processes import PapertapeProcess, papertape
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.waiting import eventually_true


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A venue whose quotes the test pushes, and the folder of the services' database."""

    folder: Path
    venue: ScriptedVenue

    @contextlib.asynccontextmanager
    async def service(
        self, name: str = "service", **settings: str
    ) -> AsyncIterator[tuple[PapertapeProcess, httpx2.AsyncClient]]:
        """Run `papertape serve` until orders are accepted; yield it and a client for it."""
        settings |= self.venue.environment
        async with (
            papertape(self.folder, "serve", name=name, **settings) as process,
            process.ready_client() as client,
        ):
            yield process, client

    def quote(self, quantity: str, price: str = "0.0025") -> None:
        """Display ``quantity`` at the best ask."""
        self.venue.market.push("LTCBTC", bid=("0.0020", "1"), ask=(price, quantity))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Run a venue with one symbol that displays nothing yet."""
    async with scripted_venue() as venue:
        yield Scene(folder=tmp_path, venue=venue)


def buy(size: int) -> dict[str, Any]:
    """Return the body of an order that takes asks up to 0.0026."""
    return {"symbol": "LTCBTC", "order_size": size, "price": "0.0026", "timeout_seconds": 3_600}


async def until_filled(client: httpx2.AsyncClient, quantity: str) -> dict[str, Any]:
    """Wait until this quantity of the newest order is filled; return the order."""
    newest: dict[str, Any] = {}

    async def is_filled() -> bool:
        for order in (await client.get("/orders", params={"limit": 1})).json()["orders"]:
            newest.update(order)
        return newest.get("filled_quantity") == quantity

    await eventually_true(is_filled)
    return dict((await client.get(f"/order/{newest['order_id']}")).json())


async def test_sigterm_waits_for_no_order_and_each_continues_later(
    scene: Scene,
) -> None:
    """A waiting client gets the open order; the next process fills the rest, and no lot twice."""
    scene.quote("5")
    async with scene.service("first") as (process, client):
        posting = asyncio.create_task(client.post("/order/limit", json=buy(8)))
        await until_filled(client, "5")

        status = await process.stop()

        assert status == 0, process.log
        answer = await posting
        assert answer.status_code == httpx2.codes.ACCEPTED
        assert answer.json()["filled_quantity"] == "5"
        location = answer.headers["Location"]

    async with scene.service("second") as (_, client):
        await eventually_true(lambda: is_live(client))
        assert (await client.get(location)).json()["filled_quantity"] == "5"
        scene.quote("7")
        await until_filled(client, "7")
        scene.quote("9", price="0.00251")
        order = await until_filled(client, "8")

    assert order["status"] == "FILLED"
    assert [one["quantity"] for one in order["splits"]] == ["5", "2", "1"]


async def test_of_two_services_on_one_database_one_serves(scene: Scene) -> None:
    """The other service exits with one line that names the owner; a kill frees the database."""
    async with scene.service("first") as (first, _):
        settings = scene.venue.environment
        async with papertape(scene.folder, "serve", name="second", **settings) as second:
            assert await second.wait() == 1
            complaint = second.log.strip().splitlines()[-1]
            assert complaint.startswith("papertape: ")
            assert f"pid {first.pid}" in complaint
        await first.kill()

    async with scene.service("third") as (_, client):
        assert (await client.get("/healthz")).status_code == httpx2.codes.OK


async def test_a_renewed_level_sells_again_after_hundreds_of_orders_and_a_kill(
    scene: Scene,
) -> None:
    """The stored ledger forgets levels that the market passed; a sum of splits would not.

    Levels return twelve times, and 25 orders take from each visit. A run without the kill would see
    the level emptied and renewed, and sell all 100 lots of it.
    """
    prices = ("0.0025", "0.00251")
    async with scene.service("first", ORDER_TIMEOUT_SECONDS="3600") as (process, _):
        async with http_client(base_url=await process.url()) as client:
            for visit in range(12):
                scene.quote("30", price=prices[visit % 2])
                answers = await asyncio.gather(
                    *(client.post("/order/limit", json=buy(1)) for _ in range(25))
                )
                assert {one.json()["status"] for one in answers} == {"FILLED"}
                scene.quote("1", price="0.0030")
            scene.quote("30", price=prices[0])
        await process.kill()
    scene.quote("100", price=prices[0])

    async with scene.service("second") as (_, client):
        answer = await client.post(
            "/order/limit", json=buy(100), headers={"Prefer": "respond-async"}
        )
        location = answer.headers["Location"]

        async def has_what_is_displayed() -> bool:
            order = (await client.get(location)).json()
            return Decimal(order["filled_quantity"]) >= 90

        await eventually_true(has_what_is_displayed)


async def is_live(client: httpx2.AsyncClient) -> bool:
    """Return whether the service has a current quote of the symbol."""
    return (await client.get("/symbols/LTCBTC")).json()["quote"] is not None
