"""The README and the docs agree with the code: rules, figures, settings, links."""

import re
from pathlib import Path
from typing import Final

import pytest

from app.settings import Settings
from bench.oversold import RULES

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
DOCS: Final = ROOT / "docs"
REPORT: Final = DOCS / "benchmarks.md"
PAGES: Final = (README, *sorted(DOCS.rglob("*.md")))
README_LINES_MAX: Final = 150
LINE_CHARACTERS_MAX: Final = 160
_GOALS: Final = "| what | ours | beside it | ratio | goal |  |"
_SHOWN_GOALS: Final = "| what | ours | beside it | goal |  |"
_HONESTY: Final = "| rule | orders of a tenth of the displayed quantity"
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def table_under(page: Path, heading: str) -> list[list[str]]:
    """Return the rows of the table whose first line begins with ``heading``, cell by cell."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (start,) = (place for place, line in enumerate(lines) if line.startswith(heading))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def oversold_ranges() -> dict[str, list[str]]:
    """Return the cells of the README's table, by rule, from the program's output in the docs."""
    text = (DOCS / "fill-rule.md").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {rule: [] for rule in RULES}
    for line in text.splitlines():
        rule = next((rule for rule in RULES if line.startswith(f"{rule}  ")), None)
        if rule is None:
            continue
        shares = [word.rstrip("%") for word in line.removeprefix(rule).split()[::2]]
        low, high = min(shares, key=float), max(shares, key=float)
        text_of_range = low if low == high else f"{low} to {high}"
        found[rule].append(text_of_range if high == "0" else f"{text_of_range} %")
    return found


def test_the_readme_is_short() -> None:
    """A newcomer can read the README at once."""
    lines = README.read_text(encoding="utf-8").splitlines()

    assert len(lines) <= README_LINES_MAX
    assert max(map(len, lines)) <= LINE_CHARACTERS_MAX


def test_the_honesty_table_shows_every_rule_of_the_benchmark() -> None:
    """No rule is left out, and the figures are the output of the program."""
    rows = table_under(README, _HONESTY)
    printed = oversold_ranges()

    assert [row[0].partition(" (")[0] for row in rows] == list(RULES)
    for row in rows:
        sizes = printed[row[0].partition(" (")[0]]
        assert len(sizes) == 4
        assert row[1:] == sizes[:3]


def test_the_shown_goals_equal_the_report() -> None:
    """All figures are from the same run, and the README says how many goals are missed."""
    report = table_under(REPORT, _GOALS)
    by_name = {row[0]: row for row in report}
    missed = [row for row in report if row[5] == "**missed**"]
    shown = table_under(README, _SHOWN_GOALS)

    assert len(shown) == 5
    for what, ours, beside, goal, outcome in shown:
        reported = by_name[what]
        assert (ours, goal, outcome) == (reported[1], reported[4], reported[5])
        assert beside.rpartition(": ")[2] in reported[2]
    sentence = f"{len(report)} goals beside other packages: {len(report) - len(missed)} hold, "
    assert sentence + f"{len(missed)} are missed" in README.read_text(encoding="utf-8")
    assert any(row[4] == "**missed**" for row in shown)


def test_the_table_of_settings_is_complete() -> None:
    """Every setting is documented with its default, in the table and in ``.env.example``."""
    documented = {
        row[0].strip("`"): row[1].strip("`")
        for row in table_under(DOCS / "settings.md", "| setting | default |")
    }
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert list(documented) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = documented[name.upper()]
        assert shown == ("by venue" if name.startswith("binance_") else str(default))
        assert f"{name.upper()}=" in example


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_targets(page: Path) -> None:
    """Each link to a file names an existing file, and each anchor a heading in it."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in anchors, target


def test_every_page_is_in_the_index() -> None:
    """A reader reaches every page from the index."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in _LINK.findall(index)}

    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} <= linked
