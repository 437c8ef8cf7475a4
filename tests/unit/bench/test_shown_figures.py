"""The figures that the README shows are those of the report that it links."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEADINGS = "| what | ours | beside it | ratio | goal |  |"


def table_of_goals(document: Path) -> list[str]:
    """Return the rows of the table of goals in a document."""
    lines = document.read_text().splitlines()
    assert lines.count(HEADINGS) == 1, f"{document.name} has one table of goals"
    rows = lines[lines.index(HEADINGS) + 2 :]
    return rows[: next(place for place, row in enumerate(rows) if not row.startswith("|"))]


def test_the_readme_shows_the_goals_of_the_report_whole() -> None:
    """No row is left out, that of a missed goal least of all, and none is another run's."""
    shown = table_of_goals(ROOT / "README.md")

    assert shown == table_of_goals(ROOT / "docs" / "benchmarks.md")
    assert len(shown) > 20
