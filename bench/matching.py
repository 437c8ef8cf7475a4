"""How many quotes per second go through decoding, ledger and matching, by the orders at rest.

Every row gets the same frames, seeded, as Binance sends them; each is parsed, orders whose time is
up end, and the quote is applied, as the service does it. Beside it, in the same run, stand other
people's matching engines on the same tape, and the simplest honest way: the same decoding, the same
ledger, and a look at every order. All figures are quotes per second of CPU time, the best of some
rounds in which all rows take turns.

    python -m bench.matching
"""

import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

from bench.matching_loads import (
    LIMIT_PRICE,
    Load,
    Matcher,
    Scan,
    Way,
    far_from_the_market,
    filling_frames,
    in_turn,
    market_frames,
    one_fill_a_quote,
    orders_come_and_go,
)
from bench.peer_environments import run_peer
from bench.report import Figure, Result, Section, Table, amount, main, tell

ORDERS_TOTALS: Final = (1, 100, 10_000, 100_000)
NAUTILUS_TOTALS: Final = (1, 100, 10_000)
"""Placing 100,000 orders takes nautilus_trader minutes: it sorts all of them at each one."""

QUOTES: Final = 40_000
SCAN_LOOKS: Final = 1_000_000
"""Orders that the scan may look at per row; it sets how many quotes it gets."""

ROUNDS: Final = 3
FLAT_MAX: Final = 1.3
FLAT: Final = f"at most {FLAT_MAX}x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a peer told: its rates by number of orders, or why there are none."""

    name: str
    rates: dict[int, dict[str, float]]
    cause: str = ""

    def rate(self, kind: str, orders_total: int) -> float | None:
        """Return a rate in quotes per second, None if it was not measured."""
        return self.rates.get(orders_total, {}).get(kind)


def rates_of(load: Load, way: Way, frames: list[bytes]) -> list[float]:
    """Return quotes per second for each number of orders."""
    given = {
        total: frames if way is Matcher else frames[: max(20, min(QUOTES, SCAN_LOOKS // total))]
        for total in ORDERS_TOTALS
    }
    acts = [partial(load, way, total, some) for total, some in given.items()]
    seconds = in_turn(ROUNDS, acts)
    return [len(some) / one for some, one in zip(given.values(), seconds, strict=True)]


def ask_peer(name: str, script: str, tape: Path, totals: tuple[int, ...]) -> Peer:
    """Run a peer on the tape; one that cannot be run is told as such."""
    tell(f"running {name}")
    try:
        told = run_peer("matching", script, str(tape), str(LIMIT_PRICE), *map(str, totals))
    except (subprocess.CalledProcessError, OSError) as error:
        return Peer(name=name, rates={}, cause=str(error))
    rates = cast("dict[str, dict[str, float]]", told["rates"])
    return Peer(
        name=f"{name} {told['version']}",
        rates={int(total): of_total for total, of_total in rates.items()},
    )


def flatness(what: str, rates: list[float], *, note: str = "") -> Result:
    """Return by how much the rate falls from one order to the most."""
    ratio = rates[0] / rates[-1]
    return Result(
        what=what,
        ours=Figure(of=f"at {ORDERS_TOTALS[-1]:,}", value=rates[-1], unit="quotes/s"),
        beside=(Figure(of=f"at {ORDERS_TOTALS[0]:,}", value=rates[0], unit="quotes/s"),),
        ratio=ratio,
        ratio_of="slower than at 1",
        goal=FLAT,
        holds=ratio <= FLAT_MAX,
        note=note,
    )


def against(peer: Peer, rates: list[float], orders_total: int, goal: float) -> Result:
    """Return how many times a peer's rate ours is, both from the frame on."""
    ours = rates[ORDERS_TOTALS.index(orders_total)]
    theirs = peer.rate("decoded", orders_total)
    parsed = peer.rate("parsed", orders_total)
    ratio = None if theirs is None else ours / theirs
    return Result(
        what=f"Quotes through decode, ledger and match at {orders_total:,}",
        ours=Figure(of="ours", value=ours, unit="quotes/s"),
        beside=()
        if theirs is None
        else (Figure(of=f"{peer.name}, decoded by it", value=theirs, unit="quotes/s"),),
        ratio=ratio,
        ratio_of=f"of {peer.name}",
        goal=f"at least {goal}x",
        holds=None if ratio is None else ratio >= goal,
        note=f"Could not be measured: {peer.cause}"
        if parsed is None
        else f"Given quotes that were parsed before, its bare engine does {amount(parsed)} a "
        "second; that is beside ours with decoding in the table.",
    )


def far_table(rates: list[float], scan_rates: list[float], nautilus: Peer, hft: Peer) -> Table:
    """Lay everybody side by side."""

    def cell(peer: Peer, kind: str, total: int) -> str:
        rate = peer.rate(kind, total)
        return "-" if rate is None else amount(rate)

    return Table(
        title="No quote fills an order, quotes/s",
        headings=(
            "resting orders",
            "ours, decoded",
            f"{nautilus.name}, decoded",
            f"{nautilus.name}, parsed before",
            f"{hft.name}, prepared array",
            "scan, decoded",
        ),
        rows=tuple(
            (
                f"{total:,}",
                amount(rate),
                cell(nautilus, "decoded", total),
                cell(nautilus, "parsed", total),
                cell(hft, "prepared", total),
                amount(scan_rate),
            )
            for total, rate, scan_rate in zip(ORDERS_TOTALS, rates, scan_rates, strict=True)
        ),
        note="nautilus_trader: its OrderMatchingEngine alone on L1 quotes, decoded by its Binance "
        "adapter, and again with quotes made before; placing 100,000 orders takes it minutes. "
        "hftbacktest: a backtester in Rust, which plays one prepared array of floating-point depth "
        "changes in one call; it decodes nothing and cannot be given a live stream this way. "
        "Neither keeps account of what was taken of the displayed quantity. "
        + " ".join(f"{peer.name}: {peer.cause}." for peer in (nautilus, hft) if peer.cause),
    )


def scan_table(title: str, note: str, rates: list[float], scan_rates: list[float]) -> Table:
    """Lay ours and the scan side by side."""
    return Table(
        title=title,
        headings=("resting orders", "ours, quotes/s", "scan, quotes/s", "ratio"),
        rows=tuple(
            (f"{total:,}", amount(rate), amount(scan_rate), f"{amount(rate / scan_rate)}x")
            for total, rate, scan_rate in zip(ORDERS_TOTALS, rates, scan_rates, strict=True)
        ),
        note=note,
    )


def measure() -> Section:
    """Measure every row."""
    market, filling = market_frames(QUOTES), filling_frames(QUOTES)
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape.jsonl"
        tape.write_bytes(b"\n".join(market) + b"\n")
        nautilus = ask_peer("nautilus_trader", "matching_nautilus.py", tape, NAUTILUS_TOTALS)
        hft = ask_peer("hftbacktest", "matching_hftbacktest.py", tape, ORDERS_TOTALS)
    rates: list[list[float]] = []
    scan_rates: list[list[float]] = []
    for load, frames in (
        (far_from_the_market, market),
        (one_fill_a_quote, filling),
        (orders_come_and_go, market),
    ):
        tell((load.__doc__ or "").partition("\n")[0])
        rates.append(rates_of(load, Matcher, frames))
        scan_rates.append(rates_of(load, Scan, frames))
    return Section(
        name="matching",
        title="Matching",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            flatness("Quotes, none of which fills an order", rates[0]),
            flatness(
                "Quotes, each of which fills one order",
                rates[1],
                note="What grows, by a profile of such a run (perf), is above all the wait for "
                "memory: an order that waited among 100,000 is in no cache of the processor when "
                "its turn comes, nor are its places in the three tables that know it by id, rank "
                "and deadline. Less of it is the heap of ranks, in whose place a bare queue, which "
                "is the least that any structure costs, was measured once at some 0.05 less.",
            ),
            flatness("Quotes, while orders come, are canceled and expire", rates[2]),
            against(nautilus, rates[0], 1, 1.5),
            against(nautilus, rates[0], 10_000, 500),
        ),
        tables=(
            far_table(rates[0], scan_rates[0], nautilus, hft),
            scan_table(
                "Every quote fills one order",
                "All orders reach the touch, where each quote shows one unit more. Each row "
                "includes taking in the order that comes in the place of the filled one.",
                rates[1],
                scan_rates[1],
            ),
            scan_table(
                "Orders come, are canceled and expire at 5,000 a second",
                "At 100,000 quotes a second; each row includes what the orders cost: for every "
                "twentieth quote one comes, anywhere among those at rest, and one ends, by turns "
                "canceled or expired.",
                rates[2],
                scan_rates[2],
            ),
        ),
    )


if __name__ == "__main__":
    main(measure)
