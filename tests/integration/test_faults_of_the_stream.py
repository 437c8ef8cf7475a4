"""A stream that says nothing, or counts anew, on a connection that looks alive."""

import asyncio
from pathlib import Path

from tests.support.drills import (
    SYMBOL,
    buy,
    count_of,
    is_interrupted,
    reason_of,
    splits_of,
    until_filled,
)
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.waiting import eventually, eventually_true


async def test_a_stream_that_stalls_while_it_pings_is_found_by_a_new_order(
    tmp_path: Path,
) -> None:
    """The connection looks alive, and its last quote is 5 s old: depth knows better.

    The new order is not filled on what is gone, and the connection is replaced.
    """
    async with service_under_test(tmp_path) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        buying = asyncio.create_task(buy(service, 20))
        await until_filled(service, "5")

        service.venue.faults.stall()
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "5"))
        await eventually_true(lambda: is_older_than_seconds(service, 5))
        selling = await service.order(
            symbol=SYMBOL, order_size=1, price="0.0023", side="SELL", timeout_seconds=0.5
        )
        await eventually(lambda: service.venue.observations.connections_opened == 2)
        service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.00251", "15"))

        assert reason_of(selling) == ("EXPIRED", "TIMEOUT", "0")
        assert splits_of(await buying) == [("0.0025", "5"), ("0.00251", "15")]
        assert await count_of(service, "lost_stalled") == 1


async def test_an_old_quote_that_depth_confirms_is_filled_at_once(tmp_path: Path) -> None:
    """A quiet market is no fault: the connection stays, and the order gets what is displayed."""
    async with service_under_test(tmp_path) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "50"))
        first = await buy(service, 5)
        await eventually_true(lambda: is_older_than_seconds(service, 5))
        asked = len(service.venue.observations.depth_requests)

        second = await buy(service, 7)

        assert (first["status"], second["status"]) == ("FILLED", "FILLED")
        assert second["splits"][0]["update_id"] == first["splits"][0]["update_id"]
        assert len(service.venue.observations.depth_requests) == asked + 1
        assert service.venue.observations.connections_opened == 1


async def test_update_ids_that_begin_anew_are_believed_after_three_seeds(tmp_path: Path) -> None:
    """A venue that counts anew after an outage fills nothing for 10 s, and nothing twice."""
    async with service_under_test(tmp_path) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        buying = asyncio.create_task(buy(service, 20))
        await until_filled(service, "5")

        service.venue.faults.reset_update_ids(1)
        service.venue.faults.drop_connections()
        await eventually_true(lambda: is_interrupted(service))
        await eventually_true(lambda: is_not_interrupted(service))
        assert (await service.open_orders())[0]["filled_quantity"] == "5"
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "8"))
        await until_filled(service, "8")
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.00251", "12"))

        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "3"), ("0.00251", "12")]
        assert await count_of(service, "seeds_stale") >= 3


async def is_older_than_seconds(service: ServiceUnderTest, seconds: float) -> bool:
    """Whether the current quote is so old."""
    quote = (await service.client.get(f"/symbols/{SYMBOL}")).json()["quote"]
    return quote is not None and bool(quote["age_milliseconds"] > seconds * 1_000)


async def is_not_interrupted(service: ServiceUnderTest) -> bool:
    """Whether the symbol has a current quote."""
    return not await is_interrupted(service)
