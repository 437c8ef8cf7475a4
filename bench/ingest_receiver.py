"""Our side of the ingest benchmark: the service's feed, fulfillment and matcher, on one burst.

    python -m bench.ingest_receiver PLAN STREAM_URL REST_URL [--bare] [--instants FILE]

Composed as ``app/composition.py`` does, with a database of its own and one order per symbol that
rests far below the market; only the HTTP side is left out. ``--bare`` has a listener that counts in
the place of fulfillment, so that nothing is matched. ``--instants`` writes when each quote had been
applied, in nanoseconds of the machine's clock, which is what a lag is measured from; it costs time
itself, so that a run measures either CPU or lag. The last line of the output is a JSON object.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol

from app import event_loop
from app.clock import SystemClock, Uuid7Source
from app.domain.liquidity import TakenLevel
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, NewOrder, Side, Symbol, TimeInForce
from app.domain.order_counts import OpenOrderLimits
from app.domain.quote import Quote
from app.domain.resting import Step
from app.fulfillment.desk import FulfillmentDesk
from app.fulfillment.loading import MatcherSource, PlainMatchers
from app.market.feed import BookTickerFeed
from app.market.rest import VenueRest
from app.notify.announcements import Announcements
from app.ports import StoredLedger
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders
from bench.burst_frames import FIRST_UPDATE_ID
from bench.burst_venue import BurstVenue, Plan

LOOK_SECONDS: Final = 0.005
"""How often it is looked whether all have come; a look costs some 20 microseconds."""

QUIET_SECONDS_MAX: Final = 10.0
"""Without a new quote for so long, the rest counts as lost."""

PROCESS_SECONDS_MAX: Final = 60

FAR_PRICE: Final = Decimal("0.00000001")
ORDER_TIMEOUT_SECONDS: Final = Decimal(3_600)
BACKLOG_ENTRIES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came, what it cost from the warm-up's end, and when the last one was applied.

    ``connections`` is 1 if the connection was kept.
    """

    arrived: int
    cpu_seconds: float
    ended_ns: int
    connections: int


class Progress(Protocol):
    """How far the quotes have come."""

    def newest(self) -> int:
        """Return the highest update id that was taken, 0 before the first."""

    def total(self) -> int:
        """Return how many were taken."""


class CountingListener:
    """Takes quotes and does nothing with them (port ``QuoteListener``)."""

    def __init__(self) -> None:
        self._total = 0
        self._newest = 0

    def newest(self) -> int:
        """Return the highest update id."""
        return self._newest

    def total(self) -> int:
        """Return how many there were."""
        return self._total

    def on_quote(self, quote: Quote) -> None:
        """Count it."""
        self._total += 1
        self._newest = quote.update_id

    def on_seed(self, seed: Quote) -> bool:  # noqa: ARG002 - as the port has it
        """Be content with any."""
        return True

    def on_interrupted(self) -> None:
        """Take no notice."""


class AppliedQuotes:
    """What the matchers of a desk have applied."""

    def __init__(self, desk: FulfillmentDesk, plan: Plan) -> None:
        self._desk = desk
        self._symbols = [Symbol(name) for name in plan.names]

    def newest(self) -> int:
        """Return the highest update id."""
        quotes = map(self._desk.current_quote, self._symbols)
        return max((quote.update_id for quote in quotes if quote is not None), default=0)

    def total(self) -> int:
        """Return how many there were, seeds included."""
        return self._desk.state().quotes.applied


class TimedMatchers:
    """Matchers that note when a quote had been applied (port ``MatcherSource``).

    ``instants`` holds nanoseconds by update id, from the first one on, 0 if it never came.
    """

    def __init__(self, plan: Plan) -> None:
        self.instants = array("q", bytes(8 * (plan.last_id - FIRST_UPDATE_ID + 1)))

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher that begins with what was stored."""
        return _TimedMatcher(symbol, stored.gate, stored.levels, self.instants)

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Let it go."""


class _TimedMatcher(SymbolMatcher):
    def __init__(
        self, symbol: Symbol, gate: int, levels: Iterable[TakenLevel], instants: "array[int]"
    ) -> None:
        super().__init__(symbol, gate=gate, levels=levels)
        self._instants = instants

    def apply_quote(self, quote: Quote) -> list[Step]:
        steps = super().apply_quote(quote)
        if quote.update_id == self.gate:  # else it was refused
            self._instants[quote.update_id - FIRST_UPDATE_ID] = time.monotonic_ns()
        return steps


def run_ours(plan: Plan, venue: BurstVenue, *options: str) -> dict[str, object]:
    """Receive a burst in a process of its own, and return what it tells (``Received``).

    Raises:
        subprocess.SubprocessError: it failed, or took too long.
    """
    command = [sys.executable, "-m", "bench.ingest_receiver", json.dumps(asdict(plan))]
    command += [venue.stream_url, venue.rest_url, *filter(None, options)]
    done = subprocess.run(  # noqa: S603 - ours
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=PROCESS_SECONDS_MAX
    )
    told: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


async def receive(
    plan: Plan, stream_url: str, rest_url: str, *, is_bare: bool, matchers: MatcherSource
) -> Received:
    """Take a burst and say what came of it."""
    clock = SystemClock()
    rest = VenueRest(rest_url, clock=clock)
    feed = BookTickerFeed(
        stream_url=stream_url,
        depth=rest,
        clock=clock,
        random=random.Random(1),  # noqa: S311 - jitter of waiting times, not a secret
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(feed.run())
            if is_bare:
                listener = CountingListener()
                for name in plan.names:
                    feed.subscribe(Symbol(name), listener)
                received = await _follow(plan, feed, listener)
            else:
                async with _fulfilling(plan, feed, clock, matchers) as desk:
                    received = await _follow(plan, feed, AppliedQuotes(desk, plan))
            running.cancel()
    finally:
        await rest.aclose()
    return received


async def _follow(plan: Plan, feed: BookTickerFeed, progress: Progress) -> Received:
    await _until(progress, plan.warm_id)
    total, cpu_seconds = progress.total(), _cpu_seconds()
    await _until(progress, plan.last_id)
    return Received(
        cpu_seconds=_cpu_seconds() - cpu_seconds,
        ended_ns=time.monotonic_ns(),
        arrived=progress.total() - total,
        connections=feed.state().counters["connections"],
    )


async def _until(progress: Progress, update_id: int) -> None:
    """Wait for an update id, or until nothing comes any more."""
    newest, changed_at = 0, time.monotonic()
    while newest < update_id:
        await asyncio.sleep(LOOK_SECONDS)
        now = time.monotonic()
        if progress.newest() != newest:
            newest, changed_at = progress.newest(), now
        elif now > changed_at + QUIET_SECONDS_MAX:
            return


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@asynccontextmanager
async def _fulfilling(
    plan: Plan, feed: BookTickerFeed, clock: SystemClock, matchers: MatcherSource
) -> AsyncIterator[FulfillmentDesk]:
    """Have an order rest on each symbol."""
    total = plan.symbols
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(
            f"sqlite+aiosqlite:///{folder}/bench.db", venue="simulator", owner="bench"
        )
        journal = GroupCommitJournal(database, backlog_entries_max=BACKLOG_ENTRIES_MAX)
        desk = FulfillmentDesk(
            feed=feed,
            journal=journal,
            store=StoredOrders(database, journal),
            bus=Announcements(),
            clock=clock,
            limits=OpenOrderLimits(total=total, per_owner=total, per_symbol=total),
            is_trading=lambda _: True,
            matchers=matchers,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(journal.run(desk))
                running = tasks.create_task(desk.run())
                ids = Uuid7Source()
                for name in plan.names:
                    await desk.place(ids.new_order_id(), _far_order(Symbol(name)))
                yield desk
                desk.stop()
                running.cancel()
                await journal.close()
        finally:
            await database.close()


def _far_order(symbol: Symbol) -> NewOrder:
    return NewOrder(
        owner=PUBLIC,
        client_order_id=None,
        symbol=symbol,
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1),
        limit_price=FAR_PRICE,
        timeout_seconds=ORDER_TIMEOUT_SECONDS,
    )


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=json.loads)
    parser.add_argument("stream_url")
    parser.add_argument("rest_url")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--instants", type=Path)
    arguments = parser.parse_args()
    plan = Plan(**arguments.plan)
    timed = TimedMatchers(plan)
    received = event_loop.run(
        receive(
            plan,
            arguments.stream_url,
            arguments.rest_url,
            is_bare=arguments.bare,
            matchers=timed if arguments.instants else PlainMatchers(),
        )
    )
    if arguments.instants:
        arguments.instants.write_bytes(timed.instants.tobytes())
    print(json.dumps(asdict(received)))


if __name__ == "__main__":
    main()
