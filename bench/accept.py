"""Orders accepted durably per second, and what one costs, beside the same stack without us.

The service runs as a process of its own on SQLite, its symbol live; the orders are far from the
market and are answered with 202 once they are on disk. Beside it, under the same load: an app of
FastAPI that answers the same route with a constant, on our server and on plain uvicorn with
httptools and uvloop; and one that commits a row with a session of SQLAlchemy per request (WAL,
synchronous FULL). The clients are this process: bare sockets that are kept, with bytes made before.
Its own processor time stands beside the figures, and the empty app shows how many answers it can
take. All are loaded in turns, round after round; the best round of each counts, since whatever
disturbs one makes it slower.

    python -m bench.accept
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.answer import quantile
from bench.live_service import ROOT, ThreadSeconds, live_service, thread_seconds
from bench.processes import free_port, program
from bench.raw_client import RawClient, connect_many, post_request
from bench.report import Figure, Result, Section, Table, amount, main

SYMBOL: Final = "LTCBTC"
ROUNDS: Final = 4
REQUESTS: Final = {64: 3_000, 1: 400}
"""Requests of a round, by how many are under way at once."""

SLOW_REQUESTS: Final = {64: 600, 1: 200}
"""The same where each costs a commit."""

FSYNCS: Final = 200
_ORDER: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 60},
    headers="Prefer: respond-async\r\n",
)
_UNBOUNDED: Final = {
    "OPEN_ORDERS_MAX": "1000000",
    "OPEN_ORDERS_PER_OWNER_MAX": "1000000",
    "OPEN_ORDERS_PER_SYMBOL_MAX": "1000000",
}
OURS: Final = "papertape"
EMPTY: Final = "empty FastAPI app on our server"
STANDARD: Final = "empty FastAPI app on uvicorn[standard]"
SESSION: Final = "FastAPI app with a session per request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round saw: seconds per request, of the wall and of processors."""

    latencies: tuple[float, ...]
    wall: float
    server: ThreadSeconds
    client: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.wall

    def microseconds(self, seconds: float) -> float:
        """Return a sum as microseconds per request."""
        return 1e6 * seconds / len(self.latencies)

    def milliseconds(self, share: float) -> float:
        """Return the time within which this share of the answers came."""
        return 1e3 * quantile(self.latencies, share)


@dataclass(frozen=True, slots=True)
class Server:
    """Who is loaded."""

    name: str
    port: int
    pid: int
    requests: dict[int, int]


@dataclass(frozen=True, slots=True)
class Best:
    """The best of the rounds of one server at one concurrency, each figure by itself."""

    rounds: tuple[Round, ...]

    def least(self, figure: Callable[[Round], float]) -> float:
        """Return the smallest that any round saw."""
        return min(figure(one) for one in self.rounds)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return max(one.rate for one in self.rounds)

    @property
    def cpu(self) -> float:
        """Microseconds of all threads per request."""
        return self.least(lambda one: one.microseconds(one.server.total))

    def latency(self, share: float) -> float:
        """Milliseconds."""
        return self.least(lambda one: one.milliseconds(share))


def measure() -> Section:
    """Measure all."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    found: dict[tuple[str, int], list[Round]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fsync_ms = _fsync_milliseconds(folder)
        async with AsyncExitStack() as stack:
            servers = await _servers(stack, folder)
            for concurrency in REQUESTS:
                for turn in range(ROUNDS + 1):
                    for server in servers:
                        one = await _round(server, concurrency)
                        if turn:  # the first warms up
                            found.setdefault((server.name, concurrency), []).append(one)
    return section({key: Best(tuple(rounds)) for key, rounds in found.items()}, fsync_ms)


async def _servers(stack: AsyncExitStack, folder: Path) -> list[Server]:
    service = await stack.enter_async_context(live_service(folder, (SYMBOL,), _UNBOUNDED))
    service.market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))
    servers = [Server(OURS, service.program.port, service.program.process.pid, REQUESTS)]
    for name, what, kind in (
        (EMPTY, "empty", "ours"),
        (STANDARD, "empty", "standard"),
        (SESSION, "session", "standard"),
    ):
        port = free_port()
        database = str(folder / f"{what}-{kind}.db")
        script = str(Path(ROOT) / "bench" / "accept_floor.py")
        command = [sys.executable, script, str(port), database, what, kind]
        running = stack.enter_context(
            program(command, port=port, folder=folder, environment={"PYTHONPATH": ROOT})
        )
        while await asyncio.to_thread(running.status, "/docs") is None:
            if running.process.poll() is not None:
                raise RuntimeError(f"{name} did not start")
            await asyncio.sleep(0.05)
        requests = SLOW_REQUESTS if what == "session" else REQUESTS
        servers.append(Server(name, port, running.process.pid, requests))
    return servers


async def _round(server: Server, concurrency: int) -> Round:
    clients = await connect_many(server.port, concurrency)
    latencies: list[float] = []
    left = server.requests[concurrency]

    async def ask_on(client: RawClient) -> None:
        nonlocal left
        while left:
            left -= 1
            asked_at = time.perf_counter()
            answer = await client.ask(_ORDER)
            latencies.append(answer.at - asked_at)
            assert answer.status == 202, answer.body

    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.callback(client.close)
        before, client_before = thread_seconds(server.pid), time.process_time()
        started_at = time.perf_counter()
        await asyncio.gather(*map(ask_on, clients))
        return Round(
            latencies=tuple(latencies),
            wall=time.perf_counter() - started_at,
            server=thread_seconds(server.pid).since(before),
            client=time.process_time() - client_before,
        )


def _fsync_milliseconds(folder: Path) -> float:
    """Return the median time of writing a page at the end of a file and syncing it."""
    seconds = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            started_at = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - started_at)
    return 1e3 * quantile(seconds, 0.5)


def section(best: dict[tuple[str, int], Best], fsync_ms: float) -> Section:
    """Hold what was found against the goals."""
    many = {name: best[name, 64] for name in (OURS, EMPTY, STANDARD, SESSION)}
    single = {name: best[name, 1] for name in (OURS, EMPTY, STANDARD, SESSION)}
    rate_ratio = many[OURS].rate / many[EMPTY].rate
    cpu_ratio = many[EMPTY].cpu / many[OURS].cpu
    session_ratio = many[OURS].rate / many[SESSION].rate
    p50_max = single[EMPTY].latency(0.5) + 3 * fsync_ms
    p99, p99_empty = many[OURS].latency(0.99), many[EMPTY].latency(0.99)
    cpu, rate = (
        {name: Figure(of=name, value=one.cpu, unit="us of CPU") for name, one in many.items()},
        {name: Figure(of=name, value=one.rate, unit="requests/s") for name, one in many.items()},
    )
    at_1 = {n: Figure(of=n, value=one.latency(0.5), unit="ms") for n, one in single.items()}
    at_64 = {n: Figure(of=n, value=one.latency(0.99), unit="ms") for n, one in many.items()}
    others = (EMPTY, STANDARD, SESSION)
    return Section(
        name="accept",
        title="Accepting orders",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            Result(
                what="CPU per durable accept, 64 at once",
                ours=cpu[OURS],
                beside=tuple(cpu[name] for name in others),
                ratio=cpu_ratio,
                ratio_of="of what the empty app does with the same CPU",
                goal="at least 0.45x of the empty app",
                holds=cpu_ratio >= 0.45,
            ),
            Result(
                what="Durable accepts per second, 64 at once",
                ours=rate[OURS],
                beside=tuple(rate[name] for name in others),
                ratio=rate_ratio,
                ratio_of="of the empty app",
                goal="at least 0.45x of the empty app",
                holds=rate_ratio >= 0.45,
            ),
            Result(
                what="Durable accepts per second beside a session per request",
                ours=rate[OURS],
                beside=(rate[SESSION],),
                ratio=session_ratio,
                ratio_of="as many",
                goal="at least 6x",
                holds=session_ratio >= 6,
            ),
            Result(
                what="Latency of one at a time, p50",
                ours=at_1[OURS],
                beside=(
                    *(at_1[name] for name in others),
                    Figure(of="fdatasync of a page here", value=fsync_ms, unit="ms"),
                ),
                ratio=at_1[OURS].value / p50_max,
                ratio_of="of the empty app and 3 fsyncs",
                goal="at most the empty app and 3 fsyncs",
                holds=at_1[OURS].value <= p50_max,
            ),
            Result(
                what="Latency of 64 at once, p99",
                ours=at_64[OURS],
                beside=tuple(at_64[name] for name in others),
                ratio=p99 / p99_empty,
                ratio_of="of the empty app's",
                goal="below 100 ms, and at most 3x the empty app's",
                holds=p99 < 100 and p99 <= 3 * p99_empty,
            ),
        ),
        tables=(_table(best),),
    )


def _table(best: dict[tuple[str, int], Best]) -> Table:
    return Table(
        title="By how many are under way at once",
        headings=(
            "server",
            "at once",
            "requests/s",
            "CPU, us",
            "its loop, us",
            "client, us",
            "p50, ms",
            "p99, ms",
        ),
        rows=tuple(
            (
                name,
                str(concurrency),
                amount(one.rate),
                amount(one.cpu),
                amount(one.least(lambda of: of.microseconds(of.server.loop))),
                amount(one.least(lambda of: of.microseconds(of.client))),
                amount(one.latency(0.5)),
                amount(one.latency(0.99)),
            )
            for (name, concurrency), one in best.items()
        ),
        note="The client is not the bottleneck as long as its microseconds are fewer than those of "
        "the server: each has a processor of its own.",
    )


if __name__ == "__main__":
    main(measure)
