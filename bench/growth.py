"""How the cost grows with the load, and what is busiest when it is greatest.

One service runs as a process of its own; this process is the venue, the clients and the listeners,
on bare sockets. Each row drives one load at 1, 10, 100 and 1,000 and leaves the others low: orders
that rest, at a steady rate, answered once they are durable; quotes of a symbol with an open order;
quotes at a steady rate under so many open orders; and one event at a time to so many listeners,
where what the event costs without any is left out. Processor time is that of the service, less what
it takes at rest, per unit; 0 is too little to tell from rest. What is busiest is looked up at
1,000: the share of a core that the event loop's thread has, that of all other threads, of which the
writer is the only busy one, the share of time in which a disk would wait for the commits (their
number by the time of a sync, probed in the same folder), and the share of the machine's memory.

    python -m bench.growth
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from bench.answer import quantile
from bench.live_service import LiveService, ThreadSeconds, live_service
from bench.raw_client import RawClient, connect_many, post_request
from bench.raw_listener import RawListener, listen_many
from bench.report import Section, Table, amount, main, tell

LOADS: Final = (1, 10, 100, 1_000)
SYMBOL: Final = "LTCBTC"
CLIENTS: Final = 64
SECONDS: Final = 3.0
"""How long a rate is held."""

QUOTES_PER_SECOND: Final = 500
"""While open orders are what grows."""

EVENTS: Final = 30
"""Told one after the other to all listeners."""

PROBED_SYNCS: Final = 50
_RESTING: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 3_600},
    headers="Prefer: respond-async\r\n",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the service used in some seconds, and what was asked of it; at rest, nothing was."""

    seconds: float
    cpu: ThreadSeconds
    commits: float
    units: float
    clients_cpu: float
    resident: int = 0
    latencies: Sequence[float] = ()

    def microseconds(self, rest: "Usage") -> float:
        """Return the processor time per unit, less what a rest of the same length takes."""
        own = self.cpu.total - rest.cpu.total * self.seconds / rest.seconds
        return max(0.0, 1e6 * own / self.units)

    def shares(self, sync_seconds: float) -> dict[str, float]:
        """Return how busy each resource was, as a share of what there is of it."""
        return {
            "event loop": self.cpu.loop / self.seconds,
            "writer thread": self.cpu.others / self.seconds,
            "disk": self.commits * sync_seconds / self.seconds,
            "memory": self.resident / _memory_bytes(),
        }


@dataclass(slots=True)
class _Meter:
    """Measures what a load costs the service."""

    service: LiveService

    async def measure(self, load: Callable[[], Awaitable[tuple[float, Sequence[float]]]]) -> Usage:
        """Run the load, which returns how many units it was, and what each took, if it waited."""
        commits = await self._commits()
        cpu, own, started_at = self.service.cpu(), time.process_time(), time.perf_counter()
        units, latencies = await load()
        seconds = time.perf_counter() - started_at
        clients_cpu = time.process_time() - own
        spent = self.service.cpu().since(cpu)
        return Usage(
            seconds=seconds,
            cpu=spent,
            commits=await self._commits() - commits,
            units=units,
            clients_cpu=clients_cpu,
            resident=self.service.program.memory().resident,
            latencies=latencies,
        )

    async def _commits(self) -> float:
        return (await self.service.metrics())["papertape_journal_commits_total"]


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
            await service.control.ask(_RESTING)
            meter = _Meter(service)
            rest = await meter.measure(_rest)
            rows = {
                "quotes/s": [await _quotes(meter, load) for load in LOADS],
                "open orders": await _open_orders(meter),
                "orders/s": [await _orders(meter, load) for load in LOADS],
            }
            alone = await _listeners(meter, 0)
            rows["WebSocket listeners"] = [
                # An event costs its order's acceptance, too, whoever listens.
                replace(one, cpu=one.cpu.since(alone.cpu))
                for one in [await _listeners(meter, total) for total in LOADS]
            ]
    return Section(
        name="growth",
        title="Growth",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        tables=(_table(rows, rest, sync_seconds),),
    )


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


async def _rest() -> tuple[float, Sequence[float]]:
    await asyncio.sleep(SECONDS)
    return 1, ()


async def _paced(per_second: int, act: Callable[[float], None]) -> int:
    """Act at a steady rate; each is told when it is due, and is late if we are."""
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


async def _quotes(meter: _Meter, per_second: int) -> Usage:
    tell(f"{per_second} quotes/s")
    number = 0

    def push(_due_at: float) -> None:
        nonlocal number
        number += 1
        meter.service.market.push(SYMBOL, bid=("1", "1"), ask=("3", str(1 + number % 7)))

    async def load() -> tuple[float, Sequence[float]]:
        return await _paced(per_second, push), ()

    return await meter.measure(load)


async def _open_orders(meter: _Meter) -> list[Usage]:
    found = []
    for total in LOADS:
        tell(f"{total} open orders")
        now_open = round((await meter.service.metrics())["papertape_orders_open"])
        for _ in range(now_open, total):
            await meter.service.control.ask(_RESTING)
        found.append(await _quotes(meter, QUOTES_PER_SECOND))
    return found


async def _orders(meter: _Meter, per_second: int) -> Usage:
    tell(f"{per_second} orders/s")
    idle = await connect_many(meter.service.program.port, CLIENTS)
    latencies: list[float] = []
    asking: set[asyncio.Task[None]] = set()

    async def ask(due_at: float) -> None:
        client = idle.pop() if idle else await RawClient.connect(meter.service.program.port)
        answer = await client.ask(_RESTING)
        assert answer.status == 202, answer.body
        latencies.append(answer.at - due_at)
        idle.append(client)

    def act(due_at: float) -> None:
        asking.add(asyncio.create_task(ask(due_at)))

    async def load() -> tuple[float, Sequence[float]]:
        total = await _paced(per_second, act)
        await asyncio.gather(*asking)
        return total, latencies

    usage = await meter.measure(load)
    for client in idle:
        client.close()
    return usage


async def _listeners(meter: _Meter, total: int) -> Usage:
    """Tell one event after the other, of new orders; a unit is one event to one listener."""
    tell(f"{total} listeners")
    listeners: list[RawListener] = await listen_many(meter.service.program.port, total)

    async def load() -> tuple[float, Sequence[float]]:
        latencies: list[float] = []
        for _ in range(EVENTS):
            heard = [listener.next() for listener in listeners]
            asked_at = time.perf_counter()
            await meter.service.control.ask(_RESTING)
            latencies += [at - asked_at for at in await asyncio.gather(*heard)]
            await asyncio.sleep(0.01)
        return EVENTS * total, latencies

    usage = await meter.measure(load)
    for listener in listeners:
        listener.close()
    return usage


def _table(rows: dict[str, list[Usage]], rest: Usage, sync_seconds: float) -> Table:
    units = {
        "orders/s": "per order",
        "quotes/s": "per quote",
        "open orders": "per quote",
        "WebSocket listeners": "per event and listener",
    }
    lines = []
    for name, usages in rows.items():
        lines.append(
            (
                name,
                f"CPU us {units[name]}",
                *(amount(one.microseconds(rest)) for one in usages),
                busiest(usages[-1].shares(sync_seconds)),
            )
        )
        if usages[0].latencies:
            lines.append(
                (
                    name,
                    "p99 ms",
                    *(amount(1_000 * quantile(one.latencies, 0.99)) for one in usages),
                    "",
                )
            )
    clients = max(one.clients_cpu / one.seconds for usages in rows.values() for one in usages)
    return Table(
        title="Cost by load",
        headings=(
            "load",
            "cost",
            *(f"{load:,}" for load in LOADS),
            "first to saturate, by how busy it is at 1,000",
        ),
        rows=tuple(lines),
        note=f"At rest the service takes {1_000 * rest.cpu.total / rest.seconds:.1f} ms of "
        f"processor time a second; a sync takes {1_000 * sync_seconds:.2f} ms. "
        f"Venue, clients and listeners took at most {100 * clients:.0f} % of a core.",
    )


def busiest(shares: dict[str, float]) -> str:
    """Name the resource with the least room left, and how busy each is."""
    ordered = sorted(shares.items(), key=lambda one: -one[1])
    name = ordered[0][0]
    return f"{name} ({', '.join(f'{which} {100 * share:.0f} %' for which, share in ordered)})"


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(measure)
