"""The form of the benchmarks' results."""

import msgspec
import pytest

from bench.harness.report import (
    Figure,
    Result,
    Section,
    Table,
    amount,
    compared,
    section_lines,
    summary_lines,
)

SECTION = Section(
    name="matching",
    title="Matching",
    method="The same quotes through both.",
    results=(
        Result(
            what="Quotes through the matcher",
            ours=Figure(of="papertape", value=1_000_000, unit="quotes/s"),
            beside=(Figure(of="a scan | of all", value=500_000, unit="quotes/s"),),
            ratio=2.0,
            ratio_of="the scan",
            goal="at least 3x the scan",
            holds=False,
            note="It is early.",
        ),
        Result(what="Memory", ours=Figure(of="papertape", value=12.5, unit="MiB")),
    ),
    tables=(Table(title="By load", headings=("load", "cost"), rows=(("1", "2 µs"),)),),
)


def test_a_section_survives_being_written_and_read() -> None:
    """The report has the section that a benchmark's process wrote."""
    assert msgspec.json.decode(msgspec.json.encode(SECTION), type=Section) == SECTION


def test_the_summary_shows_a_missed_goal_and_omits_results_without_a_goal() -> None:
    """The summary is about goals, and hides no miss."""
    lines = summary_lines([SECTION])
    assert len(lines) == 3
    assert lines[2] == (
        "| Quotes through the matcher | 1,000,000 quotes/s | a scan \\| of all: 500,000 quotes/s |"
        " 2.00x the scan | at least 3x the scan | **missed** |"
    )


def test_a_section_is_printed_with_its_notes_and_tables() -> None:
    """The text has every part of the section."""
    text = "\n".join(section_lines(SECTION))
    for part in ("The same quotes", "1,000,000 quotes/s", "0.5x", "It is early.", "12.5 MiB"):
        assert part in text
    assert "| a scan \\| of all |" in text
    assert "| 1 | 2 µs |" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_about_three_digits(value: float, shown: str) -> None:
    """More would be noise."""
    assert amount(value) == shown


@pytest.mark.parametrize(
    ("at_most", "at_least", "goal", "holds"),
    [
        (2.0, None, "at most 2x the floor", True),
        (1.9, None, "at most 1.9x the floor", False),
        (None, 2.0, "at least 2x the floor", True),
        (None, 2.1, "at least 2.1x the floor", False),
        (None, None, "", None),
    ],
)
def test_a_goal_bounds_the_ratio(
    at_most: float | None,
    at_least: float | None,
    goal: str,
    holds: bool | None,  # noqa: FBT001 - a table
) -> None:
    """The words of a goal and its check come from the same bound."""
    result = compared(
        "a time",
        "ms",
        {"ours": 4.0, "floor": 2.0},
        ratio=2.0,
        ratio_of="the floor",
        at_most=at_most,
        at_least=at_least,
    )

    assert (result.goal, result.holds) == (goal, holds)
    assert (result.ours, result.beside) == (
        Figure(of="ours", value=4.0, unit="ms"),
        (Figure(of="floor", value=2.0, unit="ms"),),
    )


def test_a_goal_that_could_not_be_measured_neither_holds_nor_misses() -> None:
    """Another package may not be installed."""
    result = compared("a time", "ms", {"ours": 4.0}, ratio=None, ratio_of="the floor", at_most=2.0)

    assert (result.goal, result.holds) == ("at most 2x the floor", None)
