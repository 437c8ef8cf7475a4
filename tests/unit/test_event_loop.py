"""Tests of ``app.event_loop``."""

import asyncio
import sys

import pytest
import uvloop

from app.event_loop import loop_factory, run


async def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_the_loop_is_uvloop() -> None:
    """An installed uvloop is used."""
    assert isinstance(run(_loop()), uvloop.Loop)


def test_without_uvloop_the_standard_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems have no uvloop."""
    monkeypatch.setitem(sys.modules, "uvloop", None)  # importing it fails, as if it were not there

    assert loop_factory() is asyncio.new_event_loop
    assert not isinstance(run(_loop()), uvloop.Loop)
