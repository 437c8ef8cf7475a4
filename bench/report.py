"""What a benchmark found, and how it is printed: one form for all, as text and as data.

A benchmark is a module of this package with a function ``measure`` that returns a ``Section``.
``main`` runs it by itself; ``python -m bench`` runs all of them and writes one report. Absolute
figures are those of the machine, so each stands beside others of the same run, and the ratio is
what a goal is about.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

HOLDS: Final = {True: "holds", False: "**missed**", None: "no goal"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value of ``of``: ours, a peer's with its version, or that of a bare stack."""

    of: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One thing that was measured, ours beside others in the same run.

    ``goal`` is the bound in words, ``ratio`` what it bounds, with ``ratio_of`` saying which to
    which. ``holds`` is None where nothing is due. ``note`` says what a reader must know to believe
    it, why a goal is missed above all.
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
    """What one benchmark found; ``method`` says in a few sentences how."""

    name: str
    title: str
    method: str
    results: tuple[Result, ...] = ()
    tables: tuple[Table, ...] = ()


def main(measure: Callable[[], Section]) -> None:
    """Run one benchmark as a program: print what it found; ``--json FILE`` writes it, too."""
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").strip())
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the section there as JSON")
    arguments = parser.parse_args()
    section = measure()
    print("\n".join(section_lines(section)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(asdict(section), indent=1, ensure_ascii=False))


def tell(text: str) -> None:
    """Show progress, apart from what is reported."""
    print(text, file=sys.stderr, flush=True)


def section_of(data: dict[str, object]) -> Section:
    """Read back what ``main`` wrote."""
    return Section(
        name=str(data["name"]),
        title=str(data["title"]),
        method=str(data["method"]),
        results=tuple(_result(one) for one in _listed(data["results"])),
        tables=tuple(_table(one) for one in _listed(data["tables"])),
    )


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
    """Write one line per goal: ours, what stands beside it, the ratio, and whether it holds."""
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


def _listed(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list), "written by main"
    return value


def _result(data: dict[str, object]) -> Result:
    own = dict(data)
    ours, beside = own.pop("ours"), own.pop("beside")
    assert isinstance(ours, dict), "written by main"
    return Result(
        ours=Figure(**ours),
        beside=tuple(Figure(**one) for one in _listed(beside)),  # type: ignore[arg-type] # as written
        **own,  # type: ignore[arg-type] # as written
    )


def _table(data: dict[str, object]) -> Table:
    rows = data["rows"]
    headings = data["headings"]
    assert isinstance(rows, list), "written by main"
    assert isinstance(headings, list), "written by main"
    return Table(
        title=str(data["title"]),
        headings=tuple(headings),
        rows=tuple(tuple(row) for row in rows),
        note=str(data["note"]),
    )
