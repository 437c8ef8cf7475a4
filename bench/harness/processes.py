"""Programs that a benchmark starts, and their processor time and memory as the kernel counts it."""

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
STOP_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.005
_NS_PER_SECOND: Final = 1_000_000_000
_BYTES_PER_KB: Final = 1024
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSeconds:
    """Processor time of a process.

    Attributes:
        loop: the time of the event loop's thread, which is the main thread.
        others: the time of all other threads together.
        loop_queued: how long the event loop's thread was ready, but waited for a processor.
        others_queued: the same of all other threads together.
    """

    loop: float
    others: float
    loop_queued: float = 0.0
    others_queued: float = 0.0

    @property
    def total(self) -> float:
        """The processor time of all threads."""
        return self.loop + self.others

    def __add__(self, other: "ThreadSeconds") -> "ThreadSeconds":
        """Return the times of both."""
        return ThreadSeconds(
            loop=self.loop + other.loop,
            others=self.others + other.others,
            loop_queued=self.loop_queued + other.loop_queued,
            others_queued=self.others_queued + other.others_queued,
        )

    def since(self, earlier: "ThreadSeconds") -> "ThreadSeconds":
        """Return the time spent after an earlier reading."""
        return ThreadSeconds(
            loop=self.loop - earlier.loop,
            others=self.others - earlier.others,
            loop_queued=self.loop_queued - earlier.loop_queued,
            others_queued=self.others_queued - earlier.others_queued,
        )


def thread_seconds(pid: int) -> ThreadSeconds:
    """Return the processor time of the living threads of a process, to the nanosecond."""
    running = {True: 0, False: 0}
    queued = {True: 0, False: 0}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            is_loop = int(task.name) == pid
            on_processor, in_queue, _ = map(int, (task / "schedstat").read_text().split())
            running[is_loop] += on_processor
            queued[is_loop] += in_queue
    return ThreadSeconds(
        loop=running[True] / _NS_PER_SECOND,
        others=running[False] / _NS_PER_SECOND,
        loop_queued=queued[True] / _NS_PER_SECOND,
        others_queued=queued[False] / _NS_PER_SECOND,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of a process.

    Attributes:
        unique: the bytes that no other process shares.
        resident_most: the most bytes that were resident at any time.
    """

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
                raise RuntimeError(f"it exited with {self.process.returncode}")
            if self.status(path) == http.client.OK:
                return time.monotonic() - self.started_at
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{path} was not answered within {READY_SECONDS_MAX:g} s")

    def status(self, path: str) -> int | None:
        """Return the status of a GET, None without an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS_MAX)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def cpu(self) -> ThreadSeconds:
        """Return the processor time of its living threads."""
        return thread_seconds(self.process.pid)

    def cpu_seconds(self) -> float:
        """Return its processor time, ended threads included, in steps of 10 ms."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND  # utime and stime, proc(5)

    def memory(self) -> Memory:
        """Return its memory now."""
        folder = Path(f"/proc/{self.process.pid}")
        now = _kilobytes(folder / "smaps_rollup")
        return Memory(
            unique=now["Private_Clean"] + now["Private_Dirty"],
            # The kernel counts in batches, so its maximum can lag behind the present value.
            resident_most=max(now["Rss"], _kilobytes(folder / "status")["VmHWM"]),
        )

    def stop(self) -> float:
        """Ask it to exit, and return the seconds until it has."""
        asked_at = time.monotonic()
        self.process.terminate()
        self.process.wait(STOP_SECONDS_MAX)
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


def free_port() -> int:
    """Return a port that is free at the moment."""
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
