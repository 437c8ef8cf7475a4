"""Tests of ``app.simulator.command``."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from app.domain.errors import StartupError
from app.simulator.command import simulate
from app.simulator.options import SimulatorOptions
from app.simulator.quotes import venue_quote
from tests.support.waiting import eventually_true

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def served_symbols(port: int, tape: Path | None) -> list[str]:
    """Run the command until it answers, end it with SIGTERM, return the symbols it served."""
    running = asyncio.create_task(
        simulate(SimulatorOptions(host=HOST, port=port, tape=tape, speed=10))
    )
    symbols: list[str] = []

    async def has_answered() -> bool:
        async with httpx2.AsyncClient(base_url=f"http://{HOST}:{port}") as rest:
            try:
                answer = await rest.get("/api/v3/ticker/bookTicker")
            except httpx2.ConnectError:
                return False
        symbols.extend(ticker["symbol"] for ticker in answer.json())
        return True

    await eventually_true(has_answered)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    return symbols


async def test_the_command_serves_the_synthetic_market_until_sigterm() -> None:
    """It ends by itself, without an error."""
    assert "LTCBTC" in await served_symbols(free_port(), None)


async def test_the_command_serves_a_tape(tmp_path: Path) -> None:
    """Only the tape's symbols are there."""
    quote = venue_quote(symbol="ZILUSDT", update_id=5, bid=("0.1", "1"), ask=("0.2", "1"))
    tape = tmp_path / "tape.jsonl"
    tape.write_text(f'{{"ts":1,"data":{quote.data}}}\n', encoding="utf-8")

    assert await served_symbols(free_port(), tape) == ["ZILUSDT"]


async def test_a_taken_port_is_one_clear_line() -> None:
    """The message names the address."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"cannot listen on {HOST}:{port}"):
            await simulate(SimulatorOptions(host=HOST, port=port))
