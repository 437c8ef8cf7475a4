"""A database of each kind; each test runs on both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import KINDS, OpenStorage, open_storage, scratch_database


@pytest.fixture(params=KINDS)
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Yield the URL of an empty database of each kind."""
    async with scratch_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
async def storage(url: str) -> AsyncIterator[OpenStorage]:
    """Open the database and run its journal."""
    async with open_storage(url) as storage:
        yield storage
