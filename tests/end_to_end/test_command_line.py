"""`papertape` as a user runs it."""

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2

from tests.support.connections import http_client
from tests.support.processes import papertape, papertape_from_scratch, simulated_venue
from tests.support.waiting import eventually


async def test_help_explains_every_command(tmp_path: Path) -> None:
    """`papertape --help` lists the commands."""
    async with papertape(tmp_path, "--help") as process:
        assert await process.wait() == 0

    service = (
        *("serve", "simulate", "demo", "migrate", "audit", "prune", "backup", "record", "replay"),
    )
    client = ("order", "orders", "show", "cancel", "watch")
    for command in service + client:
        assert f" {command} " in process.log


async def test_migrate_brings_a_database_up_to_date(tmp_path: Path) -> None:
    """The revision is printed, even if there is nothing to do."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'fresh.db'}"
    for name in ("first", "again"):
        async with papertape(tmp_path, "migrate", name=name, DATABASE_URL=url) as process:
            assert await process.wait() == 0, process.log
        assert "the database is at revision" in process.log

    assert (tmp_path / "fresh.db").stat().st_size > 0


async def test_simulate_runs_the_venue_alone(tmp_path: Path) -> None:
    """Service and venue run as two processes that share only an address."""
    body = '{"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}'
    async with simulated_venue(tmp_path) as (venue, settings):
        async with (
            papertape_from_scratch(tmp_path, "serve", **settings) as service,
            service.ready_client() as client,
        ):
            answer = await client.post("/order/limit", content=body)

        assert answer.json()["status"] == "FILLED"
        assert answer.json()["splits_total"] > 1
        assert await venue.stop() == 0, venue.log


async def test_the_demo_fulfills_three_orders_and_stays_up(tmp_path: Path) -> None:
    """The demo prints a BUY and a SELL order with splits, an expired order, and a command to try.

    A port in use is replaced by a free one.
    """
    with _taken(8080):
        async with papertape(tmp_path, "demo") as process:
            await eventually(lambda: "curl --request POST" in process.log)
            assert process.log.count("Order successfully fulfilled") == 2
            assert process.log.count("Order not fulfilled") == 1
            command = re.search(r"--url (http://\S+)/order/limit --data '(.*?)'", process.log)
            assert command is not None
            assert not command[1].endswith(":8080")
            async with http_client(base_url=command[1]) as client:
                assert (await client.get("/docs")).status_code == httpx2.codes.OK
                answer = await client.post("/order/limit", content=command[2])

            assert answer.json()["message"] == "Order successfully fulfilled"
            assert await process.stop() == 0
            assert "Traceback" not in process.log


async def test_the_demo_ends_with_once(tmp_path: Path) -> None:
    """`--once` exits after the orders with status 0."""
    async with papertape_from_scratch(tmp_path, "demo", "--once") as process:
        status = await process.wait()

    assert status == 0, process.log
    assert "curl --request POST" not in process.log


@contextlib.contextmanager
def _taken(port: int) -> Iterator[None]:
    """Hold a port, unless another process holds it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            holder.bind(("127.0.0.1", port))
            holder.listen()
        yield
