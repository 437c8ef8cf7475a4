"""The memory of an open order, and the memory left of orders that came and went.

Each figure comes from a process of its own. 100,000 orders go through desk and journal (SQLite) to
their matcher, far below the market. Nearly all have a price and a deadline of their own, and they
share a thousand different quantities. Every tenth order has a first quote of its own. No client
waits for the orders, and nothing is recorded. Bytes are counted twice: the resident memory of the
process, and the memory that Python's allocators gave out (tracemalloc) at 25,000 orders, which fill
every table to the same share. For comparison, a task for each order waits for a future with a
timeout, as a service would need that watches each order on its own. Costs are CPU time, the
journal's thread included.

    python -m bench.memory
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench.harness.report import Figure, Result, Section, compared, main, method_of, tell
from bench.memory_loads import LASTING_ORDERS, OPEN_ORDERS, PASSING_ORDERS, TRACED_ORDERS

BYTES_MAX: Final = 1_000
BYTES_LEFT_MAX: Final = BYTES_MAX * LASTING_ORDERS
GROWTH_MAX: Final = 1.3
"""The bound of a quote and of a new order, at 100,000 open orders beside a few thousand."""


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
    """Compare the memory of an order, counted in both ways, with its bound and with a task."""
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


def grown(what: str, few: float, many: float) -> Result:
    """Compare a cost at many open orders with the cost at few."""
    return compared(
        f"CPU of {what} at {OPEN_ORDERS:,} open orders",
        "µs",
        {f"at {OPEN_ORDERS:,}": many * 1e6, "at a few thousand": few * 1e6},
        ratio=many / few,
        ratio_of="the cost at a few thousand",
        at_most=GROWTH_MAX,
    )


def left_result(passing: dict[str, float]) -> Result:
    """Compare the memory left of a million orders with that for the open orders."""
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
        note="A test of their sizes shows that the heaps and indexes hold only the open orders.",
    )


def measure() -> Section:
    """Measure every load."""
    with ThreadPoolExecutor(2) as pool:  # these loads count bytes only, so they may run at once
        traced, tasks = pool.map(run_load, ("allocated", "waiting_tasks"))
    resident = run_load("open_orders")
    passing = run_load("passing_orders")
    return Section(
        name="memory",
        title="Memory of open orders",
        method=method_of(__doc__),
        results=(
            bytes_result(traced, resident, tasks),
            left_result(passing),
            grown("a quote", resident["quote_few"], resident["quote_many"]),
            grown("a new order", resident["order_few"], resident["order_many"]),
        ),
    )


if __name__ == "__main__":
    main(measure)
