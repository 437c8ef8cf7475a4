"""exchangeInfo fails in every known way: the stored rules stay, and the cause is reported."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import pytest

from app import composition
from app.market.rest import RestLimits, VenueRest
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX
from app.simulator.venue.server import SimulatedVenue
from tests.support.scrape import scrape
from tests.support.services import ServiceUnderTest, scripted_venue, service_on
from tests.support.side_by_side import run_side_by_side
from tests.support.waiting import eventually_true

PATH: Final = "/api/v3/exchangeInfo"
REFUSALS: Final = (403, 418, 429, 451, 500, 502, 503)
OBEYED: Final = (418, 429)


def _refuse_rules(venue: SimulatedVenue, *, status: int) -> None:
    venue.rest_failure(status, retry_after=1 if status in OBEYED else None, path=PATH)


AT_THE_START: Final[dict[str, tuple[Callable[[SimulatedVenue], None], str]]] = {
    "slow": (lambda venue: venue.slow_rest(DELAY_SECONDS_MAX, path=PATH), ""),
    "down": (lambda venue: venue.vanish(DELAY_SECONDS_MAX), "exchangeInfo"),
    "HTML": (lambda venue: venue.html(path=PATH), "not an exchangeInfo body"),
    **{
        str(status): (
            partial(_refuse_rules, status=status),
            "wait" if status in OBEYED else str(status),
        )
        for status in REFUSALS
    },
}
"""The failure of exchangeInfo at the second start, and a text of the reported cause."""


async def test_orders_are_taken_and_filled_for_every_failure_of_exchange_info(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart uses the stored rules, reports the cause, fills orders and recovers."""
    limits = RestLimits(exchange_info_seconds_max=10)  # as long as one row waits for its recovery
    monkeypatch.setattr(composition, "VenueRest", partial(VenueRest, limits=limits))
    drills = {
        name: partial(_start_once_more, fail=fail, cause=cause)
        for name, (fail, cause) in AT_THE_START.items()
    }
    found = await run_side_by_side(drills, tmp_path)
    assert found == dict.fromkeys(drills)


async def _start_once_more(
    folder: Path, *, fail: Callable[[SimulatedVenue], None], cause: str
) -> None:
    """Run the service once to store its rules, then again with the fault."""
    order = {"symbol": "LTCBTC", "order_size": "3", "timeout_seconds": 3_600}
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=("0.0024", "7"), ask=("0.0025", "5"))
        async with service_on(venue, folder) as service:
            await eventually_true(partial(_rules_are_from_the_venue, service))
        fail(venue.faults)
        async with service_on(venue, folder) as service:
            if cause:
                await eventually_true(lambda: _reports(service, cause))
            before = (await service.ready())["rules"]
            refused = await service.client.post(
                "/order/limit", json=order | {"price": "0.00000000001"}
            )
            order_id = await service.place(**order, price="0.0026")
            if venue.faults.is_vanished:  # then its streams are gone, too
                await venue.faults.reappear()
            await service.until_status(order_id, "FILLED")
            figures = await scrape(service.client)
            venue.faults.clear_rest_failure()
            await eventually_true(lambda: _rules_are_from_the_venue(service))
            after = (await service.ready())["rules"]

    assert before["source"] == "stored"
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT
    assert after["cause"] is None
    if cause:
        assert figures["rules_refresh_failures_total"] > 0


async def _reports(service: ServiceUnderTest, cause: str) -> bool:
    return cause in str((await service.ready())["rules"]["cause"])


async def _rules_are_from_the_venue(service: ServiceUnderTest) -> bool:
    return bool((await service.ready())["rules"]["source"] == "venue")


async def test_rules_that_changed_meanwhile_decide_after_the_start(tmp_path: Path) -> None:
    """An order that only the stored rules allow is refused by the venue's newer rules."""
    order = {"symbol": "LTCBTC", "order_size": "1", "price": "0.00255", "timeout_seconds": 0.2}
    async with scripted_venue() as venue:
        for is_changed in (False, True):
            if is_changed:
                venue.faults.change_rules("LTCBTC", tick_size=Decimal("0.0001"))
            async with service_on(venue, tmp_path) as service:
                await eventually_true(partial(_rules_are_from_the_venue, service))
                answer = await service.client.post("/order/limit", json=order)
                assert answer.is_success is not is_changed, answer.text
                assert ("PRICE_FILTER" in answer.text) is is_changed
