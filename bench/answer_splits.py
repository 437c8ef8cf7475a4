"""One order of many splits: from the quotes to the disk, to the answer and to a listener.

The quotes show one unit more than the one before, at the same price, so that each makes one split;
they are sent at once, and at a steady rate. Beside it stand ready rows of the same splits, which
sqlite3 writes in one transaction and nobody is told of.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.live_service import LiveService, ThreadSeconds, live_service
from bench.persistence import SPLITS_PER_ORDER, make_orders, make_outcomes
from bench.persistence_ways import Cost, acceptances_of, parts_of, sqlite3_in_groups
from bench.raw_client import RawClient, post_request
from bench.raw_listener import RawListener
from bench.report import Figure, Result, Table, amount, tell

SYMBOL: Final = "LTCBTC"
ROUNDS: Final = 8
"""One more of each goes before them and is forgotten."""

QUOTES_PER_SECOND: Final = 500
HEARD_SECONDS_MAX: Final = 10.0
_ORDER: Final = post_request(
    "/order/limit",
    {
        "symbol": SYMBOL,
        "order_size": str(SPLITS_PER_ORDER),
        "price": "2",
        "timeout_seconds": 120,
    },
)
_COMMITS: Final = "papertape_journal_commits_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one order took: seconds from the first quote to its answer, and to the last event."""

    splits: int
    commits: float
    answered: float
    heard: float
    cpu: ThreadSeconds

    def microseconds_per_split(self, seconds: float) -> float:
        """Return the share of one split."""
        return 1e6 * seconds / self.splits


async def measure_splits() -> tuple[Result, Table]:
    """Measure the service, then the ready rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with live_service(folder, (SYMBOL,)) as service:
            listener = await RawListener.subscribe(service.program.port)
            client = await RawClient.connect(service.program.port)
            runs = {
                of: await _runs(service, client, listener, per_second=per_second)
                for of, per_second in _WAYS.items()
            }
            client.close()
            listener.close()
        raw = [await asyncio.to_thread(_raw, folder / f"{number}.db") for number in range(ROUNDS)]
    return _result(runs[_AT_ONCE], raw), _table(runs, raw)


_AT_ONCE: Final = "quotes at once"
_WAYS: Final = {_AT_ONCE: None, f"{QUOTES_PER_SECOND} quotes/s": QUOTES_PER_SECOND}


async def _runs(
    service: LiveService, client: RawClient, listener: RawListener, *, per_second: int | None
) -> list[Run]:
    tell(f"{SPLITS_PER_ORDER} splits, {per_second or 'no'} quotes/s")
    return [
        await _run(service, client, listener, pause=1 / per_second if per_second else 0.0)
        for _ in range(1 + ROUNDS)
    ][1:]


async def _run(
    service: LiveService, client: RawClient, listener: RawListener, *, pause: float
) -> Run:
    # What was taken at the price is forgotten once a quote is above it.
    service.market.push(SYMBOL, bid=("1", "1"), ask=("3", "1"))
    waiting = client.ask(_ORDER)
    await service.until("papertape_orders_open", 1)
    commits = (await service.metrics())[_COMMITS]
    heard_before, cpu, began = listener.heard, service.cpu(), time.perf_counter()
    for number in range(1, SPLITS_PER_ORDER + 1):
        service.market.push(SYMBOL, bid=("1", "1"), ask=("2", str(number)))
        if pause:
            await asyncio.sleep(max(0.0, began + number * pause - time.perf_counter()))
    answer = await waiting
    document = json.loads(answer.body)
    assert document["status"] == "FILLED", document
    splits = document["splits_total"]
    while listener.heard < heard_before + splits:
        assert time.perf_counter() < began + HEARD_SECONDS_MAX, "an event was not heard"
        await asyncio.sleep(0)
    heard, spent = time.perf_counter() - began, service.cpu().since(cpu)
    return Run(
        splits=splits,
        commits=(await service.metrics())[_COMMITS] - commits,
        answered=answer.at - began,
        heard=heard,
        cpu=spent,
    )


def _raw(file: Path) -> Cost:
    placed = make_orders(1, quantity=SPLITS_PER_ORDER)
    accepted = acceptances_of(placed)
    parts = parts_of(make_outcomes(placed), first_position=1 + len(accepted))
    return sqlite3_in_groups(file, parts, before=accepted, group=len(parts), total=len(parts))


def _result(runs: Sequence[Run], raw: Sequence[Cost]) -> Result:
    ours = min(runs, key=lambda one: one.cpu.total / one.splits)
    cpu = ours.microseconds_per_split(ours.cpu.total)
    floor = min(one.cpu_microseconds for one in raw)
    return Result(
        what=f"{SPLITS_PER_ORDER} splits of one order, {_AT_ONCE}: quote to answer",
        ours=Figure(of="service", value=cpu, unit="µs of CPU per split"),
        beside=(
            Figure(of="of which loop", value=ours.microseconds_per_split(ours.cpu.loop), unit="µs"),
            Figure(of="ready rows in one transaction", value=floor, unit="µs of CPU per split"),
        ),
        ratio=cpu / floor,
        ratio_of="of ready rows",
        note=f"{ours.splits} splits in {ours.commits:.0f} transactions: what gathers while one is "
        f"written goes into the next. The best of {ROUNDS} orders. Ready rows are nobody's: no "
        "quote is read for them, nothing matched, no order moved on, and nobody told.",
    )


def _table(runs: dict[str, list[Run]], raw: Sequence[Cost]) -> Table:
    rows = []
    for of, some in runs.items():
        best = min(some, key=lambda one: one.answered)
        cheapest = min(some, key=lambda one: one.cpu.total / one.splits)
        rows.append(
            (
                of,
                str(best.splits),
                f"{best.commits:.0f}",
                f"{1_000 * best.answered:.1f}",
                f"{1_000 * best.heard:.1f}",
                amount(best.splits / best.answered),
                amount(cheapest.microseconds_per_split(cheapest.cpu.loop)),
                amount(cheapest.microseconds_per_split(cheapest.cpu.others)),
            )
        )
    fastest = min(raw, key=lambda one: one.wall_seconds)
    rows.append(
        (
            "ready rows",
            str(fastest.total),
            "1",
            f"{1_000 * fastest.wall_seconds:.1f}",
            "-",
            amount(fastest.per_second),
            amount(min(one.cpu_microseconds for one in raw)),
            "-",
        )
    )
    return Table(
        title=f"One order of {SPLITS_PER_ORDER} splits",
        headings=(
            "how",
            "splits",
            "transactions",
            "answered ms",
            "last event heard ms",
            "splits/s",
            "loop CPU µs per split",
            "other threads",
        ),
        rows=tuple(rows),
        note=f"The best of {ROUNDS} orders each.",
    )
