"""Starts commands of the product by forking a process that has imported everything.

An interpreter needs two to four seconds of processor time to import the service, more than most
commands need for their work. One process per test run imports once (``python -m
tests.support.forker``) and forks for each command. Each child has its own arguments, environment,
folder, files and signals, and exits as the interpreter does. Tests of the start itself run a new
interpreter instead (``papertape_from_scratch``).
"""

import array
import asyncio
import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).parents[2]
MESSAGE_BYTES_MAX: Final = 1 << 20
END_SECONDS_MAX: Final = 60.0

IMPORTED_LATE: Final = (
    "alembic.autogenerate",
    "alembic.command",
    "alembic.runtime.environment",
    "asyncpg",
    "fastapi_offline",
    "httpx2",
    "prometheus_client",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.ext.asyncio",
    "typer.rich_utils",
    "uvicorn",
    "uvloop",
    "websockets.asyncio.client",
    "websockets.asyncio.server",
)
"""Libraries that commands import when they first need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to run.

    Attributes:
        arguments: ``sys.argv`` without the program's name.
        folder: The current directory.
        environment: The whole environment.
        before: A function to call before the command, as ``module:name``.
    """

    arguments: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    before: str | None = None


class ForkedProcess:
    """A running command, with the part of ``asyncio.subprocess.Process`` that tests use."""

    def __init__(self, forker: "Forker", pid: int, alive: int) -> None:
        self.pid = pid
        self._forker = forker
        self._alive = alive  # the read end of a pipe that only the child holds open
        self._exit_status: int | None = None
        self._waiting = asyncio.Lock()

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal, or None while the process runs."""
        if self._exit_status is None and select.select([self._alive], [], [], 0)[0]:
            self._collect()
        return self._exit_status

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until the process has exited, and return its exit status."""
        async with self._waiting:
            if self._exit_status is None:
                ended = asyncio.Event()
                loop = asyncio.get_running_loop()
                loop.add_reader(self._alive, ended.set)
                try:
                    await ended.wait()
                finally:
                    loop.remove_reader(self._alive)
                self._collect()
            assert self._exit_status is not None, "it was collected"
            return self._exit_status

    def _collect(self) -> None:
        self._exit_status = self._forker.collect(self.pid)
        os.close(self._alive)


class Forker:
    """The parent's side of the forking process. Requests and answers alternate."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tests.support.forker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()

    def start(
        self, command: Command, *, stdout: int, stderr: int, stdin: int | None = None
    ) -> ForkedProcess:
        """Start a command with these files as its standard streams; the default stdin is empty."""
        alive, held_by_child = os.pipe()
        with (
            os.fdopen(held_by_child, "wb"),  # our own copy is closed once the child has one
            Path(os.devnull).open("rb") as nothing,
        ):
            files = [
                nothing.fileno() if stdin is None else stdin,
                stdout,
                stderr,
                held_by_child,
            ]
            pid = self._ask(asdict(command), files)
        return ForkedProcess(self, pid, alive)

    def collect(self, pid: int) -> int:
        """Return the exit status of a process that has exited."""
        return self._ask({"collect": pid}, [])

    def close(self) -> None:
        """Let the process exit; running commands continue."""
        self._control.close()
        self._process.wait(END_SECONDS_MAX)

    def _ask(self, request: Mapping[str, Any], files: Sequence[int]) -> int:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        message = json.dumps(request).encode() + b"\n"
        sent = self._control.sendmsg([message], rights)
        self._control.sendall(message[sent:])
        answer = self._control.recv(64)
        assert answer, "the process that forks has exited"
        return int(answer)


@functools.cache
def shared_forker() -> Forker:
    """Return the forker of this process, started at the first call."""
    forker = Forker()
    atexit.register(forker.close)
    return forker


def _import_everything() -> None:
    import app  # noqa: PLC0415 - only the process that forks imports everything

    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)


def _serve_requests(control: socket.socket) -> tuple[Command, list[int]] | None:
    """Fork once per request; return the command in the child, and None when the parent is gone."""
    while True:
        message, files, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 4)
        while message and not message.endswith(b"\n"):
            message += control.recv(MESSAGE_BYTES_MAX)
        if not message:
            return None
        request = json.loads(message)
        if "collect" in request:
            _, status = os.waitpid(request["collect"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                return Command(**request), files
            for file in files:
                os.close(file)
        control.sendall(str(answer).encode())


def _become(command: Command, files: Sequence[int]) -> None:
    """Set up this process for the command. The last file stays open until the process exits."""
    for target, file in enumerate(files[:3]):
        os.dup2(file, target)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()  # the children would draw the same numbers
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    sys.argv = ["papertape", *command.arguments]


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes us
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _import_everything()
        gc.collect()
        gc.freeze()  # the collector would write to each object, and so copy the shared pages
        taken = _serve_requests(control)
    if taken is not None:
        command, files = taken
        _become(command, files)
        for function in (command.before, "app.cli.main:main"):
            if function is not None:
                pkgutil.resolve_name(function)()


if __name__ == "__main__":
    _main()
