"""Thousands of clients connect, break off, and leave: the service keeps nothing of them."""

import asyncio
import gc
import json
import os
import random
from pathlib import Path
from typing import Any, Final

import httpx2
from websockets.asyncio.client import connect

from tests.support.processes import papertape
from tests.support.raw_http import RawConnection
from tests.support.services import scripted_venue, service_under_test
from tests.support.waiting import eventually, eventually_true

ROUNDS_MAX: Final = 8
"""The allocator may take more memory in any round; a leak grows in every round."""

CLIENTS: Final = int(os.environ.get("CLIENTS", "1000"))
CLIENTS_AT_ONCE: Final = 100
FILES_OPENED_LATER_MAX: Final = 20
"""Files that the service opens when it first needs them, such as the venue's connection."""

GROWTH_BYTES_MAX: Final = 2_000 * CLIENTS
"""An open WebSocket or request needs many times as much."""

KEPT_PER_CLIENT: Final = frozenset({"_EventWaiter", "_Subscription", "_Teller"})


def order(chance: random.Random) -> dict[str, Any]:
    """Return the body of an order that expires soon."""
    return {
        "symbol": "LTCBTC",
        "order_size": "1",
        "price": "0.0001",
        "timeout_seconds": f"{chance.uniform(0.05, 1):.3f}",
    }


async def one_client(url: str, chance: random.Random) -> None:
    """Connect, send a complete or incomplete request, and leave."""
    kind = chance.randrange(5)
    if kind == 0:
        socket = await connect(f"{url}/ws/orders".replace("http", "ws", 1))
        await socket.send(json.dumps({"type": "subscribe"}))
        await socket.recv()
        socket.transport.abort()
        await socket.wait_closed()
        return
    connection = await RawConnection.open(url)
    if kind == 1:
        connection.send_half_an_order()
    elif kind == 2:
        connection.send_order(order(chance))  # its client does not wait for the end
    elif kind == 3:
        await connection.order(order(chance), prefer="respond-async")
    else:
        connection.send_order(order(chance) | {"symbol": "NOSUCH"})
    await connection.abandon()


async def come_and_go(url: str, clients: int, *, seed: int) -> None:
    """Run this number of clients, some at once."""
    chance = random.Random(seed)
    for _ in range(0, clients, CLIENTS_AT_ONCE):
        await asyncio.gather(*(one_client(url, chance) for _ in range(CLIENTS_AT_ONCE)))


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def open_files(pid: int) -> int:
    """Return the number of open files and sockets of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_memory_and_files_return_to_their_level(tmp_path: Path) -> None:
    """Memory and files of a thousand clients are released, apart from caches that fill first."""
    async with (
        scripted_venue() as venue,
        papertape(tmp_path, "serve", **venue.environment) as process,
    ):
        async with process.ready_client():
            url = await process.url()
        files = open_files(process.pid) + FILES_OPENED_LATER_MAX
        grown = []
        for seed in range(ROUNDS_MAX):
            before = resident_bytes(process.pid)
            await come_and_go(url, CLIENTS, seed=seed)
            await eventually(lambda: open_files(process.pid) <= files)
            grown.append(resident_bytes(process.pid) - before)
            if grown[-1] < GROWTH_BYTES_MAX:
                break
        assert grown[-1] < GROWTH_BYTES_MAX, f"every round took more: {grown}"
        async with process.ready_client() as client:
            await eventually_true(lambda: are_over(client))


async def are_over(client: httpx2.AsyncClient) -> bool:
    """Return whether no order is open."""
    answers = [
        await client.get("/orders", params={"status": status, "limit": 1})
        for status in ("NEW", "PARTIALLY_FILLED")
    ]
    return not any(answer.json()["orders"] for answer in answers)


async def test_no_task_or_waiter_is_left_behind(tmp_path: Path) -> None:
    """Every task of a client ends with it, and every object kept for it is freed."""
    async with service_under_test(tmp_path) as service:
        await come_and_go(service.url, CLIENTS_AT_ONCE, seed=3)
        await eventually_true(lambda: are_over(service.client))
        tasks, already_kept = len(asyncio.all_tasks()), len(kept())

        await come_and_go(service.url, 4 * CLIENTS_AT_ONCE, seed=4)

        await eventually_true(lambda: are_over(service.client))
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        await eventually(lambda: len(kept()) <= already_kept)


def kept() -> list[str]:
    """Return the names of the objects kept for clients."""
    gc.collect()
    names = (type(thing).__name__ for thing in gc.get_objects())
    return [name for name in names if name in KEPT_PER_CLIENT]
