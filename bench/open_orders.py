"""The cost of 100,000 open orders: memory, quotes, new orders, a start, a stop.

The service runs in a process of its own on SQLite, with one connection to a venue whose quotes the
benchmark pushes. The journal writes most orders into the database beforehand, and the start loads
them. The last orders come over HTTP, and a service with 99 open orders gets the same ones. Memory
is the process's own (USS), without the memory of the smaller service after its start. For quotes
and new orders the service's processor time is measured, which does not depend on their pace. While
the orders are loaded, /healthz is requested again and again. For comparison, a task for each order
waits for a future with a timeout, as a service would need that watches each order on its own.

    python -m bench.open_orders
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from app.clock import SystemClock
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from bench.harness.live_service import starting_service
from bench.harness.orders import buy_order
from bench.harness.processes import Program
from bench.harness.raw_client import RawClient, get_request, post_request
from bench.harness.report import Figure, Result, Section, Table, amount, compared, main, method_of
from bench.harness.service_parts import running_journal
from bench.memory import run_load

ORDERS: Final = 100_000
OVER_HTTP: Final = 5_000
SYMBOLS: Final = tuple(f"T{number:03}BTC" for number in range(100))
CONNECTIONS: Final = 32
QUOTES: Final = 20_000
FILLS: Final = 60
BYTES_MAX: Final = 1_000
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
    """The figures of one service; the bytes are its own.

    Attributes:
        seeded: how many orders were open after the start.
        open_orders: how many were open at the end.
        start_seconds: until it was ready.
        start_cpu_seconds: processor time until the first fill was read.
        first_fill_seconds: until the first fill was read.
        health_seconds_most: the longest answer of /healthz during the start.
        started_bytes: after the start.
        full_bytes: with all orders.
        most_bytes: the most at any time, shared memory included.
        accept_cpu_seconds: processor time of an order over HTTP.
        quote_cpu_seconds: processor time of a quote that fills no order.
        fill_seconds: from a quote to the answer of the order that it fills.
        stop_seconds: from SIGTERM to the exit.
        connections: how many connections to the venue it opened.
    """

    seeded: int
    open_orders: int
    start_seconds: float
    start_cpu_seconds: float
    first_fill_seconds: float
    health_seconds_most: float
    started_bytes: int
    full_bytes: int
    most_bytes: int
    accept_cpu_seconds: float
    quote_cpu_seconds: float
    fill_seconds: Sequence[float]
    stop_seconds: float
    connections: int


def measure() -> Section:
    """Measure the service with few orders and with 100,000."""
    task_bytes = run_load("waiting_tasks")["bytes_per_order"]
    few, many = asyncio.run(_measure())
    return Section(
        name="open_orders",
        title="100,000 open orders in one process",
        method=method_of(__doc__),
        results=_results(few, many, task_bytes),
        tables=(_table(few, many),),
    )


async def _measure() -> tuple[Costs, Costs]:
    return await _costs(len(SYMBOLS)), await _costs(ORDERS - OVER_HTTP)


def _market() -> ScriptedMarket:
    market = ScriptedMarket(SYMBOLS)
    for symbol in SYMBOLS:
        _quote(market, symbol)
    return market


def _quote(market: ScriptedMarket, symbol: str, *, ask_price: str = ASK_PRICE) -> None:
    """Show an ask above all orders except the one to fill."""
    market.push(symbol, bid=("0.0001", "1"), ask=(ask_price, "1"))


async def _costs(seeded: int) -> Costs:
    """Start on a database with ``seeded`` open orders, one of which can be filled at once."""
    market = _market()
    venue = SimulatedVenue(market, clock=SystemClock())
    with tempfile.TemporaryDirectory() as name:
        first_id = await _seed(Path(name), seeded)
        async with starting_service(Path(name), venue) as service:
            ready, health = await asyncio.to_thread(_watch_the_start, service)
            client = await RawClient.connect(service.port)
            while (await _get(client, f"/order/{first_id}"))["status"] != "FILLED":
                await asyncio.sleep(_POLL_SECONDS)
            first_fill = time.monotonic() - service.started_at
            start_cpu = service.cpu_seconds()
            await asyncio.sleep(_SETTLE_SECONDS)
            started_bytes = service.memory().unique
            accept_cpu = await _accept_cpu(service)
            await asyncio.sleep(_SETTLE_SECONDS)
            quote_cpu = await _quote_cpu(market, venue, service, client)
            memory = service.memory()
            fills = [await _fill_seconds(market, service, client, one) for one in range(FILLS)]
            client.close()
            return Costs(
                seeded=seeded - 1,  # one was filled
                open_orders=seeded - 1 + OVER_HTTP,
                start_seconds=ready,
                start_cpu_seconds=start_cpu,
                first_fill_seconds=first_fill,
                health_seconds_most=health,
                started_bytes=started_bytes,
                full_bytes=memory.unique,
                most_bytes=memory.resident_most,
                accept_cpu_seconds=accept_cpu,
                quote_cpu_seconds=quote_cpu,
                fill_seconds=fills,
                stop_seconds=await asyncio.to_thread(service.stop),
                connections=venue.observations.connections_opened,
            )


async def _seed(folder: Path, orders: int) -> str:
    """Make a database with open orders, the first of which can be filled; return its id."""
    now = SystemClock().now()
    first_id = ""
    async with running_journal(f"sqlite+aiosqlite:///{folder / 'bench.db'}") as journal:
        made = [
            buy_order(
                journal.next_acceptance_number(),
                symbol=SYMBOLS[number % len(SYMBOLS)],
                limit_price=FAR_BELOW - Decimal(number) / 10**9 if number else ABOVE_ASK,
                accepted_at=now,
                expires_at=now + DAY,
            )
            for number in range(orders)
        ]
        for start in range(0, orders, _SEEDS_AT_ONCE):
            chunk = made[start : start + _SEEDS_AT_ONCE]
            await asyncio.gather(*(journal.accept(order) for order in chunk))
            first_id = made[0].order_id
    return first_id


def _watch_the_start(service: Program) -> tuple[float, float]:
    """Return the seconds until ready, and the longest answer of /healthz until then.

    The pauses are long: each request takes a millisecond of the processor that loads the orders.
    """
    longest = 0.0
    service.until_answering("/healthz")
    while service.status("/readyz") != HTTPStatus.OK:
        time.sleep(_WATCH_SECONDS)
        asked_at = time.monotonic()
        service.status("/healthz")
        longest = max(longest, time.monotonic() - asked_at)
    return time.monotonic() - service.started_at, longest


async def _get(client: RawClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await client.ask(get_request(path))).body)
    return found


def _order(symbol: str, *, price: str, prefer: str) -> bytes:
    document = {"symbol": symbol, "order_size": "1", "price": price, "timeout_seconds": 86_400}
    return post_request("/order/limit", document, headers=f"Prefer: {prefer}\r\n")


async def _accept_cpu(service: Program) -> float:
    """Return the service's CPU seconds of an order that comes over HTTP and rests."""
    clients = await RawClient.connect_many(service.port, CONNECTIONS)
    numbers = iter(range(OVER_HTTP))

    async def place(client: RawClient) -> None:
        for number in numbers:
            symbol = SYMBOLS[number % len(SYMBOLS)]
            await client.ask(_order(symbol, price="0.0005", prefer="respond-async"))

    before = service.cpu()
    await asyncio.gather(*map(place, clients))
    spent = service.cpu().since(before).total
    for client in clients:
        client.close()
    return spent / OVER_HTTP


async def _quote_cpu(
    market: ScriptedMarket, venue: SimulatedVenue, service: Program, client: RawClient
) -> float:
    """Return the service's CPU seconds of a quote that fills no order."""
    before = service.cpu()
    for number in range(QUOTES):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        _quote(market, symbol, ask_price=f"0.00{20 + number // len(SYMBOLS) % 7}")
        if not number % 200:
            await asyncio.sleep(0.001)
    last = venue.observations.last_update_id_sent
    for symbol in SYMBOLS:
        while (await _get(client, f"/symbols/{symbol}"))["quote"]["update_id"] < last[symbol]:
            await asyncio.sleep(_POLL_SECONDS)
    return service.cpu().since(before).total / QUOTES


async def _fill_seconds(
    market: ScriptedMarket, service: Program, control: RawClient, number: int
) -> float:
    """Return the seconds from a quote to the answer of the one order that it fills."""
    symbol, price = SYMBOLS[number % len(SYMBOLS)], "0.0015"
    client = await RawClient.connect(service.port)
    waiting = client.ask(_order(symbol, price=price, prefer="wait=30"))
    newest = f"/orders?symbol={symbol}&limit=1"
    while (await _get(control, newest))["orders"][0]["price"] != price:
        await asyncio.sleep(_POLL_SECONDS)
    began = time.perf_counter()
    _quote(market, symbol, ask_price=price)
    answer = await waiting
    assert json.loads(answer.body)["status"] == "FILLED", answer.body
    _quote(market, symbol)
    client.close()
    return answer.at - began


def _results(few: Costs, many: Costs, task_bytes: float) -> tuple[Result, ...]:
    at_many, at_few = f"at {many.open_orders:,}", f"at {few.open_orders:,}"
    # With so few orders after its start, the smaller service is nearly one without orders.
    per_order = (many.full_bytes - few.started_bytes) / (many.open_orders - few.seeded)
    quotes, accepts = (
        {at_many: 1e6 * of_many, at_few: 1e6 * of_few}
        for of_many, of_few in (
            (many.quote_cpu_seconds, few.quote_cpu_seconds),
            (many.accept_cpu_seconds, few.accept_cpu_seconds),
        )
    )
    return (
        Result(
            what="Memory per open order, the whole service",
            ours=Figure(of=at_many, value=per_order, unit="bytes"),
            beside=(
                Figure(of="a task, a future and a timeout each", value=task_bytes, unit="bytes"),
            ),
            ratio=per_order / task_bytes,
            ratio_of="a task and future per order, without the order",
            goal=f"at most {BYTES_MAX:,} bytes",
            holds=per_order <= BYTES_MAX,
        ),
        Result(
            what="Connections to the venue with 100,000 open orders",
            ours=Figure(of=at_many, value=many.connections, unit="connections"),
            goal="one",
            holds=many.connections == 1,
        ),
        compared(
            "CPU of a quote that crosses nothing, the whole service",
            "µs",
            quotes,
            ratio=quotes[at_many] / quotes[at_few],
            ratio_of=f"the cost {at_few}",
            at_most=QUOTE_GROWTH_MAX,
        ),
        compared(
            "CPU of an order that comes over HTTP and rests, the whole service",
            "µs",
            accepts,
            ratio=accepts[at_many] / accepts[at_few],
            ratio_of=f"the cost {at_few}",
        ),
    )


def _table(few: Costs, many: Costs) -> Table:
    rows: tuple[tuple[str, Callable[[Costs], float]], ...] = (
        ("start until ready, s", lambda one: one.start_seconds),
        ("CPU of it until the first fill, s", lambda one: one.start_cpu_seconds),
        ("start until the first fill was read, s", lambda one: one.first_fill_seconds),
        ("longest answer of /healthz meanwhile, ms", lambda one: one.health_seconds_most * 1e3),
        ("memory after the start, MB", lambda one: one.started_bytes / 1e6),
        ("memory with them, MB", lambda one: one.full_bytes / 1e6),
        ("memory at most, MB", lambda one: one.most_bytes / 1e6),
        ("quote to answer, p50 ms", lambda one: statistics.median(one.fill_seconds) * 1e3),
        ("quote to answer, longest ms", lambda one: max(one.fill_seconds) * 1e3),
        ("stop after SIGTERM, s", lambda one: one.stop_seconds),
    )
    return Table(
        title="By the number of open orders",
        headings=("", f"{few.open_orders:,} open", f"{many.open_orders:,} open"),
        rows=tuple((name, amount(of(few)), amount(of(many))) for name, of in rows),
    )


if __name__ == "__main__":
    main(measure)
