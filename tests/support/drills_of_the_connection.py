"""Drills in which the venue's connection fails, or is replaced in time, while orders rest."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.market.timing import FeedTiming
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX
from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import VenueLimits
from tests.support.drills import (
    SYMBOL,
    Act,
    Fault,
    buy,
    check_books,
    count_of,
    drill,
    until,
    until_filled,
)
from tests.support.market import PATIENT
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.side_by_side import RunDrill
from tests.support.waiting import WAIT_SECONDS_MAX

DAY: Final = VenueLimits(connection_seconds_max=WAIT_SECONDS_MAX)
"""A venue that closes connections after the longest wait of a test."""

BEFORE_THE_DAY_ENDS: Final = replace(PATIENT, rotation_seconds=1.0, rotation_look_seconds=0.05)
QUICK_TO_PING: Final = replace(PATIENT, ping_interval_seconds=1.0, ping_timeout_seconds=10.0)
QUICK_TO_GIVE_UP: Final = replace(PATIENT, open_seconds_early=2.0, open_seconds=2.0)
ORDERED: Final = 100_000
"""More than the quotes of a drill can fill one by one."""

TICK: Final = Decimal("0.000001")
DEPTH: Final = "/api/v3/depth"
OBEYED: Final = (418, 429)


def refuse(venue: SimulatedVenue) -> None:
    """Disappear for a while, depth included: the machine refuses connections."""
    venue.vanish(DELAY_SECONDS_MAX)


def drop(venue: SimulatedVenue) -> None:
    """Cut the connection, and refuse new ones."""
    venue.refuse_connections()
    venue.drop_connections()


def close(venue: SimulatedVenue) -> None:
    """Close the connection as the venue does after a missing pong."""
    venue.refuse_connections()
    venue.close_connections(1008, "Pong timeout")


def end_the_day(venue: SimulatedVenue) -> None:
    """Close as the venue does at the end of its day, and answer the next connection with 503."""
    venue.refuse_connections(status=503)
    venue.close_connections(1001, "24 hours")


def swallow(venue: SimulatedVenue) -> None:
    """Leave the connection open, but send and read no byte."""
    venue.refuse_connections()
    venue.swallow()


def announce_and_go(venue: SimulatedVenue) -> None:
    """Announce a shutdown, refuse new connections, and close."""
    venue.refuse_connections()
    venue.announce_shutdown(0.2)


def reset_handshakes(venue: SimulatedVenue) -> None:
    """Accept connections and cut them during the handshake."""
    venue.reset_handshakes()
    venue.drop_connections()


def keep_waiting(venue: SimulatedVenue) -> None:
    """Let handshakes take longer than the feed waits for them."""
    venue.delay_handshakes(DELAY_SECONDS_MAX)
    venue.drop_connections()


def announce(venue: SimulatedVenue) -> None:
    """Announce a shutdown that follows after the longest wait of a test."""
    venue.announce_shutdown(WAIT_SECONDS_MAX)


def fail_depth_slowly(venue: SimulatedVenue) -> None:
    """Cut the connection of a quiet symbol while depth, its only source, does not answer."""
    venue.mute(SYMBOL)
    venue.slow_rest(DELAY_SECONDS_MAX, path=DEPTH)
    venue.drop_connections()


def _failing_depth(status: int) -> Act:
    """Cut the connection of a quiet symbol while depth, its only source, answers a status."""

    def fail(venue: SimulatedVenue) -> None:
        venue.mute(SYMBOL)
        if status == 200:
            venue.html(path=DEPTH)
        else:
            venue.rest_failure(status, retry_after=1 if status in OBEYED else None, path=DEPTH)
        venue.drop_connections()

    return fail


FAULTS: Final[Mapping[str, Fault]] = {
    "half open": Fault(begins=swallow, counters=("lost_keepalive",), seconds=12),
    "handshakes too slow": Fault(begins=keep_waiting, counters=("lost_reset", "failed_timeout")),
    "depth too slow": Fault(begins=fail_depth_slowly, counters=("lost_reset", "seeds_failed")),
    "refused": Fault(begins=refuse, counters=("lost_reset", "failed_refused")),
    "dropped": Fault(begins=drop, counters=("lost_reset", "failed_http_status")),
    "closed with 1008": Fault(begins=close, counters=("lost_closed_by_venue",)),
    "thrown out at the end of its day": Fault(
        begins=end_the_day, counters=("lost_closed_by_venue", "failed_http_status")
    ),
    "shut down": Fault(begins=announce_and_go, counters=("shutdown_notices", "lost_shutdown")),
    "handshakes reset": Fault(begins=reset_handshakes, counters=("lost_reset", "failed_handshake")),
    **{
        f"depth answers {status}": Fault(begins=_failing_depth(status), counters=("seeds_failed",))
        for status in (200, 403, 418, 429, 451, 503)
    },
}


TIMINGS: Final[Mapping[str, FeedTiming]] = {
    "half open": QUICK_TO_PING,
    "handshakes too slow": QUICK_TO_GIVE_UP,
}
"""Shorter times of the feed, for faults that show only when a time is over."""


def _through(fault: Fault, *, stream_path: str = "", timing: FeedTiming = PATIENT) -> RunDrill:
    async def run(folder: Path) -> None:
        async with service_under_test(folder, stream_path=stream_path, timing=timing) as service:
            await drill(service, fault, folder)
            _check_retry_after_is_obeyed(service)

    return run


def _check_retry_after_is_obeyed(service: ServiceUnderTest) -> None:
    requests = service.venue.observations.depth_requests
    for asked, next_one in itertools.pairwise(requests):
        if asked.status in OBEYED:
            assert next_one.received_at - asked.received_at >= 1


async def _rotated_in_time(folder: Path) -> None:
    """Rotate twice before the venue's day is over."""
    async with service_under_test(folder, venue_limits=DAY, timing=BEFORE_THE_DAY_ENDS) as service:
        await fill_across(service, lambda _venue: None, rotations=2, folder=folder)
        assert not service.venue.observations.closes["24 hours"]


def _announced(stream_path: str) -> RunDrill:
    async def run(folder: Path) -> None:
        async with service_under_test(folder, stream_path=stream_path) as service:
            await fill_across(service, announce, rotations=1, folder=folder)
            assert await count_of(service, "shutdown_notices") == 1

    return run


async def fill_across(
    service: ServiceUnderTest, begins: Act, *, rotations: int, folder: Path
) -> None:
    """Fill one lot of an order with every quote, while new connections replace old ones.

    A missed quote would be missing among the splits.
    """
    published = [service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "1"))]
    buying = asyncio.create_task(buy(service, ORDERED, "0.5"))
    await until_filled(service, "1")
    begins(service.venue.faults)

    async def publish() -> None:
        for number in itertools.count(1):
            price = f"{Decimal('0.0025') + number * TICK:f}"
            published.append(service.market.push(SYMBOL, bid=("0.0024", "7"), ask=(price, "1")))
            await asyncio.sleep(0.01)

    async def has_rotated() -> bool:
        return await count_of(service, "rotations") >= rotations

    publishing = asyncio.create_task(publish())
    await until(has_rotated)
    await until_filled_by_more(service, 20)
    publishing.cancel()
    await asyncio.wait({publishing})
    price = f"{Decimal('0.0025') + len(published) * TICK:f}"
    rest = str(ORDERED - len(published))
    published.append(service.market.push(SYMBOL, bid=("0.0024", "7"), ask=(price, rest)))

    order = await buying
    assert [one["update_id"] for one in order["splits"]] == [one.update_id for one in published]
    feed = (await service.ready())["feed"]
    assert not any(feed["lost"].values())
    assert await count_of(service, "reconnects") == 0
    await check_books(folder)


async def until_filled_by_more(service: ServiceUnderTest, more: int) -> None:
    """Wait until this quantity of the open order is filled in addition."""
    before = Decimal((await service.open_orders())[0]["filled_quantity"])

    async def has_more() -> bool:
        now = Decimal((await service.open_orders())[0]["filled_quantity"])
        return now >= before + more

    await until(has_more)


DRILLS: Final[Mapping[str, RunDrill]] = {
    **{name: _through(fault, timing=TIMINGS.get(name, PATIENT)) for name, fault in FAULTS.items()},
    "dropped with combined frames": _through(FAULTS["dropped"], stream_path="/stream"),
    "rotated before the end of its day": _rotated_in_time,
    "shutdown announced": _announced("/ws"),
    "shutdown announced in combined frames": _announced("/stream"),
}
"""The drills by the names of their rows, the longest ones first."""
