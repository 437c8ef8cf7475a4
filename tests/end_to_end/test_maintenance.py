"""Audit, prune and backup as commands, beside a service that fills orders."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from tests.support.databases import sqlite_url
from tests.support.processes import PapertapeProcess, papertape, simulated_venue
from tests.support.waiting import eventually

BODY = '{"symbol": "LTCBTC", "order_size": 300, "price": 0.0001, "side": "SELL"}'


@asynccontextmanager
async def a_service_at_work(
    folder: Path, settings: dict[str, str]
) -> AsyncIterator[tuple[PapertapeProcess, list[str]]]:
    """Run a service and send it one order after another; yield it and the statuses so far."""
    statuses: list[str] = []
    async with papertape(folder, "serve", **settings) as service, service.ready_client() as client:

        async def send_orders() -> None:
            while True:
                answer = await client.post("/order/limit", content=BODY)
                statuses.append(answer.json()["status"])

        sending = asyncio.create_task(send_orders())
        await eventually(lambda: statuses or sending.done())
        yield service, statuses
        so_far = len(statuses)
        await eventually(lambda: len(statuses) > so_far or sending.done())
        assert not sending.done()
        sending.cancel()
        await asyncio.wait({sending})


async def said(folder: Path, url: str, *arguments: str) -> str:
    """Run a command that succeeds, and return its output."""
    async with papertape(folder, *arguments, name="command", DATABASE_URL=url) as process:
        assert await process.wait() == 0, process.log
        return process.log


async def test_a_database_is_kept_in_order_under_a_running_service(tmp_path: Path) -> None:
    """Backup, audit and prune run while orders are filled, and the copy serves afterwards."""
    url, copy = sqlite_url(tmp_path / "papertape.db"), tmp_path / "copy.db"
    async with simulated_venue(tmp_path) as (_, settings):
        settings |= {"ORDER_TIMEOUT_SECONDS": "3600", "DATABASE_URL": url}
        async with a_service_at_work(tmp_path, settings) as (service, statuses):
            assert "copied the database to" in await said(tmp_path, url, "backup", str(copy))
            assert "is sound" in await said(tmp_path, url, "audit")
            now = datetime.now(UTC).isoformat()
            assert "would prune" in await said(tmp_path, url, "prune", "--before", now, "--dry-run")
            pruned = await said(tmp_path, url, "prune", "--before", now)
            assert re.search(r"^pruned [1-9]", pruned, re.MULTILINE)
            assert "is sound" in await said(tmp_path, url, "audit")

        assert set(statuses) == {"FILLED"}
        assert "journal_write_failed" not in service.log
        assert "is sound" in await said(tmp_path, url, "audit", str(copy))
        settings |= {"DATABASE_URL": sqlite_url(copy)}
        async with (
            papertape(tmp_path, "serve", name="on-the-copy", **settings) as another,
            another.ready_client() as client,
        ):
            answer = await client.post("/order/limit", content=BODY)
            assert answer.status_code == httpx2.codes.OK
