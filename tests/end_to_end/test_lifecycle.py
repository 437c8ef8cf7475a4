"""Stops, kills and restarts of real processes: nothing accepted is lost, nothing is sold twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.connections import http_client
from tests.support.processes import PapertapeProcess, papertape
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.waiting import eventually, eventually_true

HASTY_SECONDS = 5.0
PATIENT_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A venue in the test's hands, and the folder in which services keep their database."""

    folder: Path
    venue: ScriptedVenue

    @contextlib.asynccontextmanager
    async def service(
        self, name: str = "service", **settings: str
    ) -> AsyncIterator[tuple[PapertapeProcess, httpx2.AsyncClient]]:
        """Run `papertape serve`, and wait until it takes orders."""
        addresses = {
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": self.venue.stream_url,
            "BINANCE_REST_URL": self.venue.rest_url,
        }
        async with (
            papertape(self.folder, "serve", name=name, **addresses | settings) as process,
            process.ready_client() as client,
        ):
            yield process, client

    def quote(self, quantity: str, price: str = "0.0025") -> None:
        """Display ``quantity`` at the best ask."""
        self.venue.market.push("LTCBTC", bid=("0.0020", "1"), ask=(price, quantity))


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A market with one symbol and nothing displayed yet."""
    async with scripted_venue() as venue:
        yield Scene(folder=tmp_path, venue=venue)


def buy(size: int, *, timeout_seconds: float = PATIENT_SECONDS) -> dict[str, Any]:
    """Make the body of an order that takes asks up to 0.0026."""
    return {
        "symbol": "LTCBTC",
        "order_size": size,
        "price": "0.0026",
        "timeout_seconds": timeout_seconds,
    }


async def orders(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Return the newest orders."""
    return list((await client.get("/orders")).json()["orders"])


async def has(client: httpx2.AsyncClient, filled_by_size: dict[str, str]) -> bool:
    """Say whether the orders of these sizes are filled by exactly so much."""
    found = {one["order_size"]: one["filled_quantity"] for one in await orders(client)}
    return found.items() >= filled_by_size.items()


async def newest(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Return the newest order, or an empty one."""
    orders = (await client.get("/orders", params={"limit": 1})).json()["orders"]
    return dict(orders[0]) if orders else {"filled_quantity": None, "status": None}


async def until_filled(client: httpx2.AsyncClient, quantity: str) -> dict[str, Any]:
    """Wait until so much of the newest order is durably filled; return the order."""

    async def is_filled() -> bool:
        return bool((await newest(client))["filled_quantity"] == quantity)

    await eventually_true(is_filled)
    order_id = (await newest(client))["order_id"]
    return dict((await client.get(f"/order/{order_id}")).json())


async def test_sigterm_waits_for_no_order_and_each_goes_on_after_the_restart(scene: Scene) -> None:
    """Who waits gets the order as it stands; the next process fills the rest, and no lot twice."""
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


async def test_kill_loses_nothing_and_sells_nothing_twice(scene: Scene) -> None:
    """After `kill -9` what was accepted and taken is known; whose time passed meanwhile is closed.

    The patient order goes on where it stood. The hasty one is closed with the reason: no fill is
    invented for the time when the service was down.
    """
    scene.quote("5")
    async with scene.service("first") as (process, client):
        posting = asyncio.create_task(client.post("/order/limit", json=buy(8)))
        await eventually_true(lambda: has(client, {"8": "5"}))
        accepted = await client.post(
            "/order/limit",
            json=buy(3, timeout_seconds=HASTY_SECONDS),
            headers={"Prefer": "respond-async"},
        )
        await process.kill()
        assert accepted.status_code == httpx2.codes.ACCEPTED
        (outcome,) = await asyncio.gather(posting, return_exceptions=True)
        assert isinstance(outcome, httpx2.TransportError)
    # The hasty order's time has to pass while nobody serves it.
    expires_at = datetime.fromisoformat(accepted.json()["expires_at"])
    await eventually(lambda: datetime.now(UTC) > expires_at)

    async with scene.service("second") as (_, client):
        await eventually_true(lambda: is_live(client))
        late = await client.post("/order/limit", json=buy(5, timeout_seconds=0.2))
        assert late.json()["filled_quantity"] == "0"
        assert await has(client, {"8": "5", "3": "0"})
        scene.quote("8")
        await eventually_true(lambda: has(client, {"8": "8", "3": "0"}))
        hasty = next(one for one in await orders(client) if one["order_size"] == "3")

    assert (hasty["status"], hasty["reason"]) == ("EXPIRED", "TIMEOUT_DURING_OUTAGE")


async def test_of_two_services_on_one_database_one_serves(scene: Scene) -> None:
    """The other ends with one line that names the owner; a kill frees the database."""
    async with scene.service("first") as (first, _):
        async with papertape(
            scene.folder,
            "serve",
            name="second",
            VENUE="simulator",
            BINANCE_STREAM_URL=scene.venue.stream_url,
            BINANCE_REST_URL=scene.venue.rest_url,
        ) as second:
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
    """The stored ledger forgets what the market passed; summing splits would hold nearly all back.

    Levels return twelve times and 25 orders take from each visit. An unbroken run would see the
    level emptied and renewed, and sell all 100 of it.
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


async def test_the_service_starts_without_a_venue_and_recovers_by_itself(scene: Scene) -> None:
    """It says what it cannot reach, keeps trying, and takes orders once the venue is there."""
    scene.venue.faults.refuse_connections()
    scene.venue.faults.rest_failure(502, "<html>502 Bad Gateway</html>")
    async with papertape(
        scene.folder,
        "serve",
        VENUE="simulator",
        BINANCE_STREAM_URL=scene.venue.stream_url,
        BINANCE_REST_URL=scene.venue.rest_url,
    ) as process:
        async with http_client(base_url=await process.url()) as client:
            ready = await client.get("/readyz")
            assert ready.status_code == httpx2.codes.SERVICE_UNAVAILABLE
            assert "rules" in ready.text
            await eventually(lambda: "502" in process.log)

        scene.venue.faults.clear_rest_failure()
        scene.venue.faults.refuse_connections(on=False)
        scene.quote("5")
        async with process.ready_client() as client:
            answer = await client.post("/order/limit", json=buy(5))

    assert answer.json()["status"] == "FILLED"


async def is_live(client: httpx2.AsyncClient) -> bool:
    """Say whether the service has a current quote of the symbol."""
    return (await client.get("/symbols/LTCBTC")).json()["quote"] is not None
