"""The venue's connection fails while orders rest: the same drill for each way of failing."""

from pathlib import Path

import pytest

from tests.support.drills import Fault, drill
from tests.support.services import ServiceUnderTest, service_under_test


async def drop(service: ServiceUnderTest) -> None:
    """Cut the connection without a word, and let none in."""
    service.venue.faults.refuse_connections()
    service.venue.faults.drop_connections()


async def close(service: ServiceUnderTest) -> None:
    """Close the connection as the venue does with those who do not answer its pings."""
    service.venue.faults.refuse_connections()
    service.venue.faults.close_connections(1008, "Pong timeout")


async def let_in(service: ServiceUnderTest) -> None:
    """Take connections again."""
    service.venue.faults.refuse_connections(refused=False)


FAULTS = {
    "dropped": Fault(begins=drop, ends=let_in, counter="reconnects"),
    "closed with 1008": Fault(begins=close, ends=let_in, counter="reconnects"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_orders_go_on_after_the_fault(name: str, tmp_path: Path) -> None:
    """Nothing from before the fault is believed, nothing is sold twice, everything is explained."""
    async with service_under_test(tmp_path) as service:
        await drill(service, FAULTS[name], tmp_path)
