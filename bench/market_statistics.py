"""How near the synthetic market is to real ones: ``uv run python -m bench.market_statistics``.

For each class of pairs a table: what the comparable symbols of the tapes measure, what pairs of the
synthetic market measure over a stretch of their own time, the bound, and whether it holds. The
tapes' figures are part of the program, so the tapes themselves are not needed. The same seed gives
the same table; it ends with 1 when a bound does not hold. ``--markdown`` and ``--json`` print the
same otherwise; ``--tapes FOLDER`` measures the tapes in it and puts that beside the stored figures.
"""

import argparse
import gzip
import itertools
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import DECIMALS
from bench import tape_figures
from bench.market_bounds import ALT_BOUNDS, LIVELY_BOUNDS, MAJOR_BOUNDS, QUIET_BOUNDS, Bound
from bench.quote_statistics import NS_PER_SECOND, Observation, QuoteStatistics, quote_statistics

SECONDS: Final = 346
"""As long as the longest tape."""

NS_PER_US: Final = 1_000
THREE_DIGITS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PairClass:
    """Pairs of the synthetic market and what they are held against."""

    name: str
    symbols: tuple[str, ...]
    tapes: tape_figures.TapeFigures
    bounds: tuple[Bound, ...]


CLASSES: Final = (
    PairClass(
        name="major",
        symbols=("BTCUSDT", "ETHUSDT"),
        tapes=tape_figures.MAJOR,
        bounds=MAJOR_BOUNDS,
    ),
    PairClass(
        name="lively alt",
        symbols=("DENTUSDT", "ZILUSDT", "MANAUSDT", "FTMUSDT"),
        tapes=tape_figures.LIVELY,
        bounds=LIVELY_BOUNDS,
    ),
    PairClass(
        name="alt",
        symbols=("LTCUSDT", "SOLBTC", "BNBUSDT"),
        tapes=tape_figures.ALT,
        bounds=ALT_BOUNDS,
    ),
    PairClass(
        name="quiet alt",
        symbols=("AAVEUSDT", "LINKBTC", "ICPUSDT"),
        tapes=tape_figures.QUIET,
        bounds=QUIET_BOUNDS,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of one class: the tapes', the synthetic pairs', and what was allowed."""

    bound: Bound
    of_tapes: tuple[float, ...]
    of_pairs: tuple[float, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value allowed."""
        return self.bound.limits(self.of_tapes)

    @property
    def is_held(self) -> bool:
        """Whether every pair keeps to the bound; a figure that no pair shows does not."""
        least, most = self.limits
        return all(least <= one <= most for one in self.of_pairs)


def synthetic_statistics(symbol: str, *, seed: int, seconds: float) -> QuoteStatistics:
    """Measure a pair of the synthetic market from its opening on."""
    return quote_statistics(synthetic_observations(symbol, seed=seed, seconds=seconds))


def synthetic_observations(symbol: str, *, seed: int, seconds: float) -> Iterator[Observation]:
    """Yield the quotes of a pair, its amounts in whole ticks and steps."""
    pair = next(pair for pair in PAIRS if pair.symbol == symbol)
    tick, step = _units(pair.tick_size), _units(pair.step_size)
    quotes = SyntheticMarket(seed).pair_quotes(pair, first_update_id=1)
    for quote in itertools.takewhile(lambda one: one.at_ns < seconds * NS_PER_SECOND, quotes):
        yield Observation(
            at_ns=quote.at_ns,
            update_id=quote.update_id,
            bid_price=_wire_units(quote.bid_price) // tick,
            bid_quantity=_wire_units(quote.bid_quantity) // step,
            ask_price=_wire_units(quote.ask_price) // tick,
            ask_quantity=_wire_units(quote.ask_quantity) // step,
        )


def findings(pair_class: PairClass, *, seed: int, seconds: float) -> list[Finding]:
    """Measure the pairs of a class and hold them against its tapes."""
    measured = [
        synthetic_statistics(symbol, seed=seed, seconds=seconds) for symbol in pair_class.symbols
    ]
    return [
        Finding(
            bound=bound,
            of_tapes=pair_class.tapes.figures[bound.figure],
            of_pairs=tuple(bound.measured(one) for one in measured),
        )
        for bound in pair_class.bounds
    ]


def tape_statistics(path: Path) -> Mapping[str, QuoteStatistics]:
    """Measure every symbol of a tape; the grid is the finest that its amounts need."""
    lines: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            lines.setdefault(line["data"]["s"], []).append((line["ts"], line["data"]))
    return {symbol: quote_statistics(_tape_observations(of)) for symbol, of in lines.items()}


def _tape_observations(lines: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Observation]:
    tick = math.gcd(*(_wire_units(data[key]) for _, data in lines for key in "ba"))
    step = math.gcd(*(_wire_units(data[key]) for _, data in lines for key in "BA"))
    for ts, data in lines:
        yield Observation(
            at_ns=ts * NS_PER_US,
            update_id=data["u"],
            bid_price=_wire_units(data["b"]) // tick,
            bid_quantity=_wire_units(data["B"]) // step,
            ask_price=_wire_units(data["a"]) // tick,
            ask_quantity=_wire_units(data["A"]) // step,
        )


def _units(amount: Decimal) -> int:
    return int(amount.scaleb(DECIMALS))


def _wire_units(amount: str) -> int:
    """Read an amount of the wire, which always has eight decimals, as a whole number."""
    return int(amount.replace(".", ""))


# --- what is printed ------------------------------------------------------------------------------


def _row(finding: Finding) -> tuple[str, ...]:
    least, most = finding.limits
    return (
        finding.bound.figure,
        _numbers(finding.of_tapes),
        _numbers(finding.of_pairs),
        f"{_number(least)} to {_number(most)}",
        "holds" if finding.is_held else "MISSED",
        f"{finding.bound.around} {finding.bound.width:g}: {finding.bound.reason}",
    )


def _numbers(values: Sequence[float]) -> str:
    return "  ".join(map(_number, values))


def _number(value: float) -> str:
    """Write three digits, or as many as a whole number has."""
    if math.isnan(value):
        return "-"
    return f"{value:.3g}" if abs(value) < THREE_DIGITS else f"{value:.0f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, is_markdown: bool) -> str:
    if is_markdown:
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (header, *rows)
    )


def _report(held: Mapping[str, Sequence[Finding]], *, is_markdown: bool) -> str:
    """Write a table for each class, with the symbols in the order of their figures above it."""
    parts: list[str] = []
    header = ("figure", "tapes", "synthetic", "allowed", "", "bound")
    for one in CLASSES:
        sources = ", ".join(
            f"{symbol} ({file.split('-')[0]})" for file, symbol in one.tapes.sources
        )
        rows = [_row(finding) for finding in held[one.name]]
        parts += [
            f"{'### ' if is_markdown else ''}{one.name}",
            f"tapes: {sources}; synthetic: {', '.join(one.symbols)}",
            _table(header, rows, is_markdown=is_markdown),
        ]
    total = [finding for one in held.values() for finding in one]
    parts.append(f"{sum(finding.is_held for finding in total)} of {len(total)} bounds hold")
    return "\n\n".join(parts)


def _json(held: Mapping[str, Sequence[Finding]]) -> str:
    def known(values: Sequence[float]) -> list[float | None]:
        return [None if math.isnan(value) else value for value in values]

    return json.dumps(
        {
            name: {
                finding.bound.figure: {
                    "tapes": known(finding.of_tapes),
                    "synthetic": known(finding.of_pairs),
                    "allowed": finding.limits,
                    "holds": finding.is_held,
                    "reason": finding.bound.reason,
                }
                for finding in of_class
            }
            for name, of_class in held.items()
        },
        indent=2,
    )


def _tapes_report(folder: Path, *, is_markdown: bool) -> str:
    """Write the stored figures of the tapes beside what is measured on them now."""
    files = {file for one in CLASSES for file, _ in one.tapes.sources}
    measured = {file: tape_statistics(folder / file) for file in sorted(files)}
    rows = []
    for one in CLASSES:
        of = [measured[file][symbol] for file, symbol in one.tapes.sources]
        rows += [
            (
                one.name,
                bound.figure,
                _numbers(one.tapes.figures[bound.figure]),
                _numbers([bound.measured(statistics) for statistics in of]),
            )
            for bound in one.bounds
        ]
    return _table(("class", "figure", "stored", "measured"), rows, is_markdown=is_markdown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was asked for; return how the process ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.market_statistics")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of market time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--tapes", type=Path, metavar="FOLDER", help="measure these tapes instead")
    asked = parser.parse_args(arguments)
    if asked.tapes is not None:
        print(_tapes_report(asked.tapes, is_markdown=asked.markdown))
        return 0
    held = {one.name: findings(one, seed=asked.seed, seconds=asked.seconds) for one in CLASSES}
    print(_json(held) if asked.json else _report(held, is_markdown=asked.markdown))
    return 0 if all(finding.is_held for one in held.values() for finding in one) else 1


if __name__ == "__main__":
    sys.exit(main())
