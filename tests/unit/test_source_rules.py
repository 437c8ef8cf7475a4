"""Rules of the source that no linter knows, read off its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
APP: Final = ROOT / "app"
FUNCTION_LINES_MAX: Final = 70
MODULE_LINES_MAX: Final = 420
BANNED_WORDS: Final = ("manager", "helper", "utils", "common", "misc")
DOMAIN_MAY_IMPORT: Final = {
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "heapq",
    "operator",
    "re",
    "typing",
}
MODULES: Final = sorted(path for path in APP.rglob("*.py") if "migrations" not in path.parts)
assert MODULES


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module


each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


@each_module
def test_a_module_and_its_functions_are_short(path: Path) -> None:
    """A reader has a function on one screen, and a module in one sitting."""
    lines = path.read_text(encoding="utf-8").count("\n")
    long_functions = [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    ]

    assert not long_functions
    assert lines <= MODULE_LINES_MAX


@each_module
def test_names_say_what_a_thing_does(path: Path) -> None:
    """No name hides behind a word that fits everything."""
    names = [path.stem] + [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert not [name for name in names for word in BANNED_WORDS if word in name.lower()]


@each_module
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    """Time is passed in, so that tests and tapes can say what it is."""
    if path == APP / "clock.py":
        return
    banned = {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic", "time.monotonic_ns"}

    assert not banned & set(_calls(_tree(path)))


@each_module
def test_only_the_settings_read_the_environment(path: Path) -> None:
    """Whatever can be set stands in one class."""
    if path == APP / "settings.py":
        return
    source = path.read_text(encoding="utf-8")

    assert "os.environ" not in source
    assert "os.getenv" not in source


@each_module
def test_only_storage_knows_sqlalchemy(path: Path) -> None:
    """Everybody else sees verbs, not sessions."""
    if APP / "storage" in path.parents:
        return
    foreign = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg"}

    assert not foreign & {name.split(".")[0] for name in _imports(_tree(path))}


@pytest.mark.parametrize("path", sorted((APP / "domain").glob("*.py")), ids=lambda path: path.name)
def test_the_domain_imports_a_short_list_of_standard_modules(path: Path) -> None:
    """The core runs without a loop, a clock, a socket or a file."""
    roots = {name.split(".")[0] for name in _imports(_tree(path))}

    assert roots <= DOMAIN_MAY_IMPORT | {"app"}


def test_no_registry_address_is_committed() -> None:
    """A pinned dependency is a name, a version and hashes; where it comes from is the user's."""
    requirements = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")

    assert "://" not in requirements
    assert "--hash=sha256:" in requirements
