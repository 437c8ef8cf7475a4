"""How the venue's connection fails, or is replaced in time, while orders rest."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.market.timing import FeedTiming
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits
from tests.support.drills import (
    SYMBOL,
    Act,
    Fault,
    buy,
    check_books,
    count_of,
    drill,
    readiness_of,
    until,
    until_filled,
)
from tests.support.market import PATIENT
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.side_by_side import RunDrill
from tests.support.waiting import WAIT_SECONDS_MAX

DAY: Final = VenueLimits(connection_seconds_max=WAIT_SECONDS_MAX)
"""A venue whose day is over after the longest wait of a test."""

BEFORE_THE_DAY_ENDS: Final = replace(PATIENT, rotation_seconds=1.0, rotation_look_seconds=0.05)
QUICK_TO_PING: Final = replace(PATIENT, ping_interval_seconds=1.0, ping_timeout_seconds=10.0)
QUICK_TO_GIVE_UP: Final = replace(PATIENT, open_seconds_early=2.0, open_seconds=2.0)
ORDERED: Final = 100_000
"""More than the quotes of a drill can fill one by one."""

TICK: Final = Decimal("0.000001")
DEPTH: Final = "/api/v3/depth"
OBEYED: Final = (418, 429)


async def refuse(service: ServiceUnderTest) -> None:
    """Be gone for a while, depth too: the machine itself refuses connections."""
    service.venue.faults.vanish(DELAY_SECONDS_MAX)


async def reappear(service: ServiceUnderTest) -> None:
    """Accept connections again before the time of ``vanish`` is over."""
    await service.venue.faults.reappear()


async def drop(service: ServiceUnderTest) -> None:
    """Cut the connection without a word, and let none in."""
    service.venue.faults.refuse_connections()
    service.venue.faults.drop_connections()


async def close(service: ServiceUnderTest) -> None:
    """Close the connection as the venue does with those who do not answer its pings."""
    service.venue.faults.refuse_connections()
    service.venue.faults.close_connections(1008, "Pong timeout")


async def end_the_day(service: ServiceUnderTest) -> None:
    """Close as the venue does at the end of its day, and answer the next connection with 503."""
    service.venue.faults.refuse_connections(status=503)
    service.venue.faults.close_connections(1001, "24 hours")


async def swallow(service: ServiceUnderTest) -> None:
    """Leave the connection open and dead, as a network does that has forgotten it."""
    service.venue.faults.refuse_connections()
    service.venue.faults.swallow()


async def announce_and_go(service: ServiceUnderTest) -> None:
    """Announce a shutdown, let nobody in any more, and go."""
    service.venue.faults.refuse_connections()
    service.venue.faults.announce_shutdown(0.2)


async def reset_handshakes(service: ServiceUnderTest) -> None:
    """Accept connections and cut them before they are WebSockets."""
    service.venue.faults.reset_handshakes()
    service.venue.faults.drop_connections()


async def keep_waiting(service: ServiceUnderTest) -> None:
    """Let handshakes take longer than anybody waits for them."""
    service.venue.faults.delay_handshakes(DELAY_SECONDS_MAX)
    service.venue.faults.drop_connections()


async def come_back(service: ServiceUnderTest) -> None:
    """End all of it."""
    service.venue.faults.clear()


async def announce(service: ServiceUnderTest) -> None:
    """Announce a shutdown, and mean it."""
    service.venue.faults.announce_shutdown(WAIT_SECONDS_MAX)


async def wait(service: ServiceUnderTest) -> None:
    """Do nothing: what is to come comes by itself."""
    del service


def _failing_depth(status: int) -> Act:
    """Cut the connection of a quiet symbol while depth, its only source, answers a status."""

    async def fail(service: ServiceUnderTest) -> None:
        faults = service.venue.faults
        faults.mute(SYMBOL)
        if status == 200:
            faults.html(path=DEPTH)
        else:
            faults.rest_failure(status, retry_after=1 if status in OBEYED else None, path=DEPTH)
        faults.drop_connections()

    return fail


async def fail_depth_slowly(service: ServiceUnderTest) -> None:
    """Likewise, while depth does not answer in time."""
    service.venue.faults.mute(SYMBOL)
    service.venue.faults.slow_rest(DELAY_SECONDS_MAX, path=DEPTH)
    service.venue.faults.drop_connections()


FAULTS: Final[Mapping[str, Fault]] = {
    "half open": Fault(begins=swallow, ends=come_back, counters=("lost_keepalive",), seconds=12),
    "handshakes too slow": Fault(
        begins=keep_waiting,
        ends=come_back,
        counters=("lost_reset", "failed_timeout"),
    ),
    "depth too slow": Fault(
        begins=fail_depth_slowly,
        ends=come_back,
        counters=("lost_reset", "seeds_failed"),
    ),
    "refused": Fault(begins=refuse, ends=reappear, counters=("lost_reset", "failed_refused")),
    "dropped": Fault(begins=drop, ends=come_back, counters=("lost_reset", "failed_http_status")),
    "closed with 1008": Fault(begins=close, ends=come_back, counters=("lost_closed_by_venue",)),
    "thrown out at the end of its day": Fault(
        begins=end_the_day,
        ends=come_back,
        counters=("lost_closed_by_venue", "failed_http_status"),
    ),
    "shut down": Fault(
        begins=announce_and_go, ends=come_back, counters=("shutdown_notices", "lost_shutdown")
    ),
    "handshakes reset": Fault(
        begins=reset_handshakes, ends=come_back, counters=("lost_reset", "failed_handshake")
    ),
    **{
        f"depth answers {status}": Fault(
            begins=_failing_depth(status), ends=come_back, counters=("seeds_failed",)
        )
        for status in (200, 403, 418, 429, 451, 503)
    },
}


TIMINGS: Final[Mapping[str, FeedTiming]] = {
    "half open": QUICK_TO_PING,
    "handshakes too slow": QUICK_TO_GIVE_UP,
}
"""What the feed does not wait long for, where a fault shows only by a time that has passed."""


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
    """Leave before the day is over, again and again."""
    async with service_under_test(folder, venue_limits=DAY, timing=BEFORE_THE_DAY_ENDS) as service:
        await fill_across(service, wait, rotations=2, folder=folder)
        assert not service.venue.observations.closes["24 hours"]


def _announced(stream_path: str, limits: VenueLimits = BINANCE_LIMITS) -> RunDrill:
    async def run(folder: Path) -> None:
        async with service_under_test(
            folder, stream_path=stream_path, venue_limits=limits
        ) as service:
            await fill_across(service, announce, rotations=1, folder=folder)
            assert await count_of(service, "shutdown_notices") == 1

    return run


async def fill_across(
    service: ServiceUnderTest, begins: Act, *, rotations: int, folder: Path
) -> None:
    """Let an order fill by one with every quote, while connections take over from one another.

    A quote that is missed leaves a hole in its splits.
    """
    published = [service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "1"))]
    buying = asyncio.create_task(buy(service, ORDERED, "0.5"))
    await until_filled(service, "1")
    await begins(service)

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
    feed = (await readiness_of(service))["feed"]
    assert not any(feed["lost"].values())
    assert await count_of(service, "reconnects") == 0
    await check_books(folder)


async def until_filled_by_more(service: ServiceUnderTest, more: int) -> None:
    """Wait until the open order has so many more than now."""
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
"""Each by the name of its row, those that take longest first."""
