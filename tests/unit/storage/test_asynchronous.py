"""Tests of ``app.storage.asynchronous``; its engines are used in those of readers and writers."""

import subprocess
import sys
from pathlib import Path

from tests.support.databases import sqlite_url

_OPEN = """
import asyncio, sys
import app.composition
from app.storage.database import Database

async def use(url):
    database = await Database.open(url, venue="simulator", owner="a test")
    await database.close()

asyncio.run(use(sys.argv[1]))
spared = {"aiosqlite", "sqlalchemy.ext.asyncio", "sqlalchemy.orm"}
sys.exit(bool(spared & set(sys.modules)))
"""


def test_a_service_on_sqlite_is_spared_them(tmp_path: Path) -> None:
    """From its start to its end."""
    command = [sys.executable, "-c", _OPEN, sqlite_url(tmp_path / "a.db")]

    assert subprocess.run(command, check=False).returncode == 0  # noqa: S603 - it is ours
