"""Programs that a benchmark starts, and what the kernel says of them: processor time and memory."""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_SECONDS_MAX: Final = 120.0
END_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.002
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_BYTES_PER_KB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of a process: resident, its share of what is shared, its own alone, and at most."""

    resident: int
    proportional: int
    unique: int
    resident_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that serves HTTP on ``port`` of loopback, started at a monotonic time."""

    process: subprocess.Popen[bytes]
    port: int
    started_at: float

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def until_answering(self, path: str) -> float:
        """Wait until a GET of ``path`` is answered with 200; return the seconds since the start."""
        deadline = self.started_at + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended with {self.process.returncode}")
            if self.status(path) == http.client.OK:
                return time.monotonic() - self.started_at
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{path} was not answered within {READY_SECONDS_MAX:g} s")

    def status(self, path: str) -> int | None:
        """Return the status of a GET, None if nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS_MAX)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        """Return the processor time that it has taken, in steps of a hundredth of a second."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND  # utime and stime, proc(5)

    def memory(self) -> Memory:
        """Return the memory that it has now."""
        folder = Path(f"/proc/{self.process.pid}")
        now = _kilobytes(folder / "smaps_rollup")
        return Memory(
            resident=now["Rss"],
            proportional=now["Pss"],
            unique=_unique_of(now),
            # The kernel counts in batches, and so may tell some pages fewer than there are now.
            resident_most=max(now["Rss"], _kilobytes(folder / "status")["VmHWM"]),
        )

    def stop(self) -> float:
        """Ask it to end, and return the seconds until it has."""
        asked_at = time.monotonic()
        self.process.terminate()
        self.process.wait(END_SECONDS_MAX)
        return time.monotonic() - asked_at


@contextlib.contextmanager
def program(
    command: Sequence[str | Path], *, port: int, folder: Path, environment: Mapping[str, str]
) -> Iterator[Program]:
    """Run a program in ``folder``; it is killed at the end if it still runs."""
    with (folder / "program.log").open("ab") as log:
        started_at = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - no shell, our own words
            command,
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Program(process=process, port=port, started_at=started_at)
    finally:
        process.kill()
        process.wait()


def unique_bytes(pid: int | str) -> int:
    """Return the bytes that a process has of its own; ``self`` is this one."""
    return _unique_of(_kilobytes(Path(f"/proc/{pid}/smaps_rollup")))


def _unique_of(now: Mapping[str, int]) -> int:
    return now["Private_Clean"] + now["Private_Dirty"]


def free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kilobytes(file: Path) -> dict[str, int]:
    """Read lines like ``Rss:   1024 kB`` as bytes."""
    amounts = {}
    for line in file.read_text().splitlines():
        name, _, amount = line.partition(":")
        if amount.endswith(" kB"):
            amounts[name] = int(amount.split()[0]) * _BYTES_PER_KB
    return amounts
