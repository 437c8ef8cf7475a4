"""The API over in-memory ports, called in process."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.access.key_file import KeyFileAccess
from app.api.application import ApiOptions, ApiServices, build_application
from tests.support.hand_driven import HandClock
from tests.support.in_memory import MemoryPorts
from tests.support.in_process import OPTIONS, client_of
from tests.support.keys import write_key_file


@pytest.fixture
def ports() -> MemoryPorts:
    """Return the ports behind the API."""
    return MemoryPorts()


@pytest.fixture
def options() -> ApiOptions:
    """Return the API's settings, with a short default time for orders."""
    return OPTIONS


@pytest.fixture
def services(ports: MemoryPorts) -> ApiServices:
    """Return the ports in the form that the API expects."""
    return ports.services()


@pytest.fixture
def keyed_services(services: ApiServices, tmp_path: Path) -> ApiServices:
    """Return the ports of a service that requires keys."""
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=HandClock())
    return replace(services, access=access)


@pytest.fixture
def application(services: ApiServices, options: ApiOptions) -> FastAPI:
    """Return the web application."""
    return build_application(services, options)


@pytest.fixture
async def client(application: FastAPI) -> AsyncIterator[AsyncClient]:
    """Return a client that calls the application without a socket."""
    async with client_of(application) as client:
        yield client
