"""The cost of a start, the memory of the service at rest, and the size of its packages.

Each program runs in an environment of its own with only what it needs: ours as the built wheel,
and for comparison a small service of FastAPI and SQLAlchemy under uvicorn. A start lasts until
/readyz is answered with 200. For ours this means that the database is migrated, open orders were
loaded, and the trading rules came from a simulated venue. The starts take turns and the cheapest of
each counts; memory is measured at rest.

    python -m bench.start
"""

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.harness.peer_environments import installed_wheel, peer_python, peer_script
from bench.harness.processes import Program, free_port, program
from bench.harness.report import Result, Section, Table, amount, compared, main, method_of

ROUNDS: Final = 3
REST_SECONDS: Final = 1.0
COMMANDS: Final = ("--version", "--help")
MEGABYTE: Final = 1_000_000

NEW: Final = "papertape, empty database"
OURS: Final = "papertape"
PLAIN: Final = "plain FastAPI + SQLAlchemy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start: processor and elapsed seconds until ready, and the memory at rest."""

    cpu_seconds: float
    seconds: float
    megabytes: float

    @classmethod
    def best(cls, starts: Sequence["Start"]) -> "Start":
        """Take the cheapest start, since a disturbance makes it dearer, and the median memory."""
        return cls(
            cpu_seconds=min(one.cpu_seconds for one in starts),
            seconds=min(one.seconds for one in starts),
            megabytes=statistics.median(one.megabytes for one in starts),
        )


def measure() -> Section:
    """Start each program in turn."""
    papertape, plain_python = installed_wheel() / "bin" / "papertape", peer_python("start")
    starts: dict[str, list[Start]] = {NEW: [], OURS: [], PLAIN: []}
    with tempfile.TemporaryDirectory() as name, _simulated_venue(papertape, Path(name)) as venue:
        for number in range(1 + ROUNDS):  # the first round writes the bytecode
            database = Path(name) / f"{number}.db"
            starts[NEW].append(_started_service(papertape, venue, database))
            starts[OURS].append(_started_service(papertape, venue, database))
            starts[PLAIN].append(_started_plain(plain_python, database.with_suffix(".plain.db")))
    best = {name: Start.best(found[1:]) for name, found in starts.items()}
    return Section(
        name="start",
        title="Start and footprint",
        method=method_of(__doc__),
        results=_results(best, papertape, plain_python),
        tables=(
            Table(
                title="Starts and memory",
                headings=("", "CPU s", "seconds", "USS MB"),
                rows=tuple(
                    (name, *map(amount, (one.cpu_seconds, one.seconds, one.megabytes)))
                    for name, one in best.items()
                ),
                note="With an empty database a start creates the schema and loads Alembic for it.",
            ),
        ),
    )


def _results(best: dict[str, Start], papertape: Path, plain_python: Path) -> tuple[Result, ...]:
    ours, plain = best[OURS], best[PLAIN]
    bare = _cpu_seconds_of(papertape.parent / "python", "-c", "pass")
    commands = {one: _cpu_seconds_of(papertape, one) for one in COMMANDS}
    sizes = [_installed_megabytes(one) for one in (papertape, plain_python)]
    return (
        _beside("CPU of a start until ready", "s", ours.cpu_seconds, plain.cpu_seconds),
        _beside("Time from `papertape serve` to ready", "s", ours.seconds, plain.seconds),
        _beside("Memory of its own at rest (USS)", "MB", ours.megabytes, plain.megabytes),
        _beside("Installed, without bytecode", "MB", *sizes),
        *(
            compared(
                f"CPU of `papertape {one}`",
                "s",
                {one: seconds, "python -c pass": bare},
                ratio=seconds / bare,
                ratio_of="the interpreter alone",
            )
            for one, seconds in commands.items()
        ),
    )


def _beside(what: str, unit: str, ours: float, plain: float) -> Result:
    return compared(
        what, unit, {OURS: ours, PLAIN: plain}, ratio=ours / plain, ratio_of="the plain service"
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


def _started_plain(python: Path, database: Path) -> Start:
    port = free_port()
    command = (python, peer_script("session_service.py"), str(port), str(database))
    return _started(command, port, database.parent, {})


def _started(
    command: Sequence[str | Path], port: int, folder: Path, environment: dict[str, str]
) -> Start:
    with program(command, port=port, folder=folder, environment=environment) as started:
        seconds = started.until_answering("/readyz")
        cpu_seconds = started.cpu_seconds()
        time.sleep(REST_SECONDS)
        megabytes = started.memory().unique / MEGABYTE
        started.stop()
    return Start(cpu_seconds=cpu_seconds, seconds=seconds, megabytes=megabytes)


def _installed_megabytes(program_or_python: Path) -> float:
    """Return the size of an environment's packages, without bytecode."""
    (packages,) = (program_or_python.parents[1] / "lib").glob("python*/site-packages")
    files = (one for one in packages.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    return sum(one.stat().st_size for one in files) / MEGABYTE


def _cpu_seconds_of(*command: str | Path) -> float:
    """Return the processor time of a command that exits by itself, the least of several runs."""
    seconds = []
    for _ in range(1 + ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(  # noqa: S603 - our own words
            command, check=True, stdout=subprocess.DEVNULL, cwd=os.sep
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


if __name__ == "__main__":
    main(measure)
