"""Tests marked ``virtual_time`` run on an event loop whose clock skips every wait."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.support.virtual_time import new_virtual_loop


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "virtual_time: the clock of the test's loop jumps")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of a test."""
    del config
    if item.get_closest_marker("virtual_time"):
        return {"virtual": new_virtual_loop}
    return {"real": asyncio.new_event_loop}
