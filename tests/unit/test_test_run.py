"""A run of these tests names a test that crashes or hangs its process."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.forker import REPOSITORY
from tests.support.waiting import WAIT_SECONDS_MAX

CRASHES: Final = """
import os

def test_before(): pass

def test_that_crashes(): os._exit(7)
"""
WAITS: Final = """
import threading

def test_that_waits_for_its_end(): threading.Event().wait(3_600)
"""
HANGS: Final = """
import asyncio, pytest

@pytest.mark.timeout(1)
async def test_that_hangs(): await asyncio.Event().wait()

def test_after(): pass
"""


async def run_tests(folder: Path, *options: str, **files: str) -> tuple[int, str]:
    """Run tests with our configuration; return the exit status and the output."""
    (folder / "conftest.py").write_text("from tests.conftest import pytest_handlecrashitem\n")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            "-m",
            "pytest",
            "-p",
            "no:hypothesispytest",
            "-c",
            str(REPOSITORY / "pyproject.toml"),
            "--rootdir",
            str(folder),
        ),
        *options,
        str(folder),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        output, _ = await process.communicate()
    assert process.returncode is not None, "it has exited"
    return process.returncode, output.decode()


def options_of_the_task() -> list[str]:
    """Return the options of pytest in the task."""
    taskfile = (REPOSITORY / "Taskfile.yml").read_text(encoding="utf-8")
    (options,) = re.findall(r"^  PYTEST_WORKERS: (.+)$", taskfile, re.MULTILINE)
    return str(options).split()


async def test_a_crashed_worker_ends_the_run_with_the_name_of_its_test(tmp_path: Path) -> None:
    """The run neither waits for the other workers nor starts a new one."""
    status, output = await run_tests(
        tmp_path, *options_of_the_task(), "-n2", test_crash=CRASHES, test_wait=WAITS
    )

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "Exit: the worker that ran test_crash.py::test_that_crashes crashed" in output
    assert "1 failed, 1 passed" in output


async def test_a_test_that_hangs_fails_and_the_next_one_runs(tmp_path: Path) -> None:
    """The time limit raises an exception in the test."""
    status, output = await run_tests(tmp_path, test_hang=HANGS)

    assert status == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in output
    assert "test_that_hangs - Failed: Timeout" in output
