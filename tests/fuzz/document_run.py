"""Checks a running service by its served OpenAPI document, with schemathesis.

The service runs in this process, schemathesis in another: it sends allowed and forbidden requests
over a real socket, and checks every answer. ``schemathesis.toml`` turns checks on and off, and
``schemathesis_hooks`` makes valid orders acceptable to the venue.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from app.access.key_file import add_key
from app.composition import running_service
from app.domain.caller import Scope
from app.simulator.market.scripted_market import ScriptedMarket
from tests.support.connections import http_client
from tests.support.keys import authorization
from tests.support.services import make_settings, scripted_venue, until_ready

QUOTE_SECONDS: Final = 0.02
"""The pause between two quotes, so that an order meets several before it expires."""

_KEY: Final = "pt_alice"
"""A key with every scope, so that no operation refuses all requests."""

_CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
_ROOT: Final = Path(__file__).parents[2]
_STATUSES: Final = ("FILLED", "EXPIRED", "CANCELED")
_CASES = re.compile(r"^  ([0-9,]+) generated", re.MULTILINE)
_LINKS = re.compile(r"API Links: +([0-9]+) covered")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRun:
    """The result of a run, with the ``statuses`` of the orders stored at its end."""

    exit_code: int
    report: str
    statuses: frozenset[str]

    @property
    def requests(self) -> int:
        """The number of generated requests."""
        found = _CASES.search(self.report)
        return int(found[1].replace(",", "")) if found else 0

    @property
    def links(self) -> int:
        """The number of links between operations that were followed."""
        found = _LINKS.search(self.report)
        return int(found[1]) if found else 0


async def run_document(folder: Path, *, examples: int, seed: int, with_keys: bool) -> DocumentRun:
    """Start a service in ``folder`` and send it ``examples`` requests per operation and phase."""
    headers = authorization(_KEY) if with_keys else {}
    async with (
        _service(folder, with_keys=with_keys) as url,
        http_client(base_url=url, headers=headers) as client,
    ):
        await until_ready(client)
        arguments = ["--seed", str(seed), "--max-examples", str(examples)]
        for name, value in headers.items():
            arguments += ["--header", f"{name}: {value}"]
        exit_code, report = await _schemathesis(folder, f"{url}/openapi.json", arguments)
        statuses = frozenset([status for status in _STATUSES if (await _has_order(client, status))])
    return DocumentRun(exit_code=exit_code, report=report, statuses=statuses)


async def _has_order(client: httpx2.AsyncClient, status: str) -> bool:
    answer = await client.get("/orders", params={"status": status, "limit": 1})
    return bool(answer.json()["orders"])


@contextlib.asynccontextmanager
async def _service(folder: Path, *, with_keys: bool) -> AsyncIterator[str]:
    """Run a service with short waits on a market that keeps moving."""
    async with scripted_venue() as venue:
        settings = make_settings(
            folder,
            stream_url=venue.stream_url,
            rest_url=venue.rest_url,
            order_timeout_seconds="0.05",
        ).model_copy(
            update={
                "wait_seconds_max": 1,
                "api_keys_file": str(_key_file(folder)) if with_keys else "",
            }
        )
        quoting = asyncio.create_task(_quote(venue.market))
        try:
            async with running_service(settings) as url:
                yield url
        finally:
            quoting.cancel()


def _key_file(folder: Path) -> Path:
    path = folder / "keys.json"
    add_key(path, _KEY, name="alice", scopes=list(Scope))
    return path


async def _quote(market: ScriptedMarket) -> None:
    number = 0
    while True:
        number += 1
        bid, ask = ("0.0024", str(1 + number % 7)), ("0.0025", str(1 + number % 5))
        market.push("LTCBTC", bid=bid, ask=None if number % 31 == 0 else ask)
        await asyncio.sleep(QUOTE_SECONDS)


async def _schemathesis(folder: Path, url: str, arguments: list[str]) -> tuple[int, str]:
    """Run schemathesis in ``folder``; return its exit code and its output."""
    command = ("-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", url, "--no-color")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *arguments,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None, "the process has exited"
    return process.returncode, output.decode()
