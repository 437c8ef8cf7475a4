"""How far behind the venue the matcher is, by update id, on one clock.

The venue notes when it hands each part of its frames to the system, our side when the matcher had
applied each quote; both read the same monotonic clock of the machine. A frame's lag is the
difference, so it holds all that a frame waits for in the buffers of the sockets, too.
"""

import math
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.burst_venue import BurstVenue, Plan, Sent
from bench.ingest_receiver import run_ours
from bench.report import Figure, Result, Table, amount, tell

WARM_FRAMES: Final = 2_000

LAG_RUNS: Final = (
    Plan(symbols=1, warm=WARM_FRAMES, frames=500_000),
    Plan(symbols=1, warm=WARM_FRAMES, frames=15_000, per_second=5_000),
    Plan(symbols=1, warm=WARM_FRAMES, frames=60_000, per_second=20_000),
)

_NS_PER_MS: Final = 1_000_000
_BYTES_PER_INSTANT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LagRun:
    """What became of one burst: how many quotes were applied, and how late.

    ``catch_up_ms`` is from the venue's last write to the last quote applied, ``seconds`` the time
    from the first write until then.
    """

    plan: Plan
    applied: int
    connections: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    catch_up_ms: float
    seconds: float


def measure_lag(plan: Plan) -> LagRun:
    """Send a burst to our side."""
    with tempfile.TemporaryDirectory() as folder, closing(BurstVenue()) as venue:
        found = Path(folder) / "instants"
        venue.prepare(plan)
        told = run_ours(plan, venue, "--instants", str(found))
        instants: array[int] = array("q")
        with found.open("rb") as file:
            instants.fromfile(file, found.stat().st_size // _BYTES_PER_INSTANT)
        connections = told["connections"]
        assert isinstance(connections, int), "as our side tells it"
        run = lag_run(plan, venue.sent(), instants[plan.warm :], connections=connections)
    tell(f"{plan.frames:,} quotes: {run.applied:,} applied, lag p99 {amount(run.p99_ms)} ms")
    return run


def lag_run(plan: Plan, sent: Sent, instants: Sequence[int], *, connections: int) -> LagRun:
    """Sum up; ``instants`` are those of the burst, 0 for a quote that was never applied."""
    lags = sorted(lags_ns(sent, instants))
    last_ns = max(instants, default=0)
    return LagRun(
        plan=plan,
        applied=len(lags),
        connections=connections,
        p50_ms=percentile(lags, 50) / _NS_PER_MS,
        p99_ms=percentile(lags, 99) / _NS_PER_MS,
        max_ms=percentile(lags, 100) / _NS_PER_MS,
        catch_up_ms=(last_ns - sent.ended_ns) / _NS_PER_MS,
        seconds=(last_ns - sent.started_ns) / 1e9,
    )


def lags_ns(sent: Sent, instants: Sequence[int]) -> Iterator[int]:
    """Yield how late each quote was applied that was; the parts tell when which were written."""
    first = 0
    base = sent.parts[-1][0] - len(instants) + 1
    for last_update_id, written_ns in sent.parts:
        end = last_update_id - base + 1
        for applied_ns in instants[first:end]:
            if applied_ns:
                yield applied_ns - written_ns
        first = end


def percentile(ordered: Sequence[int], percent: float) -> float:
    """Return the smallest value that so many percent do not exceed; nan without any."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def whole(run: LagRun) -> Result:
    """Say whether a burst came through whole on one connection."""
    lost = run.plan.frames - run.applied
    pace = amount(run.applied / run.seconds)
    return Result(
        what=f"{run.plan.frames:,} quotes in one burst",
        ours=Figure(of="papertape", value=run.applied, unit="quotes applied"),
        beside=(Figure(of="sent", value=run.plan.frames, unit="quotes"),),
        goal="none lost, connection kept",
        holds=lost == 0 and run.connections == 1,
        note=(
            f"{lost:,} lost, {run.connections} connection(s). All were applied "
            f"{amount(run.seconds)} s after the first was sent, at {pace} quotes/s, and "
            f"{amount(run.catch_up_ms)} ms after the last was sent."
        ),
    )


def lag_table(runs: Sequence[LagRun]) -> Table:
    """Show the lag at each pace."""
    return Table(
        title="Lag behind the venue's clock, by update id",
        headings=("pace", "quotes", "applied", "p50 ms", "p99 ms", "max ms", "caught up after ms"),
        rows=tuple(
            (
                f"{run.plan.per_second:,}/s" if run.plan.per_second else "one burst",
                f"{run.plan.frames:,}",
                f"{run.applied:,}",
                *map(amount, (run.p50_ms, run.p99_ms, run.max_ms, run.catch_up_ms)),
            )
            for run in runs
        ),
        note=(
            "From the venue's write to the end of the matcher's work. In a burst the venue writes "
            "as fast as the buffers of the sockets take it, so the lag is what they hold; noting "
            "the instants costs our side a little. The venue writes 200 times a second at a pace."
        ),
    )
