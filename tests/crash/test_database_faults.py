"""While the database fails, orders get 503 and no event is sent; then the service continues."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from app.storage.connections import BUSY_SECONDS
from tests.crash.campaign import Ordeal, ServiceHost, campaign
from tests.support.waiting import eventually

SEED: Final = 20261124
HEARD_IN_CALM: Final = 200
"""Answers and events before and after the fault."""

REFUSALS: Final = 10
DISK_BYTES: Final = 16 * 1024 * 1024
SHORT_LOCKS: Final = 12
SHORT_LOCK_SECONDS: Final = 0.15


@contextlib.asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the write lock of the database, as another program may."""
    with contextlib.closing(_opened(path)) as connection:
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)


async def held_lock(host: ServiceHost) -> None:
    """Hold the lock for longer than SQLite waits, and check that no event is sent meanwhile."""
    await host.start()
    await host.until_heard(HEARD_IN_CALM)
    async with locked(host.database):
        durable = _events_stored(host.database)
        await _until_refused(host)
        assert len(host.clients.records.events) <= durable, "an event was told that is not durable"
        assert _events_stored(host.database) == durable, "the lock was held"
    await host.until_heard(HEARD_IN_CALM)


def _events_stored(path: Path) -> int:
    with contextlib.closing(_opened(path)) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM order_events")
        return int(count)


async def _until_refused(host: ServiceHost) -> None:
    """Wait until several more orders are refused because of the database."""
    records = host.clients.records
    goal = records.database_refusals + REFUSALS
    await eventually(lambda: records.database_refusals >= goal)


async def slow_disk(host: ServiceHost) -> None:
    """Make most writes wait, but never until they fail.

    If a busy machine releases the lock too late, refused orders are not an error.
    """
    await host.start()
    longest = 0.0
    for _ in range(SHORT_LOCKS):
        async with locked(host.database):
            began = time.monotonic()
            await asyncio.sleep(SHORT_LOCK_SECONDS)
            longest = max(longest, time.monotonic() - began)
        await host.until_heard(1)
    assert host.clients.records.database_refusals == 0 or longest > BUSY_SECONDS / 2


async def full_disk(host: ServiceHost) -> None:
    """Fill the disk twice, and kill the service the second time."""
    await host.start()
    await host.until_heard(HEARD_IN_CALM)
    filler = host.database.with_name("filler")
    _fill(filler)
    await _until_refused(host)
    filler.unlink()
    await host.until_heard(HEARD_IN_CALM)
    _fill(filler)
    await _until_refused(host)
    await host.kill()
    filler.unlink()
    await host.start()
    await host.until_heard(HEARD_IN_CALM)


def _fill(path: Path) -> None:
    """Fill the disk with one file."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few megabytes, which requires the superuser."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes the superuser")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:  # noqa: S603 - our own command
        assert not os.environ.get("CI"), "the superuser of CI may mount"
        pytest.skip("this system does not let even the superuser mount a small disk")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - as above


@pytest.mark.parametrize("ordeal", [held_lock, slow_disk])
async def test_a_database_that_is_locked_or_slow_loses_nothing(
    tmp_path: Path, ordeal: Ordeal
) -> None:
    """Refused orders are never executed, events are durable, and the service recovers."""
    outcome = await campaign(tmp_path, ordeal, seed=SEED)

    assert outcome.complaints == []
    assert outcome.splits


async def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """A full disk loses no order, even if the process is killed while it cannot write."""
    outcome = await campaign(small_disk, full_disk, seed=SEED)

    assert outcome.complaints == []
    assert outcome.splits
    assert outcome.refusals
