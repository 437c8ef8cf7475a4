"""The form in which benchmarks say what they found."""

import json
from dataclasses import asdict

import pytest

from bench.report import (
    Figure,
    Result,
    Section,
    Table,
    amount,
    section_lines,
    section_of,
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
    """What a benchmark's process wrote is what the report has."""
    assert section_of(json.loads(json.dumps(asdict(SECTION)))) == SECTION


def test_a_missed_goal_is_told_in_the_summary_and_what_has_none_is_left_out() -> None:
    """The summary is about goals, and hides no miss."""
    lines = summary_lines([SECTION])
    assert len(lines) == 3
    assert lines[2] == (
        "| Quotes through the matcher | 1,000,000 quotes/s | a scan \\| of all: 500,000 quotes/s |"
        " 2.00x the scan | at least 3x the scan | **missed** |"
    )


def test_a_section_is_told_with_its_notes_and_tables() -> None:
    """Nothing that a benchmark says is lost on the way to the reader."""
    text = "\n".join(section_lines(SECTION))
    for told in ("The same quotes", "1,000,000 quotes/s", "0.5x", "It is early.", "12.5 MiB"):
        assert told in text
    assert "| a scan \\| of all |" in text
    assert "| 1 | 2 µs |" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_figures_have_about_three_digits(value: float, shown: str) -> None:
    """More would be noise."""
    assert amount(value) == shown
