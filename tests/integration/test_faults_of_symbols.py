"""Orders wait while their symbol is halted or delisted, report it, and fill afterwards."""

import asyncio
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from app.simulator.market.venue_quotes import venue_quote
from tests.support.services import (
    ScriptedVenue,
    ServiceUnderTest,
    scripted_venue,
    service_on,
    service_under_test,
)
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
    """Nothing is filled on a halted symbol, also after a restart of the service."""
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

        venue.faults.restore_symbol(SYMBOL)
        async with service_on(venue, tmp_path) as service:

            async def has_filled_nine() -> bool:
                return bool((await service.stored(order_id))["filled_quantity"] == "9")

            await eventually_true(has_filled_nine)

    assert waiting["filled_quantity"] == "5"
    assert SYMBOL in waiting["market"]["explanation"]
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT


STATUSES: Final = ("BREAK", "HALT", "END_OF_DAY", "delisted")
CROSSING: Final = {"symbol": SYMBOL, "order_size": "1", "price": "0.01"}


def halt(venue: ScriptedVenue, status: str) -> None:
    """Stop trading of the symbol."""
    if status == "delisted":
        venue.faults.remove_symbol(SYMBOL)
    else:
        venue.faults.set_status(SYMBOL, status)


async def refusal_of(service: ServiceUnderTest, time_in_force: str) -> str:
    """Post an order that would be filled at once, and return why it is refused."""
    body = CROSSING | {"time_in_force": time_in_force}
    answer = await service.client.post("/order/limit", json=body)
    assert answer.status_code == httpx2.codes.UNPROCESSABLE_CONTENT, answer.text
    return str(answer.json()["errors"][0]["code"])


@pytest.mark.parametrize("status", STATUSES)
async def test_orders_for_a_halted_symbol_are_refused_although_nobody_subscribed(
    status: str, tmp_path: Path
) -> None:
    """The status is asked for when an order comes, in both directions."""
    async with service_under_test(tmp_path, symbols=(SYMBOL, "ETHBTC")) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        halt(service.venue, status)
        refusals = {await refusal_of(service, one) for one in ("IOC", "FOK", "GTD")}
        shown = await service.client.get(f"/symbols/{SYMBOL}")
        service.venue.faults.restore_symbol(SYMBOL)

        async def is_filled() -> bool:
            answer = await service.client.post("/order/limit", json=CROSSING)
            return answer.is_success and bool(answer.json()["status"] == "FILLED")

        await eventually_true(is_filled)

    assert refusals <= {"symbol_not_trading", "unknown_symbol"}
    assert (status == "delisted") or (refusals == {"symbol_not_trading"})
    assert status == "delisted" or shown.json()["status"] in {status, "NOT_TRADING"}
    assert status == "delisted" or not shown.json()["live"]


@pytest.mark.parametrize("status", STATUSES)
async def test_a_halt_under_a_live_symbol_stops_fills_and_its_end_resumes_them(
    status: str, tmp_path: Path
) -> None:
    """The resting order waits and says so, whatever frames and the frozen book show."""
    async with service_under_test(tmp_path, symbols=(SYMBOL, "ETHBTC")) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0027", "5"))
        order_id = await service.place(**ORDER)
        await order_when(service, order_id, "price_not_reached")
        halt(service.venue, status)
        waiting = await order_when(service, order_id, "halted")
        refusals = {await refusal_of(service, one) for one in ("IOC", "FOK", "GTD")}
        # A halted symbol may still send frames, since its orders may be canceled.
        frame = venue_quote(
            symbol=SYMBOL, update_id=1_000_000, bid=("0.0024", "7"), ask=("0.0025", "9")
        ).data
        service.venue.faults.send_frame(SYMBOL, frame)
        await asyncio.sleep(0.5)
        frozen = await service.stored(order_id)
        service.venue.faults.restore_symbol(SYMBOL)
        service.venue.faults.reset_update_ids(1_000_001, symbol=SYMBOL)
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "20"))
        await service.until_status(order_id, "FILLED")

    assert SYMBOL in waiting["market"]["explanation"]
    assert refusals <= {"symbol_not_trading", "unknown_symbol"}
    assert (frozen["status"], frozen["filled_quantity"]) == ("NEW", "0")
