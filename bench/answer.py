"""From the venue's first sufficient quote to the client's answer, durable included.

The service runs as a process of its own on SQLite; this process is the venue, which pushes one
quote, and the clients, each a bare socket that is kept. Each round rests some orders, pushes a
quote that fills them all, and measures from the push to the last byte of each answer. Afterwards
the database is counted: each order is there once, with one split. Beside it the same clients are
answered by a bare server that writes and syncs a file once and checks nothing.

    python -m bench.answer
"""

import asyncio
import contextlib
import gc
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from bench.answer_splits import measure_splits
from bench.live_service import ROOT, LiveService, ThreadSeconds, live_service, thread_seconds
from bench.processes import free_port, program
from bench.raw_client import RawClient, connect_many, post_request
from bench.report import Figure, Result, Section, Table, amount, main, tell

SYMBOL: Final = "LTCBTC"
ROUNDS: Final = {1: 60, 50: 30, 2_000: 5}
"""Rounds by how many orders wait at once; one more of each goes before them and is forgotten."""

P99_MS_GOAL: Final = 20.0
GOAL_ORDERS: Final = 50
MANY: Final = 2_000
_ORDER: Final = post_request(
    "/order/limit", {"symbol": SYMBOL, "order_size": "1", "price": "2", "timeout_seconds": 120}
)
_QUOTE: Final = post_request("/quote", {})
ANSWER_SECONDS_MAX: Final = 30.0
_SETTLE_SECONDS: Final = 0.05


@dataclass(slots=True)
class Answers:
    """What some rounds of the same size saw; ``seconds`` per order, in no order.

    ``service`` and ``clients`` are processor seconds from the pushes to the last answers,
    ``loop_queued`` and ``others_queued`` the seconds that its event loop and its other threads
    stood ready to run while others had the processors.
    """

    orders: int
    seconds: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lost: int = 0
    wall: float = 0.0
    service: float = 0.0
    service_loop: float = 0.0
    loop_queued: float = 0.0
    others_queued: float = 0.0
    clients: float = 0.0

    def forget_figures(self) -> None:
        """Keep only who was answered: the first round warms up."""
        self.seconds.clear()
        self.wall = self.service = self.service_loop = self.clients = 0.0
        self.loop_queued = self.others_queued = 0.0

    def milliseconds(self, share: float) -> float:
        """Return the time within which this share of the answers came."""
        return 1_000 * quantile(self.seconds, share)

    def share(self, seconds: float) -> str:
        """Write seconds as a share of the time until the last answers."""
        return f"{100 * seconds / self.wall:.0f} %"

    def per_order(self, seconds: float) -> str:
        """Write microseconds per order."""
        return amount(1e6 * seconds / max(1, len(self.seconds)))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * round(1_000 * share) // 1_000)
    return ordered[max(1, rank) - 1]


def measure() -> Section:
    """Measure the service, then the floor."""
    return asyncio.run(_measure())


async def _measure() -> Section:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with live_service(folder, (SYMBOL,)) as service:
            ours = await _all_rounds(_Ours(service), service.program.port)
        _check(ours, folder / "bench.db")
        floor = await _floor(folder)
    section = _section(ours, floor)
    splits, splits_table = await measure_splits()
    return replace(
        section, results=(*section.results, splits), tables=(*section.tables, splits_table)
    )


class _Answering(Protocol):
    """Whoever answers the orders: the service, or the floor."""

    async def await_orders(self, orders: int) -> None: ...

    def quote(self, orders: int) -> None: ...

    def cpu(self) -> ThreadSeconds: ...


class _Ours:
    def __init__(self, service: LiveService) -> None:
        self._service = service
        self._market = service.market
        self._market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))

    async def await_orders(self, orders: int) -> None:
        """Wait until all rest; the quote before them fills none."""
        await self._service.until("papertape_orders_open", orders)

    def quote(self, orders: int) -> None:
        """Fill all, in one quote."""
        self._market.push(SYMBOL, bid=("1", "1"), ask=("2", str(orders)))
        asyncio.get_running_loop().call_later(_SETTLE_SECONDS / 2, self._go_away)

    def _go_away(self) -> None:
        self._market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))

    def cpu(self) -> ThreadSeconds:
        return self._service.cpu()


class _Floor:
    def __init__(self, pid: int, control: RawClient) -> None:
        self._pid = pid
        self._control = control

    async def await_orders(self, orders: int) -> None:
        """It keeps no count: all were written before, and are read in their order."""
        await asyncio.sleep(_SETTLE_SECONDS + orders / 20_000)

    def quote(self, orders: int) -> None:
        assert orders, "somebody waits"
        self._control.ask(_QUOTE)

    def cpu(self) -> ThreadSeconds:
        return thread_seconds(self._pid)


async def _floor(folder: Path) -> list[Answers]:
    port = free_port()
    command = [sys.executable, "-m", "bench.answer_floor", str(port), "synced"]
    with program(command, port=port, folder=folder, environment={"PYTHONPATH": ROOT}) as running:
        control = await _connected(port)
        return await _all_rounds(_Floor(running.process.pid, control), port)


async def _connected(port: int) -> RawClient:
    """Connect as soon as somebody listens."""
    for _ in range(500):
        try:
            return await RawClient.connect(port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
    raise TimeoutError("nobody listens")


async def _all_rounds(answering: _Answering, port: int) -> list[Answers]:
    found = []
    for orders, rounds in ROUNDS.items():
        tell(f"{orders} orders at once")
        answers = Answers(orders=orders)
        clients = await connect_many(port, orders)
        await _round(answering, clients, answers)
        answers.forget_figures()
        for _ in range(rounds):
            await _round(answering, clients, answers)
        found.append(answers)
        for client in clients:
            client.close()
    return found


async def _round(answering: _Answering, clients: Sequence[RawClient], answers: Answers) -> None:
    waiting = [client.ask(_ORDER) for client in clients]
    await answering.await_orders(len(clients))
    await asyncio.sleep(_SETTLE_SECONDS)
    gc.collect()
    cpu, own, pushed_at = answering.cpu(), time.process_time(), time.perf_counter()
    answering.quote(len(clients))
    done, lost = await asyncio.wait(waiting, timeout=ANSWER_SECONDS_MAX)
    answers.clients += time.process_time() - own
    spent = answering.cpu().since(cpu)
    answers.service += spent.total
    answers.service_loop += spent.loop
    answers.loop_queued += spent.loop_queued
    answers.others_queued += spent.others_queued
    answers.lost += len(lost)
    heard = [one.result() for one in done]
    answers.wall += max(one.at for one in heard) - pushed_at
    answers.seconds += [one.at - pushed_at for one in heard]
    answers.bodies += [one.body for one in heard]
    await asyncio.sleep(_SETTLE_SECONDS)


def _check(ours: Sequence[Answers], database: Path) -> None:
    """See that each order was answered once as filled, and is stored once with one split."""
    filled = [
        document["order_id"]
        for answers in ours
        for document in map(json.loads, answers.bodies)
        if document["status"] == "FILLED" and document["splits_total"] == 1
    ]
    asked = sum((1 + ROUNDS[answers.orders]) * answers.orders for answers in ours)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT o.order_id, o.status, count(s.id), sum(CAST(s.quantity AS REAL))"
            " FROM orders o LEFT JOIN fulfilled_order_splits s USING (order_id) GROUP BY 1, 2"
        ).fetchall()
    assert len(filled) == len(set(filled)) == asked, f"{len(filled)} filled of {asked}"
    assert {row[0] for row in rows} == set(filled), "stored is what was answered"
    assert {row[1:] for row in rows} == {("FILLED", 1, 1.0)}, "filled once, with its quantity"


def _section(ours: Sequence[Answers], floor: Sequence[Answers]) -> Section:
    by_orders = {one.orders: one for one in ours}
    floor_by_orders = {one.orders: one for one in floor}
    goal, goal_floor = by_orders[GOAL_ORDERS], floor_by_orders[GOAL_ORDERS]
    many, many_floor = by_orders[MANY], floor_by_orders[MANY]
    return Section(
        name="answer",
        title="Event to answer",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            Result(
                what=f"Quote to answer, {GOAL_ORDERS} orders at once, p99",
                ours=Figure(of="service", value=goal.milliseconds(0.99), unit="ms"),
                beside=(Figure(of="floor", value=goal_floor.milliseconds(0.99), unit="ms"),),
                ratio=goal.milliseconds(0.99) / goal_floor.milliseconds(0.99),
                ratio_of="the floor",
                goal=f"p99 under {P99_MS_GOAL:g} ms",
                holds=goal.milliseconds(0.99) < P99_MS_GOAL,
                note=_cost_note(goal),
            ),
            Result(
                what=f"Orders lost of {MANY:,} at once",
                ours=Figure(of="service", value=many.lost, unit="orders"),
                beside=(Figure(of="floor", value=many_floor.lost, unit="orders"),),
                goal="none lost, none twice",
                holds=not many.lost,
                note=f"All {len(many.seconds):,} of {ROUNDS[MANY]} rounds were answered, p99 "
                f"{many.milliseconds(0.99):.0f} ms, and counted in the database. {_cost_note(many)}"
                " Seen elsewhere, not measured here: the original lost 84 of 2,000, with a p99 of"
                " 1,031 ms.",
            ),
        ),
        tables=(_table(ours, floor),),
    )


def _cost_note(answers: Answers) -> str:
    return (
        f"Processor time per order: service {answers.per_order(answers.service)} µs, of which its "
        f"event loop {answers.per_order(answers.service_loop)}; clients and venue together "
        f"{answers.per_order(answers.clients)} µs, {answers.share(answers.clients)} of "
        "the time until the last answer, so that they are not what is waited for. While others had "
        f"the processors, the event loop stood ready to run {answers.share(answers.loop_queued)} "
        f"of that time, the other threads {answers.share(answers.others_queued)}."
    )


def _table(ours: Sequence[Answers], floor: Sequence[Answers]) -> Table:
    return Table(
        title="By orders at once",
        headings=(
            "orders",
            "of",
            "p50 ms",
            "p99 ms",
            "max ms",
            "lost",
            "service CPU µs per order",
            "of which loop",
            "clients CPU µs per order",
        ),
        rows=tuple(
            (
                f"{one.orders:,}",
                of,
                f"{one.milliseconds(0.5):.2f}",
                f"{one.milliseconds(0.99):.2f}",
                f"{one.milliseconds(1):.2f}",
                str(one.lost),
                one.per_order(one.service),
                one.per_order(one.service_loop),
                one.per_order(one.clients),
            )
            for pair in zip(ours, floor, strict=True)
            for of, one in zip(("service", "floor"), pair, strict=True)
        ),
        note="The floor is a bare asyncio server that writes and syncs a file once per quote and "
        "then writes answers of the same length.",
    )


if __name__ == "__main__":
    main(measure)
