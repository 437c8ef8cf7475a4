"""Orders accepted durably per second, and their cost, beside the same stack without the service.

The service runs in a process of its own on SQLite, and its symbol is live. The orders are far from
the market and are answered with 202 once they are on disk. Two other programs get the same load: an
app of FastAPI that answers the same route with a constant, on the service's own server, and an app
that commits a row with a session of SQLAlchemy per request (WAL, synchronous FULL). The clients are
in the benchmark's process: kept sockets and prepared bytes. Their processor time is shown, and the
empty app shows how many answers they can read. The programs take turns, round after round, and each
turn also measures a sync of the disk. For each figure the best round counts, since a disturbance
makes a round slower; for the p99 the median round counts.

    python -m bench.accept
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.harness.live_service import ROOT, live_service
from bench.harness.measuring import Round, sync_seconds
from bench.harness.peer_environments import peer_script
from bench.harness.processes import Program, free_port, program
from bench.harness.raw_client import RawClient, post_request
from bench.harness.report import Result, Section, Table, amount, compared, main, method_of

SYMBOL: Final = "LTCBTC"
ROUNDS: Final = 9
REQUESTS: Final = {64: 2_000, 1: 300}
"""Requests of a round, by how many are under way at once."""

SLOW_REQUESTS: Final = {64: 400, 1: 100}
"""The same for a program with a commit per request."""

_ORDER: Final = post_request(
    "/order/limit",
    {"symbol": SYMBOL, "order_size": "1", "price": "0.5", "timeout_seconds": 60},
    headers="Prefer: respond-async\r\n",
)
_ACCEPTED: Final = b'"status":"NEW"'
_UNBOUNDED: Final = {
    "OPEN_ORDERS_MAX": "1000000",
    "OPEN_ORDERS_PER_OWNER_MAX": "1000000",
    "OPEN_ORDERS_PER_SYMBOL_MAX": "1000000",
}
OURS: Final = "papertape"
EMPTY: Final = "empty FastAPI app on our server"
SESSION: Final = "FastAPI app with a session per request"

EMPTY_SHARE_MIN: Final = 0.45
SESSIONS_MIN: Final = 6.0
"""The session waits for the disk and the service computes, so the ratio depends on how fast the
disk is beside the processor."""

ALONE_RATIO_MAX: Final = 1.0
"""An order alone shares its commit with no other, as in a session of its own."""

P99_RATIO_MAX: Final = 3.0


@dataclass(frozen=True, slots=True)
class Best:
    """The best of the rounds of one program, each figure by itself."""

    rounds: tuple[Round, ...]

    def least(self, figure: Callable[[Round], float]) -> float:
        """Return the smallest figure of all rounds."""
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
        """The p99 in milliseconds, in the median round."""
        return statistics.median(one.milliseconds(0.99) for one in self.rounds)


def measure() -> Section:
    """Measure all programs."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    found: dict[tuple[str, int], list[Round]] = {}
    sync_ms: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            programs = await _programs(stack, folder)
            for concurrency in REQUESTS:
                for turn in range(ROUNDS + 1):
                    sync_ms.append(1e3 * sync_seconds(folder))
                    for of, running in programs.items():
                        requests = (SLOW_REQUESTS if of == SESSION else REQUESTS)[concurrency]
                        one = await _round(running, requests, concurrency)
                        if turn:  # the first round warms up
                            found.setdefault((of, concurrency), []).append(one)
    return section({key: Best(tuple(rounds)) for key, rounds in found.items()}, min(sync_ms))


async def _programs(stack: AsyncExitStack, folder: Path) -> dict[str, Program]:
    service = await stack.enter_async_context(live_service(folder, (SYMBOL,), _UNBOUNDED))
    service.market.push(SYMBOL, bid=("1", "1"), ask=("3", "1000000"))
    programs = {OURS: service.program}
    empty, session = Path(ROOT) / "bench" / "accept_floor.py", peer_script("session_service.py")
    for of, script in ((EMPTY, empty), (SESSION, session)):
        port = free_port()
        command = (sys.executable, script, str(port), folder / f"{script.stem}.db")
        running = stack.enter_context(
            program(command, port=port, folder=folder, environment={"PYTHONPATH": ROOT})
        )
        await asyncio.to_thread(running.until_answering, "/docs")
        programs[of] = running
    return programs


async def _round(running: Program, requests: int, concurrency: int) -> Round:
    clients = await RawClient.connect_many(running.port, concurrency)
    latencies: list[float] = []
    left = requests

    async def ask_on(client: RawClient) -> None:
        nonlocal left
        while left:
            left -= 1
            asked_at = time.perf_counter()
            answer = await client.ask(_ORDER)
            latencies.append(answer.at - asked_at)
            assert answer.status == 202, answer.body
            assert _ACCEPTED in answer.body, answer.body

    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.callback(client.close)
        before, client_before = running.cpu(), time.process_time()
        started_at = time.perf_counter()
        await asyncio.gather(*map(ask_on, clients))
        return Round(
            latencies=latencies,
            wall=time.perf_counter() - started_at,
            server=running.cpu().since(before),
            client=time.process_time() - client_before,
        )


def section(best: dict[tuple[str, int], Best], sync_ms: float) -> Section:
    """Compare the figures with the goals."""
    many, alone = ({n: one for (n, of), one in best.items() if of == at} for at in (64, 1))
    return Section(
        name="accept",
        title="Accepting orders",
        method=method_of(__doc__),
        results=(*_costs(many), _alone(alone, sync_ms), _slowest(many)),
        tables=(_table(best),),
    )


def _costs(many: dict[str, Best]) -> tuple[Result, ...]:
    ours, empty, session = many[OURS], many[EMPTY], many[SESSION]
    rates = {name: one.rate for name, one in many.items()}
    return (
        compared(
            "CPU per durable accept, 64 at once",
            "µs of CPU",
            {name: one.cpu for name, one in many.items()},
            ratio=empty.cpu / ours.cpu,
            ratio_of="the empty app's requests with the same CPU",
            at_least=EMPTY_SHARE_MIN,
            note=_spent(ours),
        ),
        compared(
            "Durable accepts per second, 64 at once",
            "requests/s",
            rates,
            ratio=ours.rate / empty.rate,
            ratio_of="the empty app",
            at_least=EMPTY_SHARE_MIN,
        ),
        compared(
            "Durable accepts per second beside a session per request",
            "requests/s",
            {OURS: rates[OURS], SESSION: rates[SESSION]},
            ratio=ours.rate / session.rate,
            ratio_of="a session per request",
            at_least=SESSIONS_MIN,
        ),
    )


def _alone(alone: dict[str, Best], sync_ms: float) -> Result:
    """Compare one request at a time with a session of the same driver, and with the disk."""
    ours, empty = alone[OURS], alone[EMPTY]
    figures = {name: one.p50 for name, one in alone.items()}
    return compared(
        "Latency of one at a time, p50",
        "ms",
        figures | {"a sync of a page": sync_ms, "empty app and 3 syncs": empty.p50 + 3 * sync_ms},
        ratio=ours.p50 / alone[SESSION].p50,
        ratio_of="a session per request",
        at_most=ALONE_RATIO_MAX,
        note=f"One after the other: the event loop {ours.loop / 1e3:.2f} ms, the thread that "
        f"commits {(ours.cpu - ours.loop) / 1e3:.2f} ms of CPU, a sync {sync_ms:.2f} ms, and the "
        "switches between them. With 64 at once a commit serves many orders.",
    )


def _slowest(many: dict[str, Best]) -> Result:
    ours, empty = many[OURS], many[EMPTY]
    return compared(
        "Latency of 64 at once, p99",
        "ms",
        {name: one.p99 for name, one in many.items()},
        ratio=ours.p99 / empty.p99,
        ratio_of="the empty app's",
        at_most=P99_RATIO_MAX,
        note=f"64 orders take {64 * ours.cpu / 1e3:.0f} ms of CPU, on one thread at a time because "
        "of the interpreter lock. An order that comes as a commit begins waits for the end of this "
        "commit and for the next one.",
    )


def _spent(ours: Best) -> str:
    return (
        f"Of the {ours.cpu:.0f} µs, the event loop takes {ours.loop:.0f} and the thread that "
        "commits the rest; the two share one interpreter lock."
    )


def _table(best: dict[tuple[str, int], Best]) -> Table:
    return Table(
        title="By requests under way at once",
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
        note="The client is not the bottleneck while it takes fewer microseconds than the server: "
        "each has a processor of its own.",
    )


if __name__ == "__main__":
    main(measure)
