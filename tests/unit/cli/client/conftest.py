"""Fixtures of the client's tests."""

import random
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from app.cli.client.retries import RetryPolicy
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import QUICK, FakeService, fake_service


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service whose orders and failures the test controls."""
    async with fake_service() as service:
        yield service


@pytest.fixture
def lines() -> list[str]:
    """The messages about retries."""
    return []


@pytest.fixture
def retries(lines: list[str]) -> RetryPolicy:
    """Few retries without long pauses."""
    return replace(QUICK, random_source=random.Random(1), on_retry=lines.append)


@pytest.fixture
async def client(fake: FakeService, retries: RetryPolicy) -> AsyncIterator[ServiceClient]:
    """A client of the service."""
    async with ServiceClient(fake.address, retries) as service:
        yield service


@pytest.fixture
def unreachable() -> Iterator[ServiceAddress]:
    """An address of this machine that refuses connections."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield ServiceAddress(url=f"http://127.0.0.1:{reserved.getsockname()[1]}")
