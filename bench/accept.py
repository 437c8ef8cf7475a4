"""Orders accepted durably per second, and what one costs, beside the same stack without us.

The service runs as a process of its own on SQLite, its symbol live; the orders are far from the
market and are answered with 202 once they are on disk. Orders that the live quote fills stand
beside them, answered with 200 and their split: two commits. Under the same load stand an app of
FastAPI that answers the same route with a constant, on our server and on plain uvicorn with
httptools and uvloop; and one that commits a row with a session of SQLAlchemy per request (WAL,
synchronous FULL). The clients are this process: bare sockets that are kept, with bytes made before.
Its own processor time stands beside the figures, and the empty app shows how many answers it can
take. All are loaded in turns, round after round, and each turn measures a sync of the disk as well.
The best round of each counts, since whatever disturbs one makes it slower; of the slowest answers
(p99) it is the median round.

    python -m bench.accept
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.answer import quantile
from bench.live_service import ROOT, ThreadSeconds, live_service, thread_seconds
from bench.processes import free_port, program
from bench.raw_client import RawClient, connect_many, post_request
from bench.report import Figure, Result, Section, Table, amount, main

SYMBOL: Final = "LTCBTC"
ROUNDS: Final = 5
REQUESTS: Final = {64: 2_000, 1: 300}
"""Requests of a round, by how many are under way at once."""

SLOW_REQUESTS: Final = {64: 400, 1: 100}
"""The same where each costs a commit, or two."""

FSYNCS: Final = 50
"""Of a turn."""

_ORDER: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 60},
    headers="Prefer: respond-async\r\n",
)
_FILLABLE: Final = post_request(
    "/order/limit", {"symbol": SYMBOL, "order_size": "1", "price": "3", "timeout_seconds": 60}
)
_ACCEPTED: Final = b'"status":"NEW"'
_FILLED: Final = b'"status":"FILLED"'
_UNBOUNDED: Final = {
    "OPEN_ORDERS_MAX": "1000000",
    "OPEN_ORDERS_PER_OWNER_MAX": "1000000",
    "OPEN_ORDERS_PER_SYMBOL_MAX": "1000000",
}
OURS: Final = "papertape"
AT_ONCE: Final = "papertape, filled at once"
EMPTY: Final = "empty FastAPI app on our server"
STANDARD: Final = "empty FastAPI app on uvicorn[standard]"
SESSION: Final = "FastAPI app with a session per request"
OTHERS: Final = (EMPTY, STANDARD, SESSION)


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
    """Who is loaded, with what, and what each answer must hold.

    ``prepare`` is called before a round.
    """

    name: str
    port: int
    pid: int
    requests: dict[int, int]
    request: bytes = _ORDER
    status: int = 202
    told: bytes = _ACCEPTED
    prepare: Callable[[], object] = lambda: None


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

    @property
    def loop(self) -> float:
        """Microseconds of the event loop's thread per request."""
        return self.least(lambda one: one.microseconds(one.server.loop))

    @property
    def p50(self) -> float:
        """Milliseconds within which half of the answers came."""
        return self.least(lambda one: one.milliseconds(0.5))

    @property
    def p99(self) -> float:
        """Milliseconds of the slowest in a hundred, in the median round."""
        return statistics.median(one.milliseconds(0.99) for one in self.rounds)


def measure() -> Section:
    """Measure all."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    found: dict[tuple[str, int], list[Round]] = {}
    fsync_ms: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            servers = await _servers(stack, folder)
            for concurrency in REQUESTS:
                for turn in range(ROUNDS + 1):
                    fsync_ms.append(_fsync_milliseconds(folder))
                    for server in servers:
                        one = await _round(server, concurrency)
                        if turn:  # the first warms up
                            found.setdefault((server.name, concurrency), []).append(one)
    return section({key: Best(tuple(rounds)) for key, rounds in found.items()}, min(fsync_ms))


async def _servers(stack: AsyncExitStack, folder: Path) -> list[Server]:
    service = await stack.enter_async_context(live_service(folder, (SYMBOL,), _UNBOUNDED))
    push = partial(service.market.push, SYMBOL, bid=("1", "1"), ask=("3", "1000000"))
    push()
    port, pid = service.program.port, service.program.process.pid
    servers = [
        Server(OURS, port, pid, REQUESTS),
        Server(AT_ONCE, port, pid, SLOW_REQUESTS, _FILLABLE, 200, _FILLED, push),
    ]
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
    server.prepare()
    clients = await connect_many(server.port, concurrency)
    latencies: list[float] = []
    left = server.requests[concurrency]

    async def ask_on(client: RawClient) -> None:
        nonlocal left
        while left:
            left -= 1
            asked_at = time.perf_counter()
            answer = await client.ask(server.request)
            latencies.append(answer.at - asked_at)
            assert answer.status == server.status, answer.body
            assert server.told in answer.body, answer.body

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
    many, single = ({n: one for (n, of), one in best.items() if of == at} for at in (64, 1))
    return Section(
        name="accept",
        title="Accepting orders",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(*_costs(many), *_latencies(many, single, fsync_ms), _fill(many, single)),
        tables=(_table(best),),
    )


def _costs(many: dict[str, Best]) -> tuple[Result, ...]:
    ours, empty = many[OURS], many[EMPTY]
    cpu, rate = (
        {name: Figure(of=name, value=one.cpu, unit="µs of CPU") for name, one in many.items()},
        {name: Figure(of=name, value=one.rate, unit="requests/s") for name, one in many.items()},
    )
    cpu_ratio, rate_ratio = empty.cpu / ours.cpu, ours.rate / empty.rate
    session_ratio = ours.rate / many[SESSION].rate
    return (
        Result(
            what="CPU per durable accept, 64 at once",
            ours=cpu[OURS],
            beside=tuple(cpu[name] for name in OTHERS),
            ratio=cpu_ratio,
            ratio_of="of what the empty app does with the same CPU",
            goal="at least 0.45x of the empty app",
            holds=cpu_ratio >= 0.45,
            note="" if cpu_ratio >= 0.45 else _spent(ours),
        ),
        Result(
            what="Durable accepts per second, 64 at once",
            ours=rate[OURS],
            beside=tuple(rate[name] for name in OTHERS),
            ratio=rate_ratio,
            ratio_of="of the empty app",
            goal="at least 0.45x of the empty app",
            holds=rate_ratio >= 0.45,
            note="" if rate_ratio >= 0.45 else _spent(ours),
        ),
        Result(
            what="Durable accepts per second beside a session per request",
            ours=rate[OURS],
            beside=(rate[SESSION],),
            ratio=session_ratio,
            ratio_of="as many",
            goal="at least 6x",
            holds=session_ratio >= 6,
            note="" if session_ratio >= 6 else _spent(ours),
        ),
    )


def _latencies(
    many: dict[str, Best], single: dict[str, Best], fsync_ms: float
) -> tuple[Result, ...]:
    p50, p99 = single[OURS].p50, many[OURS].p99
    p50_max = single[EMPTY].p50 + 3 * fsync_ms
    p99_empty = many[EMPTY].p99
    is_even = p99 < 100 and p99 <= 3 * p99_empty
    return (
        Result(
            what="Latency of one at a time, p50",
            ours=Figure(of=OURS, value=p50, unit="ms"),
            beside=(
                *(Figure(of=name, value=single[name].p50, unit="ms") for name in OTHERS),
                Figure(of="fdatasync of a page here", value=fsync_ms, unit="ms"),
            ),
            ratio=p50 / p50_max,
            ratio_of="of the empty app and 3 fsyncs",
            goal="at most the empty app and 3 fsyncs",
            holds=p50 <= p50_max,
            note="" if p50 <= p50_max else _chain(single[OURS], fsync_ms),
        ),
        Result(
            what="Latency of 64 at once, p99",
            ours=Figure(of=OURS, value=p99, unit="ms"),
            beside=tuple(Figure(of=name, value=many[name].p99, unit="ms") for name in OTHERS),
            ratio=p99 / p99_empty,
            ratio_of="of the empty app's",
            goal="below 100 ms, and at most 3x the empty app's",
            holds=is_even,
            note="" if is_even else _turn(many[OURS]),
        ),
    )


def _fill(many: dict[str, Best], single: dict[str, Best]) -> Result:
    """Tell what an order costs that the live quote fills: there is no goal."""
    ours = many[AT_ONCE]
    return Result(
        what="CPU of an order that the live quote fills, 64 at once",
        ours=Figure(of=AT_ONCE, value=ours.cpu, unit="µs of CPU"),
        beside=tuple(
            Figure(of=name, value=many[name].cpu, unit="µs of CPU") for name in (OURS, SESSION)
        ),
        ratio=ours.cpu / many[OURS].cpu,
        ratio_of="of one that rests",
        note=f"Accepted, filled and answered with its split, in two commits: p50 "
        f"{single[AT_ONCE].p50:.2f} ms one at a time, {ours.p50:.1f} ms 64 at once. {_spent(ours)}",
    )


def _spent(ours: Best) -> str:
    return (
        f"Of the {ours.cpu:.0f} µs, {ours.loop:.0f} are the event loop's, the rest those of the "
        "thread that commits; the two share one interpreter lock."
    )


def _chain(ours: Best, fsync_ms: float) -> str:
    """Say what one request waits for, one thing after the other."""
    return (
        f"One after the other: the event loop {ours.loop / 1e3:.2f} ms, the thread that commits "
        f"{(ours.cpu - ours.loop) / 1e3:.2f} ms of CPU, a sync {fsync_ms:.2f} ms, and the wake-ups "
        "between them. With 64 at once a commit serves many."
    )


def _turn(ours: Best) -> str:
    """Say how long 64 requests take that are served in turns."""
    return (
        f"64 of them take {64 * ours.cpu / 1e3:.0f} ms of CPU, which one interpreter lock has one "
        f"thread spend at a time; whoever comes as a commit begins waits for its end and for the "
        f"next one. {_spent(ours)}"
    )


def _table(best: dict[tuple[str, int], Best]) -> Table:
    return Table(
        title="By how many are under way at once",
        headings=(
            "server",
            "at once",
            "requests/s",
            "CPU, µs",
            "its loop, µs",
            "client, µs",
            "p50, ms",
            "p99, ms",
        ),
        rows=tuple(
            (
                name,
                str(concurrency),
                amount(one.rate),
                amount(one.cpu),
                amount(one.loop),
                amount(one.least(lambda of: of.microseconds(of.client))),
                amount(one.p50),
                amount(one.p99),
            )
            for (name, concurrency), one in best.items()
        ),
        note="The client is not the bottleneck as long as its microseconds are fewer than those of "
        "the server: each has a processor of its own.",
    )


if __name__ == "__main__":
    main(measure)
