"""The venue's connection fails while orders rest: the same drill for each way of failing."""

import asyncio
from pathlib import Path

import pytest

from tests.support.drills import (
    SYMBOL,
    Fault,
    buy,
    count_of,
    drill,
    is_interrupted,
    splits_of,
    until_filled,
)
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.waiting import eventually_true


async def drop(service: ServiceUnderTest) -> None:
    """Cut the connection without a word, and let none in."""
    service.venue.faults.refuse_connections()
    service.venue.faults.drop_connections()


async def close(service: ServiceUnderTest) -> None:
    """Close the connection as the venue does with those who do not answer its pings."""
    service.venue.faults.refuse_connections()
    service.venue.faults.close_connections(1008, "Pong timeout")


async def end_the_day(service: ServiceUnderTest) -> None:
    """Close the connection as the venue does after 24 hours, and answer the next with 503."""
    service.venue.faults.refuse_connections(status=503)
    service.venue.faults.close_connections(1001, "24 hours")


async def swallow(service: ServiceUnderTest) -> None:
    """Leave the connection open and dead, as a network does that has forgotten it."""
    service.venue.faults.refuse_connections()
    service.venue.faults.swallow()


async def announce_and_go(service: ServiceUnderTest) -> None:
    """Announce a shutdown, let nobody in any more, and go."""
    service.venue.faults.refuse_connections()
    service.venue.faults.announce_shutdown(close_after_seconds=0.2)


async def reset_handshakes(service: ServiceUnderTest) -> None:
    """Accept connections and cut them before they are WebSockets."""
    service.venue.faults.reset_handshakes()
    service.venue.faults.drop_connections()


async def keep_waiting(service: ServiceUnderTest) -> None:
    """Let handshakes take longer than anybody waits for them."""
    service.venue.faults.delay_handshakes(30)
    service.venue.faults.drop_connections()


async def come_back(service: ServiceUnderTest) -> None:
    """End all of it."""
    service.venue.faults.clear()


FAULTS = {
    "dropped": Fault(begins=drop, ends=come_back, counter="lost_reset"),
    "closed with 1008": Fault(begins=close, ends=come_back, counter="lost_closed_by_venue"),
    "its day is over": Fault(begins=end_the_day, ends=come_back, counter="failed_http_status"),
    "half open": Fault(begins=swallow, ends=come_back, counter="lost_keepalive", seconds_max=10.5),
    "shut down": Fault(begins=announce_and_go, ends=come_back, counter="lost_shutdown"),
    "handshakes reset": Fault(begins=reset_handshakes, ends=come_back, counter="failed_handshake"),
    "handshakes too slow": Fault(
        begins=keep_waiting, ends=come_back, counter="failed_timeout", seconds_max=5
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_orders_go_on_after_the_fault(name: str, tmp_path: Path) -> None:
    """Nothing from before the fault is believed, nothing is sold twice, everything is explained."""
    async with service_under_test(tmp_path) as service:
        await drill(service, FAULTS[name], tmp_path)


async def test_a_venue_that_is_gone_for_a_while_is_found_again(tmp_path: Path) -> None:
    """Connections are refused by the machine itself, depth too, and the order goes on afterwards.

    Attempts are at most 5 s apart at first.
    """
    async with service_under_test(tmp_path) as service:
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
        buying = asyncio.create_task(buy(service, 10))
        await until_filled(service, "5")

        service.venue.faults.vanish(2)
        await eventually_true(lambda: is_interrupted(service))
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "6"))
        await until_filled(service, "6")
        service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.00251", "4"))

        assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "1"), ("0.00251", "4")]
        assert await count_of(service, "failed_refused") > 0
