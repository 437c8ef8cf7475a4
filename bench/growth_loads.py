"""The loads of ``growth``: each drives the service for some seconds, and says what that took."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from bench.answer import quantile
from bench.live_service import LiveService, ThreadSeconds, thread_seconds
from bench.raw_client import RawClient, connect_many, post_request
from bench.raw_listener import RawListener, listen_many
from bench.report import tell

SYMBOL: Final = "LTCBTC"
CLIENTS: Final = 64
SECONDS: Final = 2.0
"""How long a rate is held."""

REST_SLICES: Final = 4
REST_SLICE_SECONDS: Final = 0.75
EVENTS: Final = 30
"""Told one after the other to all listeners."""

CATCH_UP_SECONDS_MAX: Final = 10.0
POLL_SECONDS: Final = 0.01
RESTING: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 3_600},
    headers="Prefer: respond-async\r\n",
)

_Load = Callable[[], Awaitable[tuple[float, Sequence[float]]]]
"""Returns how many units it was, and the seconds that each took, if it waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the service used in some seconds, and what was asked of it; at rest, nothing was.

    ``clients`` is this process: the venue, the clients and the listeners. ``machine`` is how busy
    all processors of the machine were together, with whatever else runs there, from 0 to 1.
    ``beside`` is what the load takes without that which is counted.
    """

    seconds: float
    cpu: ThreadSeconds
    commits: float
    units: float
    clients: ThreadSeconds
    machine: float = 0.0
    resident: int = 0
    latencies: Sequence[float] = ()
    beside: "Usage | None" = None

    @property
    def per_second(self) -> float:
        """How many units were done in a second, until the last was."""
        return self.units / self.seconds

    @property
    def p99_milliseconds(self) -> float | None:
        """The time within which 99 % were answered; None if nobody waited for them."""
        return 1_000 * quantile(self.latencies, 0.99) if self.latencies else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The processor time that the service takes a second while nothing is asked of it.

    ``noise`` is by how much that differs from one look to the next.
    """

    per_second: float
    noise: float

    @classmethod
    def of(cls, slices: Sequence[Usage]) -> "Rest":
        """Take the mean of some looks, and the distance from the least to the greatest."""
        rates = [one.cpu.total / one.seconds for one in slices]
        return cls(per_second=fmean(rates), noise=max(rates) - min(rates))

    def microseconds_per_unit(self, usage: Usage) -> float | None:
        """Return the processor time per unit beyond rest; None if that cannot be told from it."""
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
    """Measures what a load costs the service."""

    service: LiveService

    async def measure(self, load: _Load) -> Usage:
        """Run the load."""
        commits = await self.metric("papertape_journal_commits_total")
        machine = _machine_seconds()
        cpu, own, started_at = self.service.cpu(), thread_seconds(os.getpid()), time.perf_counter()
        units, latencies = await load()
        seconds = time.perf_counter() - started_at
        clients, spent = thread_seconds(os.getpid()).since(own), self.service.cpu().since(cpu)
        busy, total = (
            after - before for before, after in zip(machine, _machine_seconds(), strict=True)
        )
        return Usage(
            seconds=seconds,
            cpu=spent,
            commits=await self.metric("papertape_journal_commits_total") - commits,
            units=units,
            clients=clients,
            machine=busy / max(1, total),
            resident=self.service.program.memory().resident,
            latencies=latencies,
        )

    async def metric(self, name: str) -> float:
        """Return one of the service's counters or gauges."""
        return (await self.service.metrics())[name]

    async def rest(self) -> Rest:
        """Look at the service several times while nothing is asked of it."""
        tell("at rest")

        async def nothing() -> tuple[float, Sequence[float]]:
            await asyncio.sleep(REST_SLICE_SECONDS)
            return 1, ()

        return Rest.of([await self.measure(nothing) for _ in range(REST_SLICES)])

    async def quotes(self, per_second: int, *, until_arrived: bool = False) -> Usage:
        """Push quotes of a symbol with an open order, and wait for the last to arrive if asked.

        That is seen in the service's metrics, whose making would be among the cost of few quotes.
        """
        tell(f"{per_second:,} quotes/s")
        before = await self._quotes_arrived()
        number = 0

        def push(_due_at: float) -> None:
            nonlocal number
            number += 1
            self.service.market.push(SYMBOL, bid=("1", "1"), ask=("3", str(1 + number % 7)))

        async def load() -> tuple[float, Sequence[float]]:
            total = await _paced(per_second, push)
            deadline = time.perf_counter() + CATCH_UP_SECONDS_MAX
            while until_arrived and await self._quotes_arrived() < before + total:
                assert time.perf_counter() < deadline, "a quote did not arrive"
                await asyncio.sleep(POLL_SECONDS)
            return total, ()

        return await self.measure(load)

    async def _quotes_arrived(self) -> float:
        """Return how many quotes were read, those included that a newer one replaced."""
        metrics = await self.service.metrics()
        return sum(metrics.get(name, 0.0) for name in _QUOTES)

    async def open_orders(self, total: int, *, quotes_per_second: int) -> Usage:
        """Push quotes while so many orders rest; earlier ones are among them."""
        tell(f"{total:,} open orders")
        for _ in range(round(await self.metric("papertape_orders_open")), total):
            await self.service.control.ask(RESTING)
        return await self.quotes(quotes_per_second)

    async def orders(self, per_second: int) -> Usage:
        """Send orders that rest, each when it is due, however many are under way."""
        tell(f"{per_second:,} orders/s")
        port = self.service.program.port
        idle = await connect_many(port, CLIENTS)
        latencies: list[float] = []
        asking: set[asyncio.Task[None]] = set()

        async def ask(due_at: float) -> None:
            client = idle.pop() if idle else await RawClient.connect(port)
            answer = await client.ask(RESTING)
            assert answer.status == 202, answer.body
            latencies.append(answer.at - due_at)
            idle.append(client)

        def act(due_at: float) -> None:
            asking.add(asyncio.create_task(ask(due_at)))

        async def load() -> tuple[float, Sequence[float]]:
            total = await _paced(per_second, act)
            await asyncio.gather(*asking)
            return total, latencies

        usage = await self.measure(load)
        for client in idle:
            client.close()
        return usage

    async def listeners(self, total: int) -> Usage:
        """Tell one event after the other, of new orders; a unit is one event to one listener."""
        tell(f"{total:,} listeners")
        listeners: list[RawListener] = await listen_many(self.service.program.port, total)

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

    async def events(self, per_second: int, *, listeners: int) -> Usage:
        """Tell events at a steady rate to so many listeners; a unit is one event to all of them."""
        tell(f"{per_second:,} events/s to {listeners:,} listeners")
        port = self.service.program.port
        clients = await connect_many(port, CLIENTS)
        hearing = await listen_many(port, listeners)
        idle, asking = list(clients), set[asyncio.Task[None]]()
        latencies: list[float] = []

        async def ask(due_at: float) -> None:
            while not idle:
                await asyncio.sleep(0.001)
            client = idle.pop()
            await client.ask(RESTING)
            idle.append(client)
            latencies.append(time.perf_counter() - due_at)

        async def load() -> tuple[float, Sequence[float]]:
            heard = [one.heard for one in hearing]
            total = await _paced(
                per_second, lambda due_at: asking.add(asyncio.create_task(ask(due_at)))
            )
            await asyncio.gather(*asking)
            deadline = time.perf_counter() + CATCH_UP_SECONDS_MAX
            while any(
                one.heard - before < total for one, before in zip(hearing, heard, strict=True)
            ):
                assert time.perf_counter() < deadline, "a listener did not hear of all events"
                await asyncio.sleep(POLL_SECONDS)
            return total, latencies

        usage = await self.measure(load)
        for client in clients:
            client.close()
        for listener in hearing:
            listener.close()
        return usage


_QUOTES: Final = ("papertape_feed_quotes_total", "papertape_feed_quotes_conflated_total")


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


def _machine_seconds() -> tuple[float, float]:
    """Return how long the processors were busy, and how long they were there, in their ticks."""
    first, *_ = Path("/proc/stat").read_text().splitlines()
    ticks = [int(field) for field in first.split()[1:9]]  # user to steal, proc(5)
    idle = ticks[3] + ticks[4]  # idle and iowait
    return sum(ticks) - idle, sum(ticks)
