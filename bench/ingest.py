"""What a quote costs from the socket to the matcher, beside other people's clients and bare stacks.

A venue in a process of its own sends book-ticker frames of the synthetic market in one burst over
loopback. Each client runs in a process of its own, is pointed at the venue, subscribes as its users
do, and hands each quote to a callback; ours has an order resting on every symbol, so that each
quote passes the gate, the ledger and the matcher. Counted is the CPU of the client's whole process
(user and system, all threads) from the end of a warm-up to the last quote, by quotes sent. Each is
started anew for every round, and the best round counts.

    python -m bench.ingest
"""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.burst_frames import FIRST_UPDATE_ID, burst_pairs
from bench.burst_venue import BurstVenue, Plan
from bench.ingest_lag import LAG_RUNS, lag_table, measure_lag, whole
from bench.ingest_receiver import run_ours
from bench.peer_environments import peer_python, run_peer
from bench.report import Figure, Result, Section, Table, amount, main, tell

WARM_FRAMES: Final = 2_000
SECONDS_MAX: Final = 20
"""For one client, with its start; then it counts as failed."""

GOAL: Final = 5.0
ENVIRONMENT: Final = "ingest"
ROUNDS: Final = {1: 2, 20: 1}
"""By the number of symbols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Who takes the quotes; ``kind`` is ours, client, library or floor.

    ``key`` is what the script of the peers calls it, or an option of ours. Slow ones get fewer
    ``frames``, so that the report does not take long.
    """

    label: str
    key: str
    kind: str
    frames: int


OURS: Final = Contender(label="papertape", key="", kind="ours", frames=200_000)
OURS_BARE: Final = Contender(
    label="papertape, feed alone", key="--bare", kind="part of ours", frames=200_000
)
CONTENDERS: Final = (
    OURS,
    OURS_BARE,
    Contender(label="python-binance", key="python-binance", kind="client", frames=20_000),
    Contender(label="binance-sdk-spot", key="binance-sdk-spot", kind="client", frames=40_000),
    Contender(label="unicorn-binance-websocket-api", key="unicorn", kind="client", frames=50_000),
    Contender(
        label="unicorn-binance-websocket-api, picows",
        key="unicorn-picows",
        kind="client",
        frames=100_000,
    ),
    Contender(label="cryptofeed", key="cryptofeed", kind="client", frames=50_000),
    Contender(label="ccxt.pro", key="ccxt.pro", kind="client", frames=20_000),
    Contender(label="websockets, json", key="websockets-json", kind="library", frames=50_000),
    Contender(
        label="websockets, recv(decode=False), msgspec",
        key="websockets-msgspec",
        kind="library",
        frames=100_000,
    ),
    Contender(label="picows, msgspec", key="picows-msgspec", kind="library", frames=200_000),
    Contender(
        label="asyncio protocol, frames found, msgspec",
        key="asyncio-msgspec",
        kind="floor",
        frames=200_000,
    ),
    Contender(
        label="asyncio protocol, frames found", key="asyncio-count", kind="floor", frames=200_000
    ),
    Contender(
        label="blocking socket, frames found", key="socket-count", kind="floor", frames=200_000
    ),
    Contender(label="blocking socket, unread", key="socket-null", kind="sender", frames=500_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one burst cost a contender, or why there is nothing to say.

    ``arrived`` is the part of the quotes that reached the callback; ``versions`` names packages.
    """

    contender: Contender
    cpu_microseconds: float = 0.0
    quotes_per_second: float = 0.0
    arrived: float = 0.0
    versions: str = ""
    sender_microseconds: float = 0.0
    cause: str = ""


Outcome = dict[str, object]


def run(contender: Contender, symbols: int) -> Run:
    """Send a burst to a contender in a process of its own; whatever it does, this ends in time."""
    plan = Plan(symbols=symbols, warm=WARM_FRAMES, frames=contender.frames)
    try:
        with BurstVenue() as venue:
            venue.prepare(plan)
            is_ours = contender.kind in (OURS.kind, OURS_BARE.kind)
            told = (
                run_ours(plan, venue, contender.key) if is_ours else _peer(plan, venue, contender)
            )
            if told.get("cause"):
                return Run(contender=contender, cause=_failure(told))
            sent = venue.sent()
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        return Run(contender=contender, cause=_first_line(error))
    seconds = (number(told, "ended_ns") - sent.started_ns) / 1e9
    versions = told.get("versions", {})
    assert isinstance(versions, dict), "as the script tells it"
    return Run(
        contender=contender,
        cpu_microseconds=number(told, "cpu_seconds") / plan.frames * 1e6,
        quotes_per_second=plan.frames / seconds,
        arrived=number(told, "arrived") / plan.frames,
        versions=", ".join(f"{package} {version}" for package, version in versions.items()),
        sender_microseconds=sent.cpu_seconds / plan.frames * 1e6,
    )


def best(runs: Sequence[Run]) -> Run:
    """Return the cheapest of several runs of one contender, a failed one only if all failed."""
    return min(runs, key=lambda one: (bool(one.cause), one.cpu_microseconds))


def number(told: Outcome, name: str) -> float:
    """Return a number that a process told."""
    value = told[name]
    assert isinstance(value, int | float), f"{name} is a number"
    return value


def _peer(plan: Plan, venue: BurstVenue, contender: Contender) -> Outcome:
    pairs = burst_pairs(plan.symbols)
    return run_peer(
        ENVIRONMENT,
        "ingest.py",
        contender.key,
        venue.stream_url,
        venue.rest_url,
        ",".join(f"{pair.base_asset}/{pair.quote_asset}" for pair in pairs),
        *map(str, (FIRST_UPDATE_ID, plan.warm_id, plan.last_id, SECONDS_MAX)),
    )


def _failure(told: Outcome) -> str:
    return f"{told['cause']}; {told['arrived']} quotes had come"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0][:200]


# --- The section ----------------------------------------------------------------------------------


def measure() -> Section:
    """Measure every contender, and our lag."""
    try:
        peer_python(ENVIRONMENT)
        missing = ""
    except (subprocess.SubprocessError, OSError) as error:
        missing = f"not installed: {_first_line(error)}"
    by_symbols = {symbols: _runs(symbols, rounds, missing) for symbols, rounds in ROUNDS.items()}
    lags = [measure_lag(one) for one in LAG_RUNS]
    return Section(
        name="ingest",
        title="From the socket to the matcher",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(*(goal_of(symbols, runs) for symbols, runs in by_symbols.items()), whole(lags[0])),
        tables=(
            *(contender_table(symbols, runs) for symbols, runs in by_symbols.items()),
            lag_table(lags),
        ),
    )


def _runs(symbols: int, rounds: int, missing: str) -> list[Run]:
    """Run everybody in turn, and again: what disturbs the machine then disturbs all of them."""
    found: dict[str, list[Run]] = {}
    for contender in CONTENDERS * rounds:
        if missing and contender.kind not in (OURS.kind, OURS_BARE.kind):
            one = Run(contender=contender, cause=missing)
        else:
            one = run(contender, symbols)
        shown = one.cause or f"{amount(one.cpu_microseconds)} µs per quote"
        tell(f"{symbols} symbols, {contender.label}: {shown}")
        found.setdefault(contender.label, []).append(one)
    return [best(runs) for runs in found.values()]


def goal_of(symbols: int, runs: Sequence[Run]) -> Result:
    """Hold our cost against that of the cheapest packaged client."""
    ours = next(one for one in runs if one.contender is OURS)
    assert not ours.cause, ours.cause
    beside = [one for one in runs if one is not ours and not one.cause and _is_shown(one)]
    clients = [one for one in beside if one.contender.kind == "client"]
    cheapest = min(clients, key=lambda one: one.cpu_microseconds, default=None)
    ratio = None if cheapest is None else cheapest.cpu_microseconds / ours.cpu_microseconds
    return Result(
        what=f"CPU per quote, {_of_symbols(symbols)}",
        ours=_figure(ours),
        beside=tuple(_figure(one) for one in beside),
        ratio=ratio,
        ratio_of="" if cheapest is None else f"cheaper than {cheapest.contender.label}",
        goal=f"at least {GOAL:g}x cheaper than the best packaged client",
        holds=None if ratio is None else ratio >= GOAL,
    )


def contender_table(symbols: int, runs: Iterable[Run]) -> Table:
    """Show what became of each contender, those that failed included."""
    rows = []
    for one in runs:
        kind = one.contender.kind
        named = f"{one.contender.label} ({one.versions})" if one.versions else one.contender.label
        if one.cause:
            rows.append((named, kind, one.cause, "", "", ""))
            continue
        rows.append(
            (
                named,
                kind,
                amount(one.cpu_microseconds),
                amount(one.quotes_per_second),
                "unread" if kind == "sender" else f"{100 * one.arrived:.4g} %",
                amount(one.sender_microseconds),
            )
        )
    return Table(
        title=f"One burst, {_of_symbols(symbols)}",
        headings=("who", "what", "CPU µs/quote", "quotes/s", "arrived", "sender's CPU µs/quote"),
        rows=tuple(rows),
        note=(
            "The last row is what the sender can do. ccxt.pro hands over the newest quote of each "
            "symbol since it was asked last, so few of a burst arrive; its cost is that of all. "
            "python-binance would end its stream when 100 quotes wait, so its queue was set larger."
        ),
    )


def _is_shown(one: Run) -> bool:
    return one.contender.kind != "sender"


def _figure(one: Run) -> Figure:
    label = one.contender.label
    named = f"{label} ({one.versions})" if one.versions else label
    return Figure(of=named, value=one.cpu_microseconds, unit="µs")


def _of_symbols(symbols: int) -> str:
    return "one symbol" if symbols == 1 else f"{symbols} symbols"


if __name__ == "__main__":
    main(measure)
