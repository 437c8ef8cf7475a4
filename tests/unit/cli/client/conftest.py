"""Fixtures of the client's tests."""

import random
from collections.abc import AsyncIterator

import pytest

from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import QUICK, FakeService, fake_service


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service whose orders and failures the test controls."""
    async with fake_service() as service:
        yield service


@pytest.fixture
def lines() -> list[str]:
    """The messages that the client printed on standard error."""
    return []


@pytest.fixture
async def client(fake: FakeService, lines: list[str]) -> AsyncIterator[ServiceClient]:
    """A client of the service."""
    async with ServiceClient(
        fake.address, retries=QUICK, on_retry=lines.append, random_source=random.Random(1)
    ) as service:
        yield service
