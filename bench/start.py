"""What a start costs, what the service holds at rest, and how much is installed.

Each program runs in an environment of its own with nothing but what it needs: ours as the built
wheel, beside it the least service of this kind, an empty one of FastAPI and SQLAlchemy under
uvicorn. A start lasts until /readyz is answered with 200, which for ours means that the database
is migrated, open orders were read back, and the trading rules came from a simulated venue. The
starts take turns and the cheapest of each counts; memory is that of a process at rest.

    python -m bench.start
"""

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.peer_environments import installed_wheel, peer_python, peer_script
from bench.processes import Memory, Program, free_port, program
from bench.report import Figure, Result, Section, Table, amount, main

ROUNDS: Final = 3
REST_SECONDS: Final = 1.0
LARGEST: Final = 8
COMMANDS: Final = ("--version", "--help")
MEGABYTE: Final = 1_000_000

_EMPTY: Final = "empty FastAPI + SQLAlchemy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: processor and wall-clock seconds until ready, and the memory at rest."""

    cpu_seconds: float
    seconds: float
    memory: Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """The best of several starts of one program."""

    cpu_seconds: float
    seconds: float
    resident: float
    proportional: float
    unique: float

    @classmethod
    def of(cls, starts: Sequence[Start]) -> "Starts":
        """Take the cheapest start, since whatever disturbs makes it dearer; memory's median."""
        return cls(
            cpu_seconds=min(one.cpu_seconds for one in starts),
            seconds=min(one.seconds for one in starts),
            resident=statistics.median(one.memory.resident for one in starts),
            proportional=statistics.median(one.memory.proportional for one in starts),
            unique=statistics.median(one.memory.unique for one in starts),
        )


def measure() -> Section:
    """Start each program in turn."""
    papertape, empty_python = installed_wheel() / "bin" / "papertape", peer_python("start")
    starts: dict[str, list[Start]] = {"empty database": [], "existing database": [], _EMPTY: []}
    with tempfile.TemporaryDirectory() as name, _simulated_venue(papertape, Path(name)) as venue:
        folder = Path(name)
        for number in range(1 + ROUNDS):  # The first writes the bytecode, and is forgotten.
            database = folder / f"{number}.db"
            for kind in ("empty database", "existing database"):
                starts[kind].append(_started_service(papertape, venue, database))
            starts[_EMPTY].append(_started_empty(empty_python, folder / f"{number}-empty.db"))
    ours_new, ours, empty = (Starts.of(found[1:]) for found in starts.values())
    return Section(
        name="start",
        title="Start and footprint",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=_results(ours, empty, papertape, empty_python),
        tables=(
            _table({"existing database": ours, "empty database": ours_new, _EMPTY: empty}),
            _largest(papertape, empty_python),
        ),
    )


def _results(
    ours: Starts, empty: Starts, papertape: Path, empty_python: Path
) -> tuple[Result, ...]:
    ours_bytes, empty_bytes = (_bytes_by_package(one).total() for one in (papertape, empty_python))
    command_seconds = {one: _cpu_seconds_of(papertape, one) for one in COMMANDS}
    bare = _cpu_seconds_of(papertape.parent / "python", "-c", "pass")
    return (
        _beside("CPU of a start until ready", ours.cpu_seconds, empty.cpu_seconds, "s"),
        _beside("Time from `papertape serve` to ready", ours.seconds, empty.seconds, "s"),
        _beside(
            "Memory of its own at rest (USS)",
            ours.unique / MEGABYTE,
            empty.unique / MEGABYTE,
            "MB",
        ),
        _beside("Installed, without bytecode", ours_bytes / MEGABYTE, empty_bytes / MEGABYTE, "MB"),
        *(
            Result(
                what=f"CPU of `papertape {one}`",
                ours=Figure(of=one, value=seconds, unit="s"),
                beside=(Figure(of="python -c pass", value=bare, unit="s"),),
                ratio=seconds / bare,
                ratio_of="the interpreter alone",
            )
            for one, seconds in command_seconds.items()
        ),
    )


def _beside(what: str, ours: float, empty: float, unit: str) -> Result:
    return Result(
        what=what,
        ours=Figure(of="papertape", value=ours, unit=unit),
        beside=(Figure(of=_EMPTY, value=empty, unit=unit),),
        ratio=ours / empty,
        ratio_of="the empty service",
    )


def _table(starts: dict[str, Starts]) -> Table:
    return Table(
        title="Starts and memory",
        headings=("", "CPU s", "seconds", "RSS MB", "PSS MB", "USS MB"),
        rows=tuple(
            (
                name,
                amount(one.cpu_seconds),
                amount(one.seconds),
                *(amount(size / MEGABYTE) for size in (one.resident, one.proportional, one.unique)),
            )
            for name, one in starts.items()
        ),
        note="With an empty database a start also makes the schema, for which it loads Alembic.",
    )


@contextmanager
def _simulated_venue(papertape: Path, folder: Path) -> Iterator[Program]:
    port = free_port()
    command = (papertape, "simulate", "--port", str(port))
    with program(command, port=port, folder=folder, environment={}) as venue:
        venue.until_answering("/api/v3/ping")
        yield venue


def _started_service(papertape: Path, venue: Program, database: Path) -> Start:
    port = free_port()
    environment = {
        "HTTP_PORT": str(port),
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "VENUE": "simulator",
        "BINANCE_REST_URL": venue.url,
        "BINANCE_STREAM_URL": venue.url.replace("http:", "ws:"),
    }
    return _started((papertape, "serve"), port, database.parent, environment)


def _started_empty(python: Path, database: Path) -> Start:
    port = free_port()
    command = (python, peer_script("empty_service.py"), str(port), str(database))
    return _started(command, port, database.parent, {})


def _started(
    command: Sequence[str | Path], port: int, folder: Path, environment: dict[str, str]
) -> Start:
    with program(command, port=port, folder=folder, environment=environment) as started:
        seconds = started.until_answering("/readyz")
        cpu_seconds = started.cpu_seconds()
        time.sleep(REST_SECONDS)
        memory = started.memory()
        started.stop()
    return Start(cpu_seconds=cpu_seconds, seconds=seconds, memory=memory)


def _largest(papertape: Path, empty_python: Path) -> Table:
    """Say which packages most of the room goes to."""
    ours, empty = map(_bytes_by_package, (papertape, empty_python))
    return Table(
        title="Installed, the largest packages",
        headings=("package", "papertape, MB", f"{_EMPTY}, MB"),
        rows=tuple(
            (package, amount(size / MEGABYTE), amount(empty[package] / MEGABYTE))
            for package, size in ours.most_common(LARGEST)
        ),
    )


def _bytes_by_package(program_or_python: Path) -> Counter[str]:
    """Return the bytes of an environment's packages, without bytecode."""
    (packages,) = (program_or_python.parents[1] / "lib").glob("python*/site-packages")
    sizes: Counter[str] = Counter()
    for path in packages.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            sizes[path.relative_to(packages).parts[0]] += path.stat().st_size
    return sizes


def _cpu_seconds_of(*command: str | Path) -> float:
    """Return the processor time of a command that ends by itself, the least of several."""
    return min(_children_cpu_seconds(lambda: _run(*command)) for _ in range(1 + ROUNDS))


def _run(*command: str | Path) -> None:
    subprocess.run(  # noqa: S603 - our own words
        command, check=True, stdout=subprocess.DEVNULL, cwd=os.sep
    )


def _children_cpu_seconds(act: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    act()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main(measure)
