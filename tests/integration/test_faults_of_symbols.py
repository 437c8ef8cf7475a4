"""Orders wait while their symbol is halted or delisted, report it, and fill afterwards."""

from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.services import ServiceUnderTest, scripted_venue, service_on
from tests.support.waiting import eventually_true

SYMBOL: Final = "LTCBTC"
ORDER: Final = {"symbol": SYMBOL, "order_size": "20", "price": "0.0026", "timeout_seconds": 3_600}


async def order_when(service: ServiceUnderTest, order_id: str, obstacle: str) -> dict[str, Any]:
    """Return the order once it has this obstacle."""
    order: dict[str, Any] = {}

    async def has_obstacle() -> bool:
        order.update(await service.stored(order_id))
        return order["market"] is not None and bool(order["market"]["obstacle"] == obstacle)

    await eventually_true(has_obstacle)
    return order


@pytest.mark.parametrize("is_delisted", [False, True], ids=["halted", "delisted"])
async def test_orders_wait_while_their_symbol_does_not_trade(
    is_delisted: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """Nothing is filled on a halted symbol, although its depth is still available."""
    async with scripted_venue((SYMBOL, "ETHBTC")) as venue:
        venue.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        async with service_on(venue, tmp_path) as service:
            order_id = await service.place(**ORDER)
            await order_when(service, order_id, "liquidity_taken")

        venue.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "9"))
        if is_delisted:
            venue.faults.remove_symbol(SYMBOL)
        else:
            venue.faults.set_status(SYMBOL)
        async with service_on(venue, tmp_path) as service:
            waiting = await order_when(service, order_id, "halted")
            refused = await service.client.post("/order/limit", json=ORDER)
            if not is_delisted:
                await eventually_true(service.quote)
                waiting = await order_when(service, order_id, "halted")

        venue.faults.restore_symbol(SYMBOL)
        async with service_on(venue, tmp_path) as service:

            async def has_filled_nine() -> bool:
                return bool((await service.stored(order_id))["filled_quantity"] == "9")

            await eventually_true(has_filled_nine)

    assert waiting["filled_quantity"] == "5"
    assert SYMBOL in waiting["market"]["explanation"]
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT
