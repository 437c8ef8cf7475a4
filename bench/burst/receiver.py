"""Our side of the ingest benchmark: the service's feed, fulfillment and matcher, on one burst.

    python -m bench.burst.receiver PLAN STREAM_URL REST_URL

It is composed as ``app/composition.py`` does it, without HTTP. It has a database of its own, and
one order per symbol rests far below the market. The last line of the output is a JSON object
(``Received``).
"""

import asyncio
import json
import random
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Final

import msgspec

from app import event_loop
from app.clock import SystemClock, Uuid7Source
from app.domain.order import Symbol
from app.fulfillment.desk import FulfillmentDesk
from app.fulfillment.loading import MatcherSource
from app.market.feed import BookTickerFeed
from app.market.rest import VenueRest
from app.market.timing import FeedTiming
from bench.burst.venue import BurstVenue, Plan
from bench.harness.orders import new_buy_order
from bench.harness.service_parts import running_desk

LOOK_SECONDS: Final = 0.005
"""The pause between two checks whether all quotes came; a check costs some 20 microseconds."""

QUIET_SECONDS_MAX: Final = 10.0
"""After this time without a new quote, the remaining quotes count as lost."""

PROCESS_SECONDS_MAX: Final = 60
FAR_PRICE: Final = Decimal("0.00000001")
ORDER_TIMEOUT_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A burst as a client received it, after the warm-up.

    Attributes:
        arrived: how many quotes reached the matcher, or the callback of another client.
        cpu_seconds: the CPU time of the client's process.
        ended_ns: when the last quote was applied.
        conflated: how many quotes the service skipped on purpose; newer ones replaced them.
        connections: 1 if the connection was kept.
        versions: the packages of another client.
        cause: why another client failed, None if it did not.
    """

    arrived: int
    cpu_seconds: float
    ended_ns: int
    conflated: int = 0
    connections: int = 1
    versions: dict[str, str] = field(default_factory=dict)
    cause: str | None = None


def run_ours(plan: Plan, venue: BurstVenue) -> Received:
    """Receive a burst in a process of its own.

    Raises:
        subprocess.SubprocessError: it failed, or took too long.
    """
    command = [sys.executable, "-m", "bench.burst.receiver", json.dumps(asdict(plan))]
    command += [venue.stream_url, venue.rest_url]
    done = subprocess.run(  # noqa: S603 - ours
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=PROCESS_SECONDS_MAX
    )
    return msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Received)


async def receive(
    plan: Plan,
    stream_url: str,
    rest_url: str,
    *,
    matchers: MatcherSource | None = None,
    timing: FeedTiming | None = None,
) -> Received:
    """Receive a burst, with an order resting on each symbol.

    Args:
        plan: the burst.
        stream_url: the venue's streams.
        rest_url: the venue's REST API.
        matchers: the source of other matchers than the service's, for tests.
        timing: other waits than the service's, for tests.
    """
    clock = SystemClock()
    rest = VenueRest(rest_url, clock=clock)
    feed = BookTickerFeed(
        stream_url=stream_url,
        depth=rest,
        clock=clock,
        random=random.Random(1),  # noqa: S311 - jitter of waiting times, not a secret
        timing=timing,
    )
    ids = Uuid7Source()
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(feed.run())
            async with running_desk(feed, matchers) as desk:
                for name in plan.names:
                    order = new_buy_order(
                        name, limit_price=FAR_PRICE, timeout_seconds=ORDER_TIMEOUT_SECONDS
                    )
                    await desk.place(ids.new_order_id(), order)
                received = await _follow(plan, feed, desk)
            running.cancel()
    finally:
        await rest.aclose()
    return received


async def _follow(plan: Plan, feed: BookTickerFeed, desk: FulfillmentDesk) -> Received:
    symbols = [Symbol(name) for name in plan.names]
    await _until(desk, symbols, plan.warm_id)
    applied, conflated = desk.state().quotes.applied, feed.state().counters["quotes_conflated"]
    cpu_seconds = _cpu_seconds()
    await _until(desk, symbols, plan.last_id)
    counters = feed.state().counters
    return Received(
        cpu_seconds=_cpu_seconds() - cpu_seconds,
        ended_ns=time.monotonic_ns(),
        arrived=desk.state().quotes.applied - applied,
        conflated=counters["quotes_conflated"] - conflated,
        connections=counters["connections"],
    )


async def _until(desk: FulfillmentDesk, symbols: list[Symbol], update_id: int) -> None:
    """Wait for an update id, or until no new quotes come."""
    newest, changed_at = 0, time.monotonic()
    while newest < update_id:
        await asyncio.sleep(LOOK_SECONDS)
        now = time.monotonic()
        current = [quote for quote in map(desk.current_quote, symbols) if quote is not None]
        found = max((quote.update_id for quote in current), default=0)
        if found != newest:
            newest, changed_at = found, now
        elif now > changed_at + QUIET_SECONDS_MAX:
            return


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run as a process."""
    plan, stream_url, rest_url = sys.argv[1:]
    received = event_loop.run(receive(Plan(**json.loads(plan)), stream_url, rest_url))
    print(json.dumps(asdict(received)))


if __name__ == "__main__":
    main()
