"""The figures that several benchmarks share: quantiles, processor time, and a sync of the disk."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.harness.processes import ThreadSeconds

SYNCS: Final = 50
PAGE_BYTES: Final = 4_096


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * round(1_000 * share) // 1_000)
    return ordered[max(1, rank) - 1]


def sync_seconds(folder: Path) -> float:
    """Return the median time to append a page to a file and sync it."""
    seconds = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            started_at = time.perf_counter()
            file.write(bytes(PAGE_BYTES))
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - started_at)
    return quantile(seconds, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of requests to a program, or several rounds together.

    Attributes:
        latencies: seconds until each answer.
        wall: seconds until the last answer.
        server: processor time of the program.
        client: processor seconds of this process.
    """

    latencies: Sequence[float]
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

    def percent(self, seconds: float) -> str:
        """Write seconds as a share of the time until the last answer."""
        return f"{100 * seconds / self.wall:.0f} %"

    def __add__(self, other: "Round") -> "Round":
        """Return both rounds together."""
        return Round(
            latencies=(*self.latencies, *other.latencies),
            wall=self.wall + other.wall,
            server=self.server + other.server,
            client=self.client + other.client,
        )


@dataclass(slots=True)
class Cost:
    """What ``total`` pieces of work took.

    Attributes:
        total: the number of pieces.
        cpu_seconds: processor time of all threads of this process.
        wall_seconds: elapsed time.
        waits_seconds: how long each piece waited, if that was measured.
    """

    total: int
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    waits_seconds: list[float] = field(default_factory=list)

    @property
    def cpu_microseconds(self) -> float:
        """CPU per piece of work."""
        return 1e6 * self.cpu_seconds / self.total

    @property
    def per_second(self) -> float:
        """Pieces of work per second of elapsed time."""
        return self.total / self.wall_seconds

    def wait_milliseconds(self, share: float) -> float:
        """Return the time within which this share of the pieces was done."""
        return 1e3 * quantile(self.waits_seconds, share)


@contextmanager
def measured(total: int) -> Iterator[Cost]:
    """Measure a block that does ``total`` pieces of work."""
    cost = Cost(total)
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    yield cost
    cost.cpu_seconds = time.process_time() - cpu
    cost.wall_seconds = time.perf_counter() - wall


def least_microseconds(act: Callable[[], object], *, total: int, rounds: int) -> float:
    """Return the CPU per piece of the cheapest round: a disturbance makes a round dearer."""
    costs = []
    for _ in range(rounds):
        with measured(total) as cost:
            act()
        costs.append(cost.cpu_microseconds)
    return min(costs)
