"""Drills in which a stream is silent or restarts its update ids, on a healthy connection."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.drills import (
    LIMIT,
    SYMBOL,
    buy,
    check_books,
    count_of,
    has_met,
    is_interrupted,
    reason_of,
    splits_of,
    until,
    until_filled,
)
from tests.support.market import PATIENT
from tests.support.scrape import scrape
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.side_by_side import RunDrill
from tests.support.waiting import eventually

DEPTH: Final = "/api/v3/depth"

QUICK_TO_MISS: Final = replace(PATIENT, stall_seconds=1.0)
"""A feed that soon reports a change in depth without a frame."""


async def _stalled(folder: Path) -> None:
    """Frames stop while pings continue, and the last quote is 5 s old: depth shows the change."""
    async with service_under_test(folder, timing=QUICK_TO_MISS) as service:
        buying = await _buy_five(service)
        service.venue.faults.stall()
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "5"))
        await _is_found_by_a_new_order(service, buying, folder)


def _last_frame(kind: str, counter: str) -> RunDrill:
    """Spoil the last frame before a silence, so that its symbol is unknown."""

    async def run(folder: Path) -> None:
        async with service_under_test(folder, timing=QUICK_TO_MISS) as service:
            buying = await _buy_five(service)
            service.venue.faults.spoil(kind)
            service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "5"))
            await until(lambda: _has_counted(service, counter))
            await _is_found_by_a_new_order(service, buying, folder)
            assert await count_of(service, counter) == 1

    return run


async def _is_found_by_a_new_order(
    service: ServiceUnderTest, buying: asyncio.Task[dict[str, object]], folder: Path
) -> None:
    """Place an order at a bid that is gone: it is not filled, and the connection is replaced."""
    await until(lambda: _is_older_than_seconds(service, 5))
    selling = await service.place(symbol=SYMBOL, order_size=1, price="0.0023", side="SELL")
    await eventually(lambda: service.venue.observations.connections_opened == 2)
    moved = service.venue.faults.current_quote(SYMBOL).update_id
    await until(lambda: has_met(service, selling, moved))
    service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.00251", "15"))

    assert splits_of(await buying) == [("0.0025", "5"), ("0.00251", "15")]
    assert reason_of(await service.stored(selling)) == ("NEW", None, "0")
    assert await count_of(service, "lost_stalled") == 1
    await check_books(folder)


async def _confirmed(folder: Path) -> None:
    """Let depth confirm an old quote: a quiet market is not a fault, and the connection stays."""
    async with service_under_test(folder) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "50"))
        first = await buy(service, 5)
        await until(lambda: _is_older_than_seconds(service, 5))
        asked = len(service.venue.observations.depth_requests)

        second = await buy(service, 7)

        assert (first["status"], second["status"]) == ("FILLED", "FILLED")
        assert second["splits"][0]["update_id"] == first["splits"][0]["update_id"]
        assert len(service.venue.observations.depth_requests) == asked + 1
        assert service.venue.observations.connections_opened == 1
        await check_books(folder)


async def _ids_restarted(folder: Path) -> None:
    """Let the update ids restart after an outage: no fill for 10 s, and no lot is sold twice."""
    async with service_under_test(folder) as service:
        buying = await _buy_five(service)
        service.venue.faults.rest_failure(503, path=DEPTH)
        service.venue.faults.reset_update_ids(1)
        service.venue.faults.drop_connections()
        await until(lambda: is_interrupted(service))
        # The 2 s of this order start before the 10 s, so they end first on any machine.
        ending = await service.place(symbol=SYMBOL, order_size=1, price=LIMIT, timeout_seconds=2)
        service.venue.faults.clear_rest_failure()
        await until(service.quote)
        assert (await service.open_orders())[0]["filled_quantity"] == "5"
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "8"))
        await until_filled(service, "8")
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.00251", "12"))

        assert reason_of(await service.stored(ending)) == ("EXPIRED", "NO_MARKET_DATA", "0")
        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "3"), ("0.00251", "12")]
        assert await count_of(service, "seeds_stale") >= 3
        assert (await scrape(service.client))["gate_resets_total"] == 1
        await check_books(folder)


async def _buy_five(service: ServiceUnderTest) -> asyncio.Task[dict[str, object]]:
    """Post an order of 20 and return once it has filled the 5 displayed."""
    service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
    buying = asyncio.create_task(buy(service, 20))
    await until_filled(service, "5")
    return buying


async def _is_older_than_seconds(service: ServiceUnderTest, seconds: float) -> bool:
    quote = await service.quote(SYMBOL)
    return quote is not None and bool(quote["age_milliseconds"] > seconds * 1_000)


async def _has_counted(service: ServiceUnderTest, counter: str) -> bool:
    return await count_of(service, counter) == 1


DRILLS: Final[Mapping[str, RunDrill]] = {
    "update ids that begin anew": _ids_restarted,
    "stalled but pinging": _stalled,
    "last frame is a page of HTML": _last_frame("non_json", "dropped_not_json"),
    "last frame is binary": _last_frame("binary", "dropped_binary"),
    "quiet but well": _confirmed,
}
"""The drills by the names of their rows."""
