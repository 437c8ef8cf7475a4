"""What 100,000 open orders cost: memory, quotes, new orders, a start, a stop.

The service runs as a process of its own on SQLite, with one connection to a venue that quotes what
this benchmark tells it. Most orders are put into the database by the journal beforehand and taken
up by the start; the last of them come over HTTP, as do those that the same service gets while it
has next to none. Memory is what the process has of its own (USS) beyond the same service at rest.
What is measured of quotes and new orders is the
service's processor time, so that how fast they are sent does not matter. While the orders are
taken up, /healthz is asked again and again. Beside the memory of an order
stands what a task that awaits a future with a timeout takes, as waiting for each order would need.

    python -m bench.open_orders
"""

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from app.clock import SystemClock, Uuid7Source
from app.domain.events import StoredEvent
from app.domain.order import PUBLIC, Order, Side, Symbol, TimeInForce
from app.settings import Venue
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from bench.processes import Program, free_port, program, unique_bytes
from bench.report import Figure, Result, Section, Table, amount, main

ORDERS: Final = 100_000
OVER_HTTP: Final = 5_000
SYMBOLS: Final = tuple(f"T{number:03}BTC" for number in range(100))
CONNECTIONS: Final = 32
QUOTES: Final = 20_000
FILLS: Final = 60
TASKS: Final = 50_000
BYTES_GOAL: Final = 1_000
QUOTE_GROWTH_MAX: Final = 1.3
FAR_BELOW: Final = Decimal("0.0010")
ASK_PRICE: Final = "0.0020"
ABOVE_ASK: Final = Decimal("0.0021")
DAY: Final = timedelta(days=1)
_SEEDS_AT_ONCE: Final = 5_000
_POLL_SECONDS: Final = 0.005
_WATCH_SECONDS: Final = 0.02
_SETTLE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What was seen of one service; ``bytes`` are its own, seconds of the processor where named."""

    open_orders: int
    start_seconds: float
    start_cpu_seconds: float
    first_fill_seconds: float
    health_seconds_most: float
    rest_bytes: int
    full_bytes: int
    most_bytes: int
    accept_cpu_seconds: float
    quote_cpu_seconds: float
    fill_seconds: Sequence[float]
    stop_seconds: float
    connections: int


class _Scene:
    """The venue in this process, and the service that the benchmark starts on it."""

    def __init__(self, folder: Path, market: ScriptedMarket, venue: SimulatedVenue) -> None:
        self.folder = folder
        self.market = market
        self.venue = venue

    def database_url(self, name: str) -> str:
        """Return where a database of this name is."""
        return f"sqlite+aiosqlite:///{self.folder}/{name}.db"

    def quote(self, symbol: str, *, ask_price: str = ASK_PRICE, quantity: int = 1) -> None:
        """Show an ask above all orders but the one that is to be filled."""
        self.market.push(symbol, bid=("0.0001", "1"), ask=(ask_price, str(quantity)))


def measure() -> Section:
    """Measure the service with next to no orders and with 100,000."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        task_bytes = fresh.submit(bytes_of_a_waiting_task).result()
    few, many = asyncio.run(_measure())
    return Section(
        name="open_orders",
        title="100,000 open orders in one process",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=_results(few, many, task_bytes),
        tables=(_table(few, many),),
    )


def bytes_of_a_waiting_task() -> int:
    """Return the bytes of this process per task that awaits a future with a timeout."""

    async def wait_all() -> int:
        loop = asyncio.get_running_loop()
        before = unique_bytes("self")
        futures = [loop.create_future() for _ in range(TASKS)]
        tasks = [asyncio.create_task(asyncio.wait_for(one, 600)) for one in futures]
        await asyncio.sleep(0.1)
        taken = unique_bytes("self") - before
        for future in futures:
            future.set_result(None)
        await asyncio.gather(*tasks)
        return taken // TASKS

    return asyncio.run(wait_all())


async def _measure() -> tuple[Costs, Costs]:
    market = ScriptedMarket(SYMBOLS)
    venue = SimulatedVenue(market, clock=SystemClock())
    with tempfile.TemporaryDirectory() as name:
        async with venue.serve("127.0.0.1", 0) as running:
            scene = _Scene(Path(name), market, venue)
            for symbol in SYMBOLS:
                scene.quote(symbol)
            environment = {
                "LOG_FORMAT": "json",
                "VENUE": "simulator",
                "BINANCE_STREAM_URL": running.stream_url,
                "BINANCE_REST_URL": running.rest_url,
                "REQUESTS_PER_SECOND_MAX": "0",
            }
            rest_bytes = await _bytes_at_rest(scene, environment)
            few = await _costs(scene, environment, len(SYMBOLS), rest_bytes)
            return few, await _costs(scene, environment, ORDERS - OVER_HTTP, rest_bytes)


async def _bytes_at_rest(scene: _Scene, environment: dict[str, str]) -> int:
    """Return the bytes of a service without orders, after the start that made its database."""
    await _seed(scene, "rest", 0)
    async with _service(scene, environment, "rest") as service:
        await asyncio.to_thread(service.until_answering, "/readyz")
        await asyncio.sleep(_SETTLE_SECONDS)
        return service.memory().unique


async def _costs(scene: _Scene, environment: dict[str, str], seeded: int, rest_bytes: int) -> Costs:
    """Start on a database with ``seeded`` open orders, one of which can be filled at once."""
    name = f"{seeded}"
    first_id = await _seed(scene, name, seeded)
    opened_before = scene.venue.observations.connections_opened
    async with _service(scene, environment, name) as service:
        ready, health = await asyncio.to_thread(_watch_the_start, service)
        await _until_filled(service, first_id)
        first_fill = time.monotonic() - service.started_at
        start_cpu = service.cpu_seconds()
        accept_cpu = await _accept_cpu(service)
        await asyncio.sleep(_SETTLE_SECONDS)
        quote_cpu = await _quote_cpu(scene, service)
        memory = service.memory()
        fills = [await _fill_seconds(scene, service, number) for number in range(FILLS)]
        return Costs(
            open_orders=seeded + OVER_HTTP - 1,
            start_seconds=ready,
            start_cpu_seconds=start_cpu,
            first_fill_seconds=first_fill,
            health_seconds_most=health,
            rest_bytes=rest_bytes,
            full_bytes=memory.unique,
            most_bytes=memory.resident_most,
            accept_cpu_seconds=accept_cpu,
            quote_cpu_seconds=quote_cpu,
            fill_seconds=sorted(fills),
            stop_seconds=await asyncio.to_thread(service.stop),
            connections=scene.venue.observations.connections_opened - opened_before,
        )


@contextlib.asynccontextmanager
async def _service(
    scene: _Scene, environment: dict[str, str], database: str
) -> AsyncIterator[Program]:
    port = free_port()
    with program(
        (sys.executable, "-m", "app", "serve"),
        port=port,
        folder=scene.folder,
        environment=environment
        | {
            "HTTP_PORT": str(port),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "DATABASE_URL": scene.database_url(database),
        },
    ) as service:
        yield service


async def _seed(scene: _Scene, database: str, orders: int) -> str:
    """Make a database with open orders, the first of which can be filled; return that one's id."""
    clock, ids = SystemClock(), Uuid7Source()
    opened = await Database.open(
        scene.database_url(database), venue=Venue.SIMULATOR, owner="the benchmark"
    )
    journal = GroupCommitJournal(opened)
    now = clock.now()
    made = [
        Order(
            order_id=ids.new_order_id(),
            acceptance_number=journal.next_acceptance_number(),
            owner=PUBLIC,
            client_order_id=None,
            symbol=Symbol(SYMBOLS[number % len(SYMBOLS)]),
            side=Side.BUY,
            time_in_force=TimeInForce.GTD,
            quantity=Decimal(1),
            limit_price=FAR_BELOW - Decimal(number) / 10**9 if number else ABOVE_ASK,
            accepted_at=now,
            expires_at=now + DAY,
        )
        for number in range(orders)
    ]
    running = asyncio.create_task(journal.run(_Nobody()))
    for start in range(0, orders, _SEEDS_AT_ONCE):
        chunk = made[start : start + _SEEDS_AT_ONCE]
        await asyncio.gather(*(journal.accept(order) for order in chunk))
    await journal.close()
    await running
    await opened.close()
    return made[0].order_id if made else ""


class _Nobody:
    """Hears what the journal tells while a database is made."""

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Do nothing."""

    def on_write_trouble(self) -> None:
        """Do nothing."""

    def on_write_recovery(self) -> None:
        """Do nothing."""

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """Do nothing."""


def _watch_the_start(service: Program) -> tuple[float, float]:
    """Return the seconds until ready, and the longest that an answer of /healthz took until then.

    Asked seldom: each question takes a millisecond of the processor that is to take orders up.
    """
    longest = 0.0
    service.until_answering("/healthz")
    while service.status("/readyz") != HTTPStatus.OK:
        time.sleep(_WATCH_SECONDS)
        asked_at = time.monotonic()
        service.status("/healthz")
        longest = max(longest, time.monotonic() - asked_at)
    return time.monotonic() - service.started_at, longest


async def _until_filled(service: Program, order_id: str) -> None:
    """Wait until an order is filled."""
    connection = await _Connection.to(service)
    while (await connection.get(f"/order/{order_id}"))["status"] != "FILLED":
        await asyncio.sleep(_POLL_SECONDS)
    await connection.close()


async def _accept_cpu(service: Program) -> float:
    """Return the seconds of the service's processor per order that comes over HTTP and rests."""

    async def place(numbers: range) -> None:
        connection = await _Connection.to(service)
        for number in numbers:
            symbol = SYMBOLS[number % len(SYMBOLS)]
            await connection.place(symbol, price="0.0005", prefer="respond-async")
        await connection.close()

    before = service.cpu_seconds()
    await asyncio.gather(
        *(place(range(first, OVER_HTTP, CONNECTIONS)) for first in range(CONNECTIONS))
    )
    return (service.cpu_seconds() - before) / OVER_HTTP


async def _quote_cpu(scene: _Scene, service: Program) -> float:
    """Return the seconds of the service's processor per quote that crosses nothing."""
    before = service.cpu_seconds()
    for number in range(QUOTES):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        scene.quote(symbol, ask_price=f"0.00{20 + number // len(SYMBOLS) % 7}")
        if not number % 200:
            await asyncio.sleep(0.001)
    last = scene.venue.observations.last_update_id_sent
    connection = await _Connection.to(service)
    for symbol in SYMBOLS:
        while (await connection.get(f"/symbols/{symbol}"))["quote"]["update_id"] < last[symbol]:
            await asyncio.sleep(_POLL_SECONDS)
    await connection.close()
    return (service.cpu_seconds() - before) / QUOTES


async def _fill_seconds(scene: _Scene, service: Program, number: int) -> float:
    """Return the seconds from a quote to the answer of the one order that it fills."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    connection = await _Connection.to(service)
    waiting = asyncio.create_task(connection.place(symbol, price="0.0015", prefer="wait=30"))
    await _until_open(service, symbol)
    began = time.perf_counter()
    scene.quote(symbol, ask_price="0.0015")
    answer = await waiting
    seconds = time.perf_counter() - began
    assert answer["status"] == "FILLED", answer
    scene.quote(symbol)
    await connection.close()
    return seconds


async def _until_open(service: Program, symbol: str) -> None:
    """Wait until the newest order of a symbol is the one that is to be filled."""
    connection = await _Connection.to(service)
    while (await connection.get(f"/orders?symbol={symbol}&limit=1"))["orders"][0][
        "price"
    ] != "0.0015":
        await asyncio.sleep(_POLL_SECONDS)
    await connection.close()


class _Connection:
    """One connection to the service, on which requests follow one another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, service: Program) -> "_Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", service.port))

    async def get(self, path: str) -> dict[str, Any]:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return await self._answer()

    async def place(self, symbol: str, *, price: str, prefer: str) -> dict[str, Any]:
        content = json.dumps(
            {"symbol": symbol, "order_size": "1", "price": price, "timeout_seconds": 86_400}
        )
        head = (
            "POST /order/limit HTTP/1.1\r\nHost: localhost\r\n"
            f"Prefer: {prefer}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write((head + content).encode())
        return await self._answer()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def _answer(self) -> dict[str, Any]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body: dict[str, Any] = json.loads(await self._reader.readexactly(length))
        return body


def _results(few: Costs, many: Costs, task_bytes: int) -> tuple[Result, ...]:
    at_many, at_few = f"at {many.open_orders:,}", f"at {few.open_orders:,}"
    per_order = (many.full_bytes - many.rest_bytes) / many.open_orders
    return (
        Result(
            what="Memory per open order, the whole service",
            ours=Figure(of=at_many, value=per_order, unit="bytes"),
            beside=(
                Figure(of="a task, a future and a timeout each", value=task_bytes, unit="bytes"),
            ),
            ratio=per_order / task_bytes,
            ratio_of="a task and future per order, which hold no order yet",
            goal=f"at most {BYTES_GOAL:,} bytes",
            holds=per_order <= BYTES_GOAL,
        ),
        Result(
            what="Connections to the venue with 100,000 open orders",
            ours=Figure(of=at_many, value=many.connections, unit="connections"),
            goal="one",
            holds=many.connections == 1,
        ),
        Result(
            what="CPU of a quote that crosses nothing, the whole service",
            ours=Figure(of=at_many, value=many.quote_cpu_seconds * 1e6, unit="µs"),
            beside=(Figure(of=at_few, value=few.quote_cpu_seconds * 1e6, unit="µs"),),
            ratio=many.quote_cpu_seconds / few.quote_cpu_seconds,
            ratio_of=at_few,
            goal="at most 1.3x",
            holds=many.quote_cpu_seconds / few.quote_cpu_seconds <= QUOTE_GROWTH_MAX,
        ),
        Result(
            what="CPU of an order that comes over HTTP and rests, the whole service",
            ours=Figure(of=at_many, value=many.accept_cpu_seconds * 1e6, unit="µs"),
            beside=(Figure(of=at_few, value=few.accept_cpu_seconds * 1e6, unit="µs"),),
            ratio=many.accept_cpu_seconds / few.accept_cpu_seconds,
            ratio_of=at_few,
        ),
    )


def _table(few: Costs, many: Costs) -> Table:
    rows: tuple[tuple[str, Callable[[Costs], str]], ...] = (
        ("start until ready, s", lambda one: amount(one.start_seconds)),
        ("CPU of it until the first fill, s", lambda one: amount(one.start_cpu_seconds)),
        ("start until the first fill was read, s", lambda one: amount(one.first_fill_seconds)),
        (
            "longest answer of /healthz meanwhile, ms",
            lambda one: amount(one.health_seconds_most * 1e3),
        ),
        ("memory at rest, MB", lambda one: amount(one.rest_bytes / 1e6)),
        ("memory with them, MB", lambda one: amount(one.full_bytes / 1e6)),
        ("memory at most, MB", lambda one: amount(one.most_bytes / 1e6)),
        ("quote to answer, p50 ms", lambda one: amount(statistics.median(one.fill_seconds) * 1e3)),
        ("quote to answer, longest ms", lambda one: amount(max(one.fill_seconds) * 1e3)),
        ("stop after SIGTERM, s", lambda one: amount(one.stop_seconds)),
    )
    return Table(
        title="By the number of open orders",
        headings=("", f"{few.open_orders:,} open", f"{many.open_orders:,} open"),
        rows=tuple((name, told(few), told(many)) for name, told in rows),
    )


if __name__ == "__main__":
    main(measure)
