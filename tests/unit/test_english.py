"""Prose is plain: words that make a reader look twice stay rare in docstrings and docs."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = (ROOT / "app", ROOT / "bench", ROOT / "tests")
PAGES: Final = (
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
AVOIDED: Final = (
    "whoever",
    "whatever",
    "that of",
    "those of",
    "one that",
    "anew",
    "likewise",
    "somebody",
    "nobody",
    "everybody",
    "for ever",
    "is told",
    "has it that",
)
PER_1000_MAX: Final = 1.0
"""How many of 1,000 words may be avoided ones."""

DOCSTRINGS_PER_1000_MAX: Final = 1
"""In the docstrings and comments of a package."""

_CHOICES: Final = "|".join(words.replace(" ", r"\s+") for words in AVOIDED)
_AVOIDED: Final = re.compile(rf"\b(?:{_CHOICES})\b", re.IGNORECASE)
_GENERATED: Final = r"^\| `/simulator/[^\n]*$"
_NO_PROSE: Final = re.compile(rf"^```.*?^```|{_GENERATED}|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def prose(package: Path) -> Iterator[str]:
    """Return the docstrings of a package, those of attributes included, and its comments."""
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            constant = node.value if isinstance(node, ast.Expr) else None
            if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                yield constant.value
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def per_1000(text: str) -> tuple[float, list[str]]:
    """Return how many of 1,000 words are avoided ones, and which were found."""
    found = [" ".join(words.lower().split()) for words in _AVOIDED.findall(text)]
    return 1000 * len(found) / len(text.split()), found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_plain(page: Path) -> None:
    """At most one word in a thousand of a page is an avoided one."""
    share, found = per_1000(_NO_PROSE.sub("", page.read_text(encoding="utf-8")))

    assert share <= PER_1000_MAX, found


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_docstrings_and_comments_are_plain(package: Path) -> None:
    """The prose of a package has no more avoided words than the bound allows."""
    share, found = per_1000("\n".join(prose(package)))

    assert share <= DOCSTRINGS_PER_1000_MAX, {words: found.count(words) for words in AVOIDED}
