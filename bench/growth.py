"""How the cost grows with the load, and what gives in first when it grows on.

One service runs as a process of its own; this process is the venue, the clients and the listeners,
on bare sockets. Each row of the first table drives one load at 1, 10, 100 and 1,000 and leaves the
others low: orders that rest, at a steady rate, answered once they are durable; quotes of a symbol
with an open order; quotes at a steady rate under so many open orders; and one event at a time to so
many listeners, where what the event costs without any is left out. Processor time is that of the
service, less what it takes at rest, per unit; "below noise" is less than by how much rest itself
differs from one look to the next. In the second table each rate is doubled until the service, or
what drives it, falls behind: the work is a tenth late, or the p99 is ten times that of the row
before. Beside it stands how busy then was what could be the cause. Of the event loop's thread, of
all other threads, of which the writer is the only busy one, and of this process it is the share of
the time on a processor, and the share ready to run while others had the processors. The disk's is
the number of commits by the time of a sync, which was probed in the same folder.

    python -m bench.growth
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench.growth_loads import RESTING, SECONDS, SYMBOL, Meter, Rest, Usage
from bench.live_service import live_service
from bench.report import Section, Table, amount, main

LOADS: Final = (1, 10, 100, 1_000)
QUOTES_PER_SECOND: Final = 500
"""While open orders are what grows."""

EVENTS_PER_SECOND: Final = 20
"""To 1,000 listeners, to begin with."""

DOUBLINGS_MAX: Final = 5
PROBED_SYNCS: Final = 50
DONE_SHARE_MIN: Final = 0.9
P99_GROWTH_MAX: Final = 10.0
FULL_SHARE: Final = 0.9
"""A resource that is taken for so much of the time has no room left, even if all goes well yet."""

_LISTENERS: Final = "WebSocket listeners"
_UNITS: Final = {
    "quotes/s": "per quote",
    "open orders": "per quote",
    "orders/s": "per order",
    _LISTENERS: "per event and listener",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rate of a load that is driven up, and what it took."""

    per_second: int
    usage: Usage

    def falls_behind(self, before: "Step | None") -> bool:
        """Whether the work was late, or the answers were much later than those before."""
        p99 = self.usage.p99_milliseconds
        p99_before = None if before is None else before.usage.p99_milliseconds
        is_late = self.usage.per_second < DONE_SHARE_MIN * self.per_second
        return is_late or (
            p99 is not None and p99_before is not None and p99 > P99_GROWTH_MAX * p99_before
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the time something was busy, and ready to be while others had the processor."""

    of: str
    busy: float
    queued: float = 0.0

    @property
    def taken(self) -> float:
        """The time in which it had something to do."""
        return self.busy + self.queued


def shares(usage: Usage, sync_seconds: float) -> list[Share]:
    """Return how busy each resource was, the one with the least room left first."""
    seconds = usage.seconds
    found = [
        Share(
            of="event loop",
            busy=usage.cpu.loop / seconds,
            queued=usage.cpu.loop_queued / seconds,
        ),
        Share(
            of="writer",
            busy=usage.cpu.others / seconds,
            queued=usage.cpu.others_queued / seconds,
        ),
        Share(of="disk", busy=usage.commits * sync_seconds / seconds),
        Share(
            of="clients and venue",
            busy=usage.clients.total / seconds,
            queued=(usage.clients.loop_queued + usage.clients.others_queued) / seconds,
        ),
        Share(of="memory", busy=usage.resident / _memory_bytes()),
    ]
    return sorted(found, key=lambda one: -one.taken)


def first_to_give_in(usage: Usage, sync_seconds: float) -> str:
    """Name the resource with the least room left; the processors if it mostly waited for them."""
    first = shares(usage, sync_seconds)[0]
    if first.queued > first.busy:
        return (
            f"the machine's processors, {_percent(usage.machine)} busy: the {first.of} stood ready "
            f"to run {_percent(first.queued)} of the time, and ran {_percent(first.busy)}"
        )
    waiting = f", and ready to run {_percent(first.queued)}" if first.queued else ""
    return f"{first.of}, {_percent(first.busy)} busy{waiting}"


def outlook(step: Step, before: Step | None, sync_seconds: float, *, is_last: bool) -> str:
    """Say what gives in at this rate; at the last one, what is nearest to it."""
    named = first_to_give_in(step.usage, sync_seconds)
    if step.falls_behind(before):
        return named
    if shares(step.usage, sync_seconds)[0].taken >= FULL_SHARE:
        return f"full: {named}"
    return f"not yet; nearest: {named}" if is_last else "not yet"


def measure() -> Section:
    """Measure every row."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sync_seconds = await asyncio.to_thread(probed_sync, folder / "synced")
        settings = {"WEBSOCKETS_MAX": str(2 * max(LOADS))}
        async with live_service(folder, (SYMBOL,), settings) as service:
            service.market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))
            await service.control.ask(RESTING)
            meter = Meter(service)
            rest = await meter.rest()
            rows = await _grow(meter)
            driven = await _drive(meter, rows)
    return Section(
        name="growth",
        title="Growth",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        tables=(_cost_table(rows, rest, sync_seconds), _driven_table(driven, sync_seconds)),
    )


async def _grow(meter: Meter) -> dict[str, list[Usage]]:
    rows = {
        "quotes/s": [await meter.quotes(load) for load in LOADS],
        "open orders": [
            await meter.open_orders(load, quotes_per_second=QUOTES_PER_SECOND) for load in LOADS
        ],
        "orders/s": [await meter.orders(load) for load in LOADS],
    }
    # An event costs its order's acceptance, too, whoever listens.
    alone = await meter.listeners(0)
    rows[_LISTENERS] = [replace(await meter.listeners(load), beside=alone) for load in LOADS]
    return rows


async def _drive(meter: Meter, rows: dict[str, list[Usage]]) -> dict[str, list[Step]]:
    """Double each rate beyond the greatest of the table until it falls behind."""
    most = max(LOADS)
    return {
        "quotes/s": await _doubled(
            partial(meter.quotes, until_arrived=True),
            Step(per_second=most, usage=rows["quotes/s"][-1]),
        ),
        "orders/s": await _doubled(meter.orders, Step(per_second=most, usage=rows["orders/s"][-1])),
        f"events/s to {most:,} listeners": await _doubled(
            partial(meter.events, listeners=most),
            Step(
                per_second=EVENTS_PER_SECOND,
                usage=await meter.events(EVENTS_PER_SECOND, listeners=most),
            ),
        ),
    }


async def _doubled(load: Callable[[int], Awaitable[Usage]], first: Step) -> list[Step]:
    steps = [first]
    falls_behind = first.falls_behind(None)
    while not falls_behind and len(steps) <= DOUBLINGS_MAX:
        per_second = 2 * steps[-1].per_second
        step = Step(per_second=per_second, usage=await load(per_second))
        falls_behind = step.falls_behind(steps[-1])
        steps.append(step)
    return steps


def probed_sync(file: Path) -> float:
    """Return the median seconds of writing and syncing a page."""
    seconds = []
    with file.open("wb", buffering=0) as out:
        for _ in range(PROBED_SYNCS):
            started_at = time.perf_counter()
            out.write(bytes(4_096))
            os.fdatasync(out.fileno())
            seconds.append(time.perf_counter() - started_at)
    return median(seconds)


def _cost_table(rows: dict[str, list[Usage]], rest: Rest, sync_seconds: float) -> Table:
    lines = []
    for name, usages in rows.items():
        costs = [rest.microseconds_per_unit(one) for one in usages]
        lines.append(
            (
                name,
                f"CPU µs {_UNITS[name]}",
                *("below noise" if cost is None else amount(cost) for cost in costs),
                first_to_give_in(usages[-1], sync_seconds),
            )
        )
        if usages[0].latencies:
            p99 = [one.p99_milliseconds for one in usages]
            lines.append((name, "p99 ms", *(amount(one or 0.0) for one in p99), ""))
    clients = max(one.clients.total / one.seconds for usages in rows.values() for one in usages)
    return Table(
        title="Cost by load",
        headings=("load", "cost", *(f"{load:,}" for load in LOADS), "busiest at 1,000"),
        rows=tuple(lines),
        note=f"At rest the service takes {1_000 * rest.per_second:.1f} ms of processor time a "
        f"second, give or take {1_000 * rest.noise:.1f}; a sync takes {1_000 * sync_seconds:.2f} "
        f"ms. Venue, clients and listeners took at most {_percent(clients)} of a processor. "
        "The p99 of fewer than 100 is the greatest.",
    )


def _driven_table(driven: dict[str, list[Step]], sync_seconds: float) -> Table:
    names = ("event loop", "writer", "disk", "clients and venue")
    lines = []
    for load, steps in driven.items():
        for number, step in enumerate(steps):
            usage = step.usage
            found = {one.of: one for one in shares(usage, sync_seconds)}
            before = steps[number - 1] if number else None
            is_last = number == len(steps) - 1
            p99 = usage.p99_milliseconds
            lines.append(
                (
                    load,
                    f"{step.per_second:,}",
                    amount(usage.per_second),
                    "-" if p99 is None else amount(p99),
                    *(_both(found[name]) for name in names),
                    _percent(usage.machine),
                    outlook(step, before, sync_seconds, is_last=is_last),
                )
            )
    return Table(
        title="Driven up",
        headings=("load", "asked", "done", "p99 ms", *names, "all processors", "gives in"),
        rows=tuple(lines),
        note="Of each the share of the time that it was busy, + the share that it stood ready to "
        f"run while others had the processors. Each rate is held for {SECONDS:g} s. What is "
        "full and falls behind no further does more at once: an event loop that is full writes "
        "more events to each listener in one go. Open orders are not here: they take memory alone, "
        "and 100,000 of them have a section of their own.",
    )


def _both(share: Share) -> str:
    queued = f" + {_percent(share.queued)}" if share.queued else ""
    return f"{_percent(share.busy)}{queued}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(measure)
