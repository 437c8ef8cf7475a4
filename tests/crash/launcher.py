"""Starts the service many times, as processes of their own that begin with everything imported.

A service takes seconds of processor time to import its libraries. One process does so once and
forks for each start; the child goes on with ``papertape serve``, as any other would.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.processes import REPOSITORY
from tests.support.waiting import eventually

START_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One process of the service."""

    pid: int
    log_file: Path

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self.log_file.read_text(encoding="utf-8")

    @property
    def is_alive(self) -> bool:
        """Whether the process is there; its parent lets the kernel bury it."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def url(self) -> str:
        """Wait until the service listens, and return where."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                for line in self.log.splitlines():
                    if '"service_started"' in line:
                        return str(json.loads(line)["url"])
                assert self.is_alive, self.log
                await asyncio.sleep(POLL_SECONDS)

    async def end(self, number: signal.Signals) -> None:
        """Send the signal and wait until the process is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        await eventually(lambda: not self.is_alive)


class Launcher:
    """Asks the process that forks."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._starts = 0

    async def start(self, planted: str | None = None, **settings: str) -> Incarnation:
        """Start the service in the folder, with a bug if one is named."""
        self._starts += 1
        log_file = self._folder / f"service-{self._starts}.log"
        log_file.touch()
        request = {"log": str(log_file), "planted": planted, "settings": settings}
        assert self._process.stdin is not None, "it was made with pipes"
        assert self._process.stdout is not None, "it was made with pipes"
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(START_SECONDS_MAX):
            answer = await self._process.stdout.readline()
        return Incarnation(pid=int(answer), log_file=log_file)


@contextlib.asynccontextmanager
async def launcher(folder: Path) -> AsyncIterator[Launcher]:
    """Run the process that forks, in ``folder``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.launcher",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HTTP_PORT": "0", "LOG_FORMAT": "json"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Launcher(process, folder)
    finally:
        assert process.stdin is not None, "it was made with pipes"
        process.stdin.close()
        await process.wait()


def _serve_requests() -> None:
    """Fork once per line of standard input, and answer the child's process id."""
    import app.composition  # noqa: F401, PLC0415 - what the children share
    from tests.crash import planted_bugs  # noqa: PLC0415 - likewise

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become_service(request, planted_bugs.PLANTED)
        print(pid, flush=True)  # noqa: T201 - the answer


def _become_service(request: dict[str, object], planted: Mapping[str, Callable[[], None]]) -> None:
    from app.cli import main  # noqa: PLC0415 - imported before the fork

    output = os.open(str(request["log"]), os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    settings = request["settings"]
    assert isinstance(settings, dict), "a mapping was sent"
    os.environ.update(settings)
    bug = planted.get(str(request["planted"]))
    if bug is not None:
        bug()
    sys.argv = ["papertape", "serve"]
    main()
    os._exit(0)


if __name__ == "__main__":
    _serve_requests()
