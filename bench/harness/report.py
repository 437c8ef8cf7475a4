"""What a benchmark measured, and how it is printed: one form for all, as text and as data.

A benchmark is a module of this package with a function ``measure`` that returns a ``Section``.
``main`` runs one benchmark; ``python -m bench`` runs all of them and writes one report. Times and
rates depend on the machine. So each figure stands beside others of the same run, and a goal bounds
their ratio.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

HOLDS: Final = {True: "holds", False: "**missed**", None: "no goal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value of ``of``: ours, another package with its version, or a bare stack."""

    of: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One measurement, ours beside others of the same run.

    Attributes:
        what: the name of the measurement.
        ours: our figure.
        beside: the figures to compare it with.
        ratio: the number that the goal bounds; None if there is none.
        ratio_of: the words after the ratio.
        goal: the bound in words; empty without a goal.
        holds: whether the goal holds; None without one, or if a part could not be measured.
        note: what a reader needs to judge the figures.
    """

    what: str
    ours: Figure
    beside: tuple[Figure, ...] = ()
    ratio: float | None = None
    ratio_of: str = ""
    goal: str = ""
    holds: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures that belong side by side, such as the cost at each load."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The results of one benchmark; ``method`` describes the measurement in a few sentences."""

    name: str
    title: str
    method: str
    results: tuple[Result, ...] = ()
    tables: tuple[Table, ...] = ()


def compared(
    what: str,
    unit: str,
    figures: Mapping[str, float],
    *,
    ratio: float | None,
    ratio_of: str,
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> Result:
    """Compare figures of one unit, the first of which is ours.

    Args:
        what: the name of the measurement.
        unit: the unit of all figures.
        figures: the values by name.
        ratio: the number to bound; None if a part could not be measured.
        ratio_of: the words after the ratio and after its bound.
        at_most: the greatest ratio that meets the goal; None without one.
        at_least: the least ratio that meets the goal; None without one.
        note: what a reader needs to judge the figures.
    """
    ours, *beside = (Figure(of=of, value=value, unit=unit) for of, value in figures.items())
    goal, holds = "", None
    if at_most is not None:
        goal = f"at most {at_most:g}x {ratio_of}"
        holds = None if ratio is None else ratio <= at_most
    elif at_least is not None:
        goal = f"at least {at_least:g}x {ratio_of}"
        holds = None if ratio is None else ratio >= at_least
    return Result(
        what=what,
        ours=ours,
        beside=tuple(beside),
        ratio=ratio,
        ratio_of=ratio_of,
        goal=goal,
        holds=holds,
        note=note,
    )


def method_of(docstring: str | None) -> str:
    """Return the method of a section: its module's docstring without the first line and command."""
    return (docstring or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " ")


def main(measure: Callable[[], Section]) -> None:
    """Run one benchmark as a program and print its section; ``--json FILE`` also writes it."""
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").strip())
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the section there as JSON")
    arguments = parser.parse_args()
    section = measure()
    print("\n".join(section_lines(section)))
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.encode(section))


def tell(text: str) -> None:
    """Show progress, apart from the report."""
    print(text, file=sys.stderr, flush=True)


def section_lines(section: Section) -> list[str]:
    """Write a section as lines of Markdown."""
    lines = [f"## {section.title}", "", section.method, ""]
    for result in section.results:
        lines += _result_lines(result)
    for table in section.tables:
        lines += [f"### {table.title}", "", *_grid(table.headings, table.rows), ""]
        if table.note:
            lines += [table.note, ""]
    return lines


def summary_lines(sections: Iterable[Section]) -> list[str]:
    """Write one line per goal: our figure, the others, the ratio, and whether it holds."""
    rows = [
        (
            result.what,
            _shown(result.ours),
            "; ".join(f"{one.of}: {_shown(one)}" for one in result.beside) or "-",
            _ratio(result) or "-",
            result.goal,
            HOLDS[result.holds],
        )
        for section in sections
        for result in section.results
        if result.goal
    ]
    headings = ("what", "ours", "beside it", "ratio", "goal", "")
    return _grid(headings, rows)


def amount(value: float) -> str:
    """Write a figure with at least three significant digits, in plain notation."""
    size = abs(value)
    if size >= 100 or not value:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def _result_lines(result: Result) -> list[str]:
    figures = (result.ours, *result.beside)
    lines = [f"### {result.what}", ""]
    if result.goal:
        lines += [f"Goal: {result.goal}. {HOLDS[result.holds].capitalize()}.", ""]
    lines += _grid(("", "figure", "to ours"), [_row(one, result.ours) for one in figures])
    lines.append("")
    if result.ratio is not None:
        lines += [_ratio(result), ""]
    if result.note:
        lines += [result.note, ""]
    return lines


def _row(figure: Figure, ours: Figure) -> tuple[str, str, str]:
    is_comparable = figure.unit == ours.unit and ours.value
    ratio = f"{amount(figure.value / ours.value)}x" if is_comparable else ""
    return figure.of, _shown(figure), ratio


def _ratio(result: Result) -> str:
    if result.ratio is None:
        return ""
    return f"{amount(result.ratio)}x {result.ratio_of}".strip()


def _shown(figure: Figure) -> str:
    return f"{amount(figure.value)} {figure.unit}"


def _grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    listed = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in listed]
    return [lines[0], f"|{'---|' * len(headings)}", *lines[1:]]
