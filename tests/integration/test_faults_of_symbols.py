"""Orders wait while their symbol is halted or delisted, report it, and fill afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.connections import http_client
from tests.support.services import (
    ScriptedVenue,
    make_settings,
    scripted_venue,
    started,
    until_ready,
)
from tests.support.waiting import eventually_true

SYMBOL: Final = "LTCBTC"
ORDER: Final = {"symbol": SYMBOL, "order_size": "20", "price": "0.0026", "timeout_seconds": 3_600}


@asynccontextmanager
async def service_on(venue: ScriptedVenue, folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the service, which loads the rules when it starts, and a client for it."""
    settings = make_settings(folder, stream_url=venue.stream_url, rest_url=venue.rest_url)
    async with (
        started(settings) as url,
        http_client(base_url=url) as client,
    ):
        await until_ready(client)
        yield client


async def order_when(client: httpx2.AsyncClient, order_id: str, obstacle: str) -> dict[str, Any]:
    """Return the order once it has this obstacle."""
    order: dict[str, Any] = {}

    async def says_so() -> bool:
        order.clear()
        order.update((await client.get(f"/order/{order_id}")).json())
        return order["market"] is not None and bool(order["market"]["obstacle"] == obstacle)

    await eventually_true(says_so)
    return order


@pytest.mark.parametrize("is_delisted", [False, True], ids=["halted", "delisted"])
async def test_orders_wait_while_their_symbol_does_not_trade(
    is_delisted: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """Nothing is filled on a halted symbol, although its depth is still available."""
    async with scripted_venue((SYMBOL, "ETHBTC")) as venue:
        venue.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        async with service_on(venue, tmp_path) as client:
            answer = await client.post(
                "/order/limit", json=ORDER, headers={"Prefer": "respond-async"}
            )
            order_id = answer.json()["order_id"]
            await order_when(client, order_id, "liquidity_taken")

        venue.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "9"))
        if is_delisted:
            venue.faults.remove_symbol(SYMBOL)
        else:
            venue.faults.set_status(SYMBOL)
        async with service_on(venue, tmp_path) as client:
            waiting = await order_when(client, order_id, "halted")
            refused = await client.post("/order/limit", json=ORDER)
            if not is_delisted:
                await eventually_true(lambda: is_quoted(client))
                waiting = await order_when(client, order_id, "halted")

        venue.faults.restore_symbol(SYMBOL)
        async with service_on(venue, tmp_path) as client:
            await eventually_true(lambda: has_filled(client, order_id, "9"))

    assert waiting["filled_quantity"] == "5"
    assert "LTCBTC" in waiting["market"]["explanation"]
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT


async def is_quoted(client: httpx2.AsyncClient) -> bool:
    """Return whether the symbol has a current quote."""
    return (await client.get(f"/symbols/{SYMBOL}")).json()["quote"] is not None


async def has_filled(client: httpx2.AsyncClient, order_id: str, quantity: str) -> bool:
    """Return whether this quantity of the order is filled."""
    order = (await client.get(f"/order/{order_id}")).json()
    return bool(order["filled_quantity"] == quantity)
