"""The machine's date steps under a running service, and between two: no time of an order suffers.

libfaketime changes the date of the service's process, and leaves its monotonic clock alone.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.support.processes import PapertapeProcess, papertape_from_scratch, run_papertape
from tests.support.services import ScriptedVenue, scripted_venue
from tests.support.waiting import eventually_true

LIBRARIES: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))

STEPS: Final = ("-0.5", "-10800", "+10", "+10800", "-34560000")
"""Offsets from the true date, in seconds, that follow each other."""

SECONDS: Final = "20"
"""The time of an order, long enough for its fill on a busy machine."""


@pytest.fixture
def library() -> Path:
    """Return the library that changes a process's date."""
    if not LIBRARIES:
        reason = "no libfaketime (Debian: apt-get install faketime)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return LIBRARIES[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine with a venue, whose date the test sets."""

    folder: Path
    venue: ScriptedVenue
    library: Path

    @property
    def date_file(self) -> Path:
        """The file that holds the offset of the date."""
        return self.folder / "date"

    def set_date(self, offset: str) -> None:
        """Set the date this many seconds off; the change is atomic."""
        written = self.folder / "date.new"
        written.write_text(offset + "\n")
        written.replace(self.date_file)

    @contextlib.asynccontextmanager
    async def service(
        self, name: str
    ) -> AsyncIterator[tuple[PapertapeProcess, httpx2.AsyncClient]]:
        """Run the service on this machine."""
        async with (
            papertape_from_scratch(
                self.folder,
                "serve",
                name=name,
                LD_PRELOAD=str(self.library),
                FAKETIME_TIMESTAMP_FILE=str(self.date_file),
                FAKETIME_NO_CACHE="1",
                FAKETIME_DONT_FAKE_MONOTONIC="1",
                **self.venue.environment,
            ) as process,
            process.ready_client() as client,
        ):
            yield process, client

    def display(self, quantity: str, price: str) -> None:
        """Display a quantity at the best ask."""
        self.venue.market.push("LTCBTC", bid=("0.0020", "1"), ask=(price, quantity))


@pytest.fixture
async def machine(tmp_path: Path, library: Path) -> AsyncIterator[Machine]:
    """Run a venue; the date is true at first."""
    async with scripted_venue() as venue:
        machine = Machine(folder=tmp_path, venue=venue, library=library)
        machine.set_date("+0")
        yield machine


async def place(client: httpx2.AsyncClient, timeout_seconds: str, *, price: str = "0.0026") -> str:
    """Place an order for 8 that rests; return its path."""
    body = {"symbol": "LTCBTC", "order_size": 8, "price": price}
    answer = await client.post(
        "/order/limit",
        json=body | {"timeout_seconds": timeout_seconds},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == httpx2.codes.ACCEPTED, answer.text
    return str(answer.headers["Location"])


async def until(client: httpx2.AsyncClient, path: str, **expected: str) -> dict[str, Any]:
    """Return the order once it has these values."""
    order: dict[str, Any] = {}

    async def has_them() -> bool:
        order.update((await client.get(path)).json())
        return expected.items() <= order.items()

    await eventually_true(has_them)
    return order


def check_times(order: dict[str, Any]) -> None:
    """Check the promises about the times of a partly filled order that expired."""
    accepted_at, expires_at, closed_at = (
        datetime.fromisoformat(order[name]) for name in ("accepted_at", "expires_at", "closed_at")
    )
    filled_at = [datetime.fromisoformat(split["filled_at"]) for split in order["splits"]]
    assert accepted_at <= min(filled_at) <= max(filled_at) <= closed_at
    assert closed_at == expires_at
    assert order["execution"]["first_fill_milliseconds"] >= 0


async def audited(machine: Machine) -> None:
    """Check the database by the product's own audit."""
    ended = await run_papertape(machine.folder, "audit", "database.db")
    assert ended.status == 0, ended.output.decode()


async def metric(client: httpx2.AsyncClient, name: str) -> float:
    """Return a metric without labels."""
    for line in (await client.get("/metrics")).text.splitlines():
        if line.startswith(f"papertape_{name} "):
            return float(line.split()[1])
    raise AssertionError(name)


async def test_steps_while_orders_rest_are_harmless_and_counted(machine: Machine) -> None:
    """Each step lies between the acceptance and the fill of one order, and before all ends."""
    async with machine.service("service") as (process, client):
        paths = []
        for number, offset in enumerate(STEPS):
            # The newest order has the best limit, so it is the one that is filled.
            path = await place(client, SECONDS, price=f"0.00261{number}")
            machine.set_date(offset)
            machine.display("3", f"0.00250{number}")
            await until(client, path, filled_quantity="3")
            machine.display("1", "0.0027")
            paths.append(path)

        async def is_counted() -> bool:
            return await metric(client, "clock_steps_total") >= 1

        await eventually_true(is_counted)
        orders = [await until(client, path, status="EXPIRED") for path in paths]
        ready = (await client.get("/readyz")).json()
        assert await process.stop() == 0, process.log

    for order in orders:
        check_times(order)
    assert ready["rules"]["age_seconds"] < 3_600
    assert '"clock_stepped"' in process.log
    await audited(machine)


@pytest.mark.parametrize("offset", ["-10800", "+10800", "-0.5"])
async def test_a_step_across_a_restart_is_harmless(offset: str, machine: Machine) -> None:
    """An order that a killed process left open ends in time, after its acceptance."""
    async with machine.service("first") as (process, client):
        path = await place(client, SECONDS)
        machine.display("3", "0.0025")
        await until(client, path, filled_quantity="3")
        await process.kill()
    machine.set_date(offset)
    async with machine.service("second") as (process, client):
        order = await until(client, path, status="EXPIRED")
        later = await place(client, "0.2")
        await until(client, later, status="EXPIRED")
        await process.stop()

    check_times(order)
    assert ('"clock_behind_open_orders"' in process.log) == (offset == "-10800")
    await audited(machine)


async def test_a_suspended_machine_wakes_up_with_the_orders_as_they_were(machine: Machine) -> None:
    """The date jumps ahead by a night; the order still has the rest of its time."""
    async with machine.service("service") as (process, client):
        path = await place(client, "3600")
        machine.set_date("+36000")
        await asyncio.sleep(0.1)
        machine.display("8", "0.0025")
        order = await until(client, path, status="FILLED")
        await process.stop()

    accepted_at, closed_at = map(datetime.fromisoformat, (order["accepted_at"], order["closed_at"]))
    assert timedelta() <= closed_at - accepted_at < timedelta(hours=1)
    await audited(machine)
