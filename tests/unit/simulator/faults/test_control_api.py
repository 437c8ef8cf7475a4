"""Tests of ``app.simulator.faults.control_api``; the integration tests use sockets."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from app.clock import SystemClock
from app.simulator.faults.control_api import ControlApi
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue


async def status_of(
    *, host: str = "localhost", local_address: str = "127.0.0.1", is_allowed: bool = False
) -> int:
    """Request the state and return the HTTP status."""
    venue = SimulatedVenue(ScriptedMarket(), clock=SystemClock())
    api = ControlApi(venue, is_allowed_everywhere=is_allowed)
    request = Request("/simulator", Headers(Host=host))
    return (await api.answer(request, local_address=local_address)).status_code


@pytest.mark.parametrize("local_address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8090", "127.0.0.1:8090", "[::1]:8090"])
async def test_this_machine_is_answered(local_address: str, host: str) -> None:
    """Each loopback name and address is accepted."""
    assert await status_of(local_address=local_address, host=host) == 200


@pytest.mark.parametrize("local_address", ["192.0.2.7", "0.0.0.0", "::ffff:192.0.2.7", "", "x"])  # noqa: S104 - an address to be refused
async def test_another_machine_is_refused_unless_it_was_allowed(local_address: str) -> None:
    """The address on our side of the connection decides."""
    assert await status_of(local_address=local_address) == 403
    assert await status_of(local_address=local_address, is_allowed=True) == 200


@pytest.mark.parametrize(
    "host", ["", "venue", "localhost.example.org", "127.0.0.1.example.org", "[::1", "192.0.2.7"]
)
async def test_a_foreign_name_of_this_machine_is_not_answered(host: str) -> None:
    """A page could reach the API through a foreign name that resolves to this machine."""
    assert await status_of(host=host) == 403


@pytest.mark.parametrize(
    ("path", "is_for"),
    [("/simulator", True), ("/simulator/drop", True), ("/simulators", False), ("/api/v3", False)],
)
def test_it_serves_only_its_own_paths(path: str, is_for: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """All other paths belong to the venue."""
    assert ControlApi.is_for(path) is is_for
