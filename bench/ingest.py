"""What a quote costs from the socket to the matcher, beside other people's clients and bare stacks.

A venue in a process of its own sends book-ticker frames of the synthetic market in one burst over
loopback. Each client runs in a process of its own, is pointed at the venue, subscribes as its users
do, and hands each quote to a callback; ours has an order resting on every symbol, so that each
quote passes the gate, the ledger and the matcher. Counted is the CPU of the client's whole process
(user and system, all threads) from the end of a warm-up to the last quote, by quotes sent. Ours
and the cheapest client are measured twice, in turn, and the better run of each counts.

    python -m bench.ingest
"""

from collections.abc import Iterable, Sequence
from typing import Final

from bench.ingest_contenders import (
    FLOOR,
    NOBODY,
    OURS,
    OURS_BARE,
    Run,
    cheapest_client,
    of_symbols,
    run_all,
)
from bench.ingest_lag import LAG_RUNS, lag_table, measure_lag, whole
from bench.ingest_stages import stage_table
from bench.report import Figure, Result, Section, Table, amount, main

GOAL: Final = 5.0
SYMBOLS: Final = (1, 20)
SENDER_FACTOR_MIN: Final = 2.0
"""How much faster the sender must be than whoever reads its frames, not to be what is measured."""


def measure() -> Section:
    """Measure every contender, and our lag."""
    by_symbols = {symbols: run_all(symbols) for symbols in SYMBOLS}
    lags = [measure_lag(one) for one in LAG_RUNS]
    return Section(
        name="ingest",
        title="From the socket to the matcher",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            *(goal_of(symbols, runs) for symbols, runs in by_symbols.items()),
            whole(lags[0]),
            sender_result(by_symbols[1]),
        ),
        tables=(
            *(contender_table(symbols, runs) for symbols, runs in by_symbols.items()),
            stage_table(),
            lag_table(lags),
        ),
    )


def goal_of(symbols: int, runs: Sequence[Run]) -> Result:
    """Hold our cost against that of the cheapest packaged client; the table shows the others."""
    ours = next(one for one in runs if one.contender is OURS)
    assert not ours.cause, ours.cause
    floor = next((one for one in runs if one.contender == FLOOR and not one.cause), None)
    cheapest = cheapest_client(runs)
    ratio = None if cheapest is None else cheapest.cpu_microseconds / ours.cpu_microseconds
    return Result(
        what=f"CPU per quote, {of_symbols(symbols)}",
        ours=_figure(ours),
        beside=tuple(_figure(one) for one in (cheapest, floor) if one is not None),
        ratio=ratio,
        ratio_of="" if cheapest is None else f"cheaper than {cheapest.contender.label}",
        goal=f"at least {GOAL:g}x cheaper than the best packaged client",
        holds=None if ratio is None else ratio >= GOAL,
        note=_where_it_goes(ours, runs),
    )


def _where_it_goes(ours: Run, runs: Sequence[Run]) -> str:
    """Say which part is whose, and what is left if all of ours cost nothing."""
    told = []
    costs = {one.contender: one.cpu_microseconds for one in runs if not one.cause}
    if OURS_BARE in costs:
        bare = costs[OURS_BARE]
        told.append(
            f"The feed alone, from the socket to a typed quote, is {amount(bare)} µs of it, "
            f"fulfillment, ledger and matcher the other {amount(ours.cpu_microseconds - bare)} µs."
        )
    if FLOOR in costs:
        told.append(
            "To find the frames in an asyncio protocol and decode them, and do nothing else, "
            f"costs {amount(costs[FLOOR])} µs."
        )
    return " ".join(told)


def sender_result(runs: Sequence[Run]) -> Result:
    """Show that the sender was not what was measured."""
    rates = {one.contender: one for one in runs if not one.cause}
    readers = [one for one in rates.values() if one.contender.decodes]
    fastest = max(readers, key=lambda one: one.quotes_per_second)
    able = rates.get(NOBODY)
    ratio = None if able is None else able.quotes_per_second / fastest.quotes_per_second
    return Result(
        what="The sender is not the bottleneck",
        ours=_rate("sender, read by nobody", able),
        beside=(_rate(fastest.contender.label, fastest),),
        ratio=ratio,
        ratio_of="faster than the fastest that decodes",
        goal=f"at least {SENDER_FACTOR_MIN:g}x faster than the fastest that decodes",
        holds=None if ratio is None else ratio >= SENDER_FACTOR_MIN,
        note="CPU per quote, which the goals are about, does not depend on it.",
    )


def _rate(of: str, one: Run | None) -> Figure:
    return Figure(of=of, value=0 if one is None else one.quotes_per_second, unit="quotes/s")


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
        title=f"One burst, {of_symbols(symbols)}",
        headings=("who", "what", "CPU µs/quote", "quotes/s", "arrived", "sender's CPU µs/quote"),
        rows=tuple(rows),
        note=(
            "The last row is what the sender can do. ccxt.pro hands over the newest quote of each "
            "symbol since it was asked last, so few of a burst arrive; its cost is that of all. "
            "python-binance would end its stream when 100 quotes wait, so its queue was set larger."
        ),
    )


def _figure(one: Run) -> Figure:
    label = one.contender.label
    named = f"{label} ({one.versions})" if one.versions else label
    return Figure(of=named, value=one.cpu_microseconds, unit="µs")


if __name__ == "__main__":
    main(measure)
