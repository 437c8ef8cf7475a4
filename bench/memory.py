"""What an open order takes in memory, and what is left of those that came and went.

Each figure comes from a process of its own. 100,000 orders, nearly all at prices and with
deadlines of their own, of a thousand different quantities, go through desk and journal (SQLite) to
their matcher, far below the market. Every tenth has a first quote of its own; nobody waits for
them, nothing is recorded. Bytes are counted twice: what the process has resident, and, at 25,000
orders, which fill every table to the same share, those that Python's allocators handed out
(tracemalloc); and once more for orders that share no quantity or price and have a client's id.
Beside it stands a task for each order that waits for a future with a timeout, as a service would
need that watches over each order apart. Costs are CPU time, the journal's thread included.

    python -m bench.memory
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench.memory_loads import LASTING_ORDERS, OPEN_ORDERS, PASSING_ORDERS, TRACED_ORDERS
from bench.report import Figure, Result, Section, Table, amount, main, tell

BYTES_MAX: Final = 1_000
BYTES_LEFT_MAX: Final = BYTES_MAX * LASTING_ORDERS
FLAT_MAX: Final = 1.3
"""Of a quote and of a new order, at 100,000 open orders beside a few thousand."""


def run_load(name: str) -> dict[str, float]:
    """Measure one load in a process of its own."""
    tell(name)
    command = [sys.executable, "-m", "bench.memory_loads", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def bytes_result(
    traced: dict[str, float], resident: dict[str, float], tasks: dict[str, float]
) -> Result:
    """Return what an open order takes, that shares amounts with others and has no client's id."""
    ours = traced["bytes_per_order"]
    return Result(
        what=f"Memory of an open order, one of {OPEN_ORDERS:,}",
        ours=Figure(of=f"allocated, at {TRACED_ORDERS:,}", value=ours, unit="bytes"),
        beside=(
            Figure(of="resident", value=resident["bytes_per_order"], unit="bytes"),
            Figure(of="a task and future each", value=tasks["bytes_per_order"], unit="bytes"),
        ),
        ratio=tasks["bytes_per_order"] / ours,
        ratio_of="less than a task and future each",
        goal=f"at most {BYTES_MAX:,} bytes",
        holds=max(ours, resident["bytes_per_order"]) <= BYTES_MAX,
    )


def distinct_result(distinct: dict[str, float], traced: dict[str, float]) -> Result:
    """Return what an open order takes at most."""
    return Result(
        what="Memory of an open order with amounts of its own and a client order id",
        ours=Figure(of="allocated", value=distinct["bytes_per_order"], unit="bytes"),
        beside=(
            Figure(
                of="allocated, amounts shared, no id", value=traced["bytes_per_order"], unit="bytes"
            ),
        ),
        ratio=distinct["bytes_per_order"] / traced["bytes_per_order"],
        ratio_of="of one without",
        note="No goal is set for it. A decimal for the quantity and an id of 36 characters make up "
        "the difference.",
    )


def grown(what: str, few: float, many: float) -> Result:
    """Return by how much a cost grows with the open orders."""
    return Result(
        what=f"CPU of {what} at {OPEN_ORDERS:,} open orders",
        ours=Figure(of=f"at {OPEN_ORDERS:,}", value=many * 1e6, unit="µs"),
        beside=(Figure(of="at a few thousand", value=few * 1e6, unit="µs"),),
        ratio=many / few,
        ratio_of="of that with few",
        goal=f"at most {FLAT_MAX}x",
        holds=many / few <= FLAT_MAX,
    )


def left_result(passing: dict[str, float]) -> Result:
    """Return what is left of a million orders."""
    left = passing["bytes_left"]
    return Result(
        what=f"Memory left of {PASSING_ORDERS:,} orders that were canceled or expired",
        ours=Figure(of="resident", value=left / 1e6, unit="MB"),
        beside=(
            Figure(
                of=f"{LASTING_ORDERS:,} orders that stayed open, at most",
                value=BYTES_LEFT_MAX / 1e6,
                unit="MB",
            ),
        ),
        goal="less than the open orders take",
        holds=left < BYTES_LEFT_MAX,
        note="That the heaps and indexes hold the open orders alone is asserted by a test of "
        "their sizes.",
    )


def measure() -> Section:
    """Measure every load."""
    with ThreadPoolExecutor(2) as pool:  # these count bytes alone, so they may run side by side
        traced, distinct, tasks = pool.map(
            run_load, ("allocated", "allocated_distinct", "waiting_tasks")
        )
    resident = run_load("open_orders")
    passing = run_load("passing_orders")
    return Section(
        name="memory",
        title="Memory of open orders",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            bytes_result(traced, resident, tasks),
            distinct_result(distinct, traced),
            left_result(passing),
            grown("a quote", resident["quote_few"], resident["quote_many"]),
            grown("a new order", resident["order_few"], resident["order_many"]),
        ),
        tables=(
            Table(
                title="Many orders",
                headings=("what", "CPU"),
                rows=(
                    (
                        "an order that comes and ends in the matcher, beside 10,000 others",
                        f"{amount(passing['seconds_per_order'] * 1e6)} µs",
                    ),
                    (
                        f"longest turn of the loop while {OPEN_ORDERS:,} are canceled at once",
                        f"{amount(resident['loop_held_seconds'] * 1e3)} ms",
                    ),
                ),
            ),
        ),
    )


if __name__ == "__main__":
    main(measure)
