"""How the cost grows with the load, and which resource is the busiest.

One service runs in a process of its own. The benchmark's process is the venue, the clients and the
listeners, on bare sockets. Each row drives one load at 1, 10, 100 and 1,000 and leaves the others
low: orders that rest, at a steady rate, answered once they are durable; quotes of a symbol with an
open order; quotes at a steady rate while so many orders are open; and one event at a time to so
many listeners, without the cost of the event when there are no listeners. Processor time is the
service's per unit, without its time at rest; "below noise" is less than the difference between
two measurements at rest. The busiest resource at 1,000 is the event loop's thread, all other
threads, of which only the writer is busy, this process, or the disk. For a thread it is the share
of the time on a processor, and the share in which it was ready, but waited for a processor. For the
disk it is the number of commits times the time of a sync in the same folder.

    python -m bench.growth
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from bench.harness.live_service import LiveService, live_service
from bench.harness.measuring import quantile, sync_seconds
from bench.harness.processes import ThreadSeconds, thread_seconds
from bench.harness.raw_client import RawClient, RawListener, post_request
from bench.harness.report import Section, Table, amount, main, method_of, tell

LOADS: Final = (1, 10, 100, 1_000)
_LISTENERS: Final = "WebSocket listeners"
_UNITS: Final = {
    "quotes/s": "per quote",
    "open orders": "per quote",
    "orders/s": "per order",
    _LISTENERS: "per event and listener",
}

SYMBOL: Final = "LTCBTC"
CLIENTS: Final = 64
SECONDS: Final = 2.0
"""How long a rate is held."""

REST_SLICES: Final = 4
REST_SLICE_SECONDS: Final = 0.75
EVENTS: Final = 30
"""Events that are sent one after the other to all listeners."""

RESTING: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 3_600},
    headers="Prefer: respond-async\r\n",
)
_COMMITS: Final = "papertape_journal_commits_total"

_Load = Callable[[], Awaitable[tuple[float, Sequence[float]]]]
"""Returns the number of units, and the seconds until each answer, if there are answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The resources that a load used.

    Attributes:
        seconds: how long the load lasted, until its last unit was done.
        cpu: processor time of the service.
        commits: transactions of the service.
        units: how many units the load was.
        clients: processor time of this process: the venue, the clients and the listeners.
        latencies: seconds until each answer; empty without answers.
        beside: the usage of the same load without its units; its cost is subtracted.
    """

    seconds: float
    cpu: ThreadSeconds
    commits: float
    units: float
    clients: ThreadSeconds
    latencies: Sequence[float] = ()
    beside: "Usage | None" = None

    @property
    def p99_milliseconds(self) -> float:
        """The time within which 99 % were answered."""
        return 1_000 * quantile(self.latencies, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The service at rest: its processor time a second, and the noise of that figure."""

    per_second: float
    noise: float

    @classmethod
    def of(cls, slices: Sequence[Usage]) -> "Rest":
        """Take the mean of some slices, and the distance from the least to the greatest."""
        rates = [one.cpu.total / one.seconds for one in slices]
        return cls(per_second=fmean(rates), noise=max(rates) - min(rates))

    def microseconds_per_unit(self, usage: Usage) -> float | None:
        """Return the processor time per unit beyond rest; None if it is below the noise."""
        own = self._beyond(usage)
        seconds = usage.seconds
        if usage.beside is not None:
            own -= self._beyond(usage.beside)
            seconds += usage.beside.seconds
        return None if own <= self.noise * seconds else 1e6 * own / usage.units

    def _beyond(self, usage: Usage) -> float:
        return usage.cpu.total - self.per_second * usage.seconds


@dataclass(slots=True)
class Meter:
    """Measures the cost of loads on one service."""

    service: LiveService

    async def measure(self, load: _Load) -> Usage:
        """Run the load."""
        program, own_id = self.service.program, os.getpid()
        commits = (await self.service.metrics())[_COMMITS]
        cpu, own, started_at = program.cpu(), thread_seconds(own_id), time.perf_counter()
        units, latencies = await load()
        seconds = time.perf_counter() - started_at
        clients, spent = thread_seconds(own_id).since(own), program.cpu().since(cpu)
        return Usage(
            seconds=seconds,
            cpu=spent,
            commits=(await self.service.metrics())[_COMMITS] - commits,
            units=units,
            clients=clients,
            latencies=latencies,
        )

    async def rest(self) -> Rest:
        """Measure the service several times without a load."""
        tell("at rest")

        async def nothing() -> tuple[float, Sequence[float]]:
            await asyncio.sleep(REST_SLICE_SECONDS)
            return 1, ()

        return Rest.of([await self.measure(nothing) for _ in range(REST_SLICES)])

    async def quotes(self, per_second: int) -> Usage:
        """Push quotes of a symbol with an open order."""
        tell(f"{per_second:,} quotes/s")
        number = 0

        def push(_due_at: float) -> None:
            nonlocal number
            number += 1
            self.service.market.push(SYMBOL, bid=("1", "1"), ask=("3", str(1 + number % 7)))

        async def load() -> tuple[float, Sequence[float]]:
            return await _paced(per_second, push), ()

        return await self.measure(load)

    async def open_orders(self, total: int, *, quotes_per_second: int) -> Usage:
        """Push quotes while ``total`` orders are open, earlier ones included."""
        tell(f"{total:,} open orders")
        for _ in range(round((await self.service.metrics())["papertape_orders_open"]), total):
            await self.service.control.ask(RESTING)
        return await self.quotes(quotes_per_second)

    async def orders(self, per_second: int) -> Usage:
        """Send orders that rest, each when it is due, however many are under way."""
        tell(f"{per_second:,} orders/s")
        idle = await RawClient.connect_many(self.service.program.port, CLIENTS)
        latencies: list[float] = []
        asking: set[asyncio.Task[None]] = set()

        async def ask(due_at: float) -> None:
            client = idle.pop() if idle else await RawClient.connect(self.service.program.port)
            answer = await client.ask(RESTING)
            assert answer.status == 202, answer.body
            latencies.append(answer.at - due_at)
            idle.append(client)

        async def load() -> tuple[float, Sequence[float]]:
            total = await _paced(
                per_second, lambda due_at: asking.add(asyncio.create_task(ask(due_at)))
            )
            await asyncio.gather(*asking)
            return total, latencies

        usage = await self.measure(load)
        for client in idle:
            client.close()
        return usage

    async def listeners(self, total: int) -> Usage:
        """Send events of new orders in turn; a unit is one event to one listener."""
        tell(f"{total:,} listeners")
        listeners = await RawListener.connect_many(self.service.program.port, total)

        async def load() -> tuple[float, Sequence[float]]:
            latencies: list[float] = []
            for _ in range(EVENTS):
                heard = [listener.next() for listener in listeners]
                asked_at = time.perf_counter()
                await self.service.control.ask(RESTING)
                latencies += [at - asked_at for at in await asyncio.gather(*heard)]
                await asyncio.sleep(0.01)
            return EVENTS * total, latencies

        usage = await self.measure(load)
        for listener in listeners:
            listener.close()
        return usage


async def _paced(per_second: int, act: Callable[[float], object]) -> int:
    """Call ``act`` at a steady rate with the time at which it was due, and return the number."""
    total = round(per_second * SECONDS)
    started_at = time.perf_counter()
    for number in range(total):
        due_at = started_at + number / per_second
        left = due_at - time.perf_counter()
        if left > 0:
            await asyncio.sleep(left)
        act(due_at)
    await asyncio.sleep(max(0.0, started_at + SECONDS - time.perf_counter()))
    return total


def busiest(usage: Usage, sync: float) -> str:
    """Name the resource with the least time left, and its shares of the time."""
    cpu, clients = usage.cpu, usage.clients
    seconds = {
        "event loop": (cpu.loop, cpu.loop_queued),
        "writer": (cpu.others, cpu.others_queued),
        "disk": (usage.commits * sync, 0.0),
        "clients and venue": (clients.total, clients.loop_queued + clients.others_queued),
    }
    name = max(seconds, key=lambda one: sum(seconds[one]))
    busy, queued = seconds[name]
    waiting = f", and ready {_percent(queued / usage.seconds)}" if queued else ""
    return f"{name}, {_percent(busy / usage.seconds)} busy{waiting}"


def measure() -> Section:
    """Measure every row."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sync = await asyncio.to_thread(sync_seconds, folder)
        settings = {"WEBSOCKETS_MAX": str(2 * max(LOADS))}
        async with live_service(folder, (SYMBOL,), settings) as service:
            service.market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))
            await service.control.ask(RESTING)
            meter = Meter(service)
            rest = await meter.rest()
            rows = await _grow(meter)
    return Section(
        name="growth",
        title="Growth",
        method=method_of(__doc__),
        tables=(_cost_table(rows, rest, sync),),
    )


async def _grow(meter: Meter) -> dict[str, list[Usage]]:
    rows = {
        "quotes/s": [await meter.quotes(load) for load in LOADS],
        "open orders": [await meter.open_orders(load, quotes_per_second=500) for load in LOADS],
        "orders/s": [await meter.orders(load) for load in LOADS],
    }
    # An event also includes the acceptance of its order, with or without listeners.
    alone = await meter.listeners(0)
    rows[_LISTENERS] = [replace(await meter.listeners(load), beside=alone) for load in LOADS]
    return rows


def _cost_table(rows: dict[str, list[Usage]], rest: Rest, sync: float) -> Table:
    lines = []
    for name, usages in rows.items():
        costs = [rest.microseconds_per_unit(one) for one in usages]
        lines.append(
            (
                name,
                f"CPU µs {_UNITS[name]}",
                *("below noise" if cost is None else amount(cost) for cost in costs),
                busiest(usages[-1], sync),
            )
        )
        if usages[0].latencies:
            p99 = (amount(one.p99_milliseconds) for one in usages)
            lines.append((name, "p99 ms", *p99, ""))
    return Table(
        title="Cost by load",
        headings=("load", "cost", *(f"{load:,}" for load in LOADS), "busiest at 1,000"),
        rows=tuple(lines),
        note=f"At rest the service takes {1_000 * rest.per_second:.1f} ms of processor time a "
        f"second, with differences of {1_000 * rest.noise:.1f}; a sync takes {1_000 * sync:.2f} "
        "ms. With fewer than 100 answers, the p99 is the greatest.",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


if __name__ == "__main__":
    main(measure)
