"""Fixtures of the client's tests."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.cli.client.retries import RetryPolicy
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import QUICK, FakeService, fake_service


class Printed:
    """The outputs of the commands of a test so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._out = self._err = ""

    def both(self) -> tuple[str, str]:
        """Return standard output and standard error."""
        out, err = self._capsys.readouterr()
        self._out += out
        self._err += err
        return self._out, self._err

    @property
    def out(self) -> str:
        """The standard output."""
        return self.both()[0]

    @property
    def err(self) -> str:
        """The standard error."""
        return self.both()[1]

    @property
    def lines(self) -> list[str]:
        """The lines of standard output with single spaces."""
        return [" ".join(line.split()) for line in self.out.splitlines()]

    @property
    def documents(self) -> list[Any]:
        """The JSON documents of standard output, one per line."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """The outputs of the commands."""
    return Printed(capsys)


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
