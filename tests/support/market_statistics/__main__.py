"""Compare the synthetic market with recorded ones.

Run it by hand: ``uv run python -m tests.support.market_statistics``. It prints a table for each
class of pairs: the figures of the tapes, the figures of the synthetic pairs, the bound, and
whether the bound holds. The exit code is 1 if a bound does not hold. The same seed gives the same
table. The tapes' figures are stored in ``tape_figures.json``, so the tapes are needed for
``--tapes`` only.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.market_statistics.measurement import (
    CLASSES,
    SECONDS,
    Finding,
    synthetic_findings,
    tape_statistics,
)

THREE_DIGITS: Final = 1_000


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
    """Format with three significant digits, or as a whole number from 1,000 on."""
    if math.isnan(value):
        return "-"
    return f"{value:.3g}" if abs(value) < THREE_DIGITS else f"{value:.0f}"


def _table(*rows: Sequence[str]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _report(held: Mapping[str, Sequence[Finding]]) -> str:
    """Return a table for each class, preceded by the symbols in the order of their figures."""
    parts: list[str] = []
    for one in CLASSES:
        sources = ", ".join(f"{symbol} ({file.split('-')[0]})" for file, symbol in one.sources)
        parts += [
            one.name,
            f"tapes: {sources}; synthetic: {', '.join(one.symbols)}",
            _table(
                ("figure", "tapes", "synthetic", "allowed", "", "bound"),
                *(_row(finding) for finding in held[one.name]),
            ),
        ]
    total = [finding for one in held.values() for finding in one]
    parts.append(f"{sum(finding.is_held for finding in total)} of {len(total)} bounds hold")
    return "\n\n".join(parts)


def _tapes_report(folder: Path) -> str:
    """Return a table of the stored figures of the tapes beside newly measured ones."""
    files = {file for one in CLASSES for file, _ in one.sources}
    measured = {file: tape_statistics(folder / file) for file in sorted(files)}
    rows = []
    for one in CLASSES:
        of = [measured[file][symbol] for file, symbol in one.sources]
        rows += [
            (
                one.name,
                bound.figure,
                _numbers(one.figures[bound.figure]),
                _numbers([bound.measured(statistics) for statistics in of]),
            )
            for bound in one.bounds
        ]
    return _table(("class", "figure", "stored", "measured"), *rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the requested report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.market_statistics")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of market time")
    parser.add_argument("--tapes", type=Path, metavar="FOLDER", help="measure these tapes instead")
    asked = parser.parse_args(arguments)
    if asked.tapes is not None:
        _print(_tapes_report(asked.tapes))
        return 0
    held = {
        one.name: synthetic_findings(one, seed=asked.seed, seconds=asked.seconds) for one in CLASSES
    }
    _print(_report(held))
    return 0 if all(finding.is_held for one in held.values() for finding in one) else 1


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
