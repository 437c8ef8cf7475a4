"""Tests of ``app.event_loop``."""

import asyncio
import os
import signal
import sys

import pytest
import uvloop

from app.event_loop import loop_factory, run, stop_event


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_either_signal_sets_the_event(number: signal.Signals) -> None:
    """An orchestrator sends SIGTERM, a terminal SIGINT."""
    stopped = stop_event()

    os.kill(os.getpid(), number)

    await asyncio.wait_for(stopped.wait(), timeout=5)
