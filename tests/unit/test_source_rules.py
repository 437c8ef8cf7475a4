"""Rules of the source that no linter checks, by its syntax tree."""

import ast
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
APP: Final = ROOT / "app"
FUNCTION_LINES_MAX: Final = 70
MODULE_LINES_MAX: Final = 400
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
BENCHMARKS: Final = sorted((ROOT / "bench").rglob("*.py"))
assert MODULES
assert BENCHMARKS


@functools.cache
def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_source(path), filename=str(path))


@functools.cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(_tree(path)))


def _calls(path: Path) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def _imports(path: Path) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module


def _packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(path)}


def _offenders(breaks: Callable[[Path], object], paths: Iterable[Path] = MODULES) -> list[str]:
    """Return the modules that break a rule, each with the result of ``breaks``."""
    found = [(path, breaks(path)) for path in paths]
    return [f"{path.relative_to(ROOT)}: {how}" for path, how in found if how]


def test_a_function_is_short() -> None:
    """A function fits on one screen."""

    def long_functions(path: Path) -> list[str]:
        return [
            node.name
            for node in _nodes(path)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.end_lineno is not None
            and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
        ]

    assert not _offenders(long_functions, MODULES + BENCHMARKS)


def test_a_module_is_short() -> None:
    """A reader can read a module at once."""

    def excess(path: Path) -> int:
        return max(0, _source(path).count("\n") - MODULE_LINES_MAX)

    assert not _offenders(excess, MODULES + BENCHMARKS)


def test_names_have_no_vague_words() -> None:
    """A word such as ``manager`` fits everything and explains nothing."""

    def vague_names(path: Path) -> list[str]:
        names = [path.stem] + [
            node.name
            for node in _nodes(path)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        return [name for name in names for word in BANNED_WORDS if word in name.lower()]

    assert not _offenders(vague_names, MODULES + BENCHMARKS)


def test_only_the_clock_reads_the_time() -> None:
    """Time is passed in, so that tests and tapes can choose it."""
    banned = {"datetime.now", "datetime.utcnow", "time.time", "time.monotonic", "time.monotonic_ns"}
    others = [path for path in MODULES if path != APP / "clock.py"]

    assert not _offenders(lambda path: banned & set(_calls(path)), others)


def test_only_the_settings_read_the_environment() -> None:
    """One class has every setting."""
    banned = ("os.environ", "os.getenv")
    others = [path for path in MODULES if path != APP / "settings.py"]

    assert not _offenders(lambda path: [name for name in banned if name in _source(path)], others)


def test_only_storage_and_auditing_know_sqlalchemy() -> None:
    """Other packages call methods such as ``accept``, and see no session."""
    foreign = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg"}
    inside = {APP / "storage", APP / "auditing"}
    others = [path for path in MODULES if not inside & set(path.parents)]

    assert not _offenders(lambda path: foreign & _packages(path), others)


def test_the_domain_imports_a_short_list_of_standard_modules() -> None:
    """The core runs without a loop, a clock, a socket or a file."""
    domain = sorted((APP / "domain").glob("*.py"))
    assert domain

    assert not _offenders(lambda path: _packages(path) - DOMAIN_MAY_IMPORT - {"app"}, domain)


def test_no_registry_address_is_committed() -> None:
    """A pinned dependency is a name, a version and hashes; the user chooses the registry."""
    requirements = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8")

    assert "://" not in requirements
    assert "--hash=sha256:" in requirements
