"""Tests that are marked ``virtual_time`` run on a loop whose clock jumps over every wait."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.support.virtual_time import new_virtual_loop


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "virtual_time: the clock of the test's loop jumps")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test."""
    del config
    if item.get_closest_marker("virtual_time"):
        return {"virtual": new_virtual_loop}
    return {"real": asyncio.new_event_loop}
