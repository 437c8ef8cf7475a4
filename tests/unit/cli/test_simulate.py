"""Tests of ``app.cli.simulate``."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.cli.simulate import simulate
from app.domain.errors import StartupError
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.market.venue_quotes import venue_quote
from app.simulator.options import SimulatorOptions
from app.simulator.venue.listing import exchange_info
from tests.support.connections import http_client
from tests.support.waiting import WAIT_SECONDS_MAX, eventually_true

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def write_tape(folder: Path, symbol: str, update_ids: Sequence[int]) -> Path:
    """Write a tape with quotes of a symbol, one per millisecond."""
    quotes = [
        venue_quote(symbol=symbol, update_id=number, bid=("0.1", "1"), ask=("0.2", "1"))
        for number in update_ids
    ]
    tape = folder / "tape.jsonl"
    lines = [f'{{"ts":{one.update_id}000,"data":{one.data}}}\n' for one in quotes]
    tape.write_text("".join(lines), encoding="utf-8")
    return tape


async def answers(options: SimulatorOptions, *paths: str, until_reached: bool = False) -> list[Any]:
    """Run the command until it answers each path, and stop it with SIGTERM.

    With ``until_reached`` the first answer must also say that the target of ``--play-to`` is.
    """
    running = asyncio.create_task(simulate(options))
    answered: list[Any] = []

    async def has_answered() -> bool:
        async with http_client(base_url=f"http://{HOST}:{options.port}") as rest:
            try:
                answered[:] = [(await rest.get(path)).json() for path in paths]
            except httpx2.ConnectError:
                return False
        return not until_reached or answered[0]["market"]["play_to"]["is_reached"]

    await eventually_true(has_answered)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    return answered


async def served_symbols(tape: Path | None) -> list[str]:
    """Return the symbols that the command serves."""
    options = SimulatorOptions(host=HOST, port=free_port(), tape=tape, speed=10)
    [tickers] = await answers(options, "/api/v3/ticker/bookTicker")
    return [ticker["symbol"] for ticker in tickers]


async def test_the_command_serves_the_synthetic_market_until_sigterm() -> None:
    """SIGTERM ends the command without an error."""
    assert "LTCBTC" in await served_symbols(None)


async def test_the_command_serves_a_tape(tmp_path: Path) -> None:
    """Only the symbols of the tape are served."""
    assert await served_symbols(write_tape(tmp_path, "ZILUSDT", [5])) == ["ZILUSDT"]


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ((), "market_over"),
        (("--play-to", "ZILUSDT:6"), "market_paused_at_target"),
        (("--exchange-info", "info.json"), "tape_symbols_not_listed"),
    ],
)
async def test_the_log_says_why_a_market_is_silent(
    tmp_path: Path, options: tuple[str, ...], event: str
) -> None:
    """Clients see a silent venue, so the log must state the reason."""
    write_tape(tmp_path, "ZILUSDT", [5, 6, 7])
    (tmp_path / "info.json").write_text('{"symbols": []}', encoding="utf-8")
    command = (sys.executable, "-m", "app", "simulate", "--port", "0", "--tape", "tape.jsonl")
    process = await asyncio.create_subprocess_exec(
        *command,
        *options,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while event.encode() not in (line := await process.stdout.readline()):
                assert line, f"it ended without {event}"
    finally:
        process.terminate()
        await process.wait()


async def test_the_options_shape_limits_ids_and_time() -> None:
    """The control API shows the effect of each option."""
    options = SimulatorOptions(
        host=HOST,
        port=free_port(),
        paused=True,
        first_update_id=500,
        scale=60,
        day_seconds=90,
        ping_seconds=2,
    )
    [state] = await answers(options, "/simulator")
    limits = state["limits"]

    assert state["market"]["state"] == "paused"
    assert state["market"]["update_ids"]["LTCBTC"] == 500
    assert (limits["weight_window_seconds"], limits["connection_seconds_max"]) == (1, 90)
    assert (limits["ping_interval_seconds"], limits["pong_timeout_seconds"]) == (2, 6)


async def test_a_tape_with_its_exchange_info_plays_to_an_id(tmp_path: Path) -> None:
    """The market is paused at the id, with the rules of the file."""
    tape = write_tape(tmp_path, "LTCBTC", range(5, 9))
    info = exchange_info(ScriptedMarket().listings, server_time_ms=0, weight_limit=1)
    file = tmp_path / "info.json"
    file.write_text(json.dumps(info), encoding="utf-8")
    options = SimulatorOptions(
        host=HOST, port=free_port(), tape=tape, exchange_info=file, play_to="ltcbtc:7"
    )

    state, listed = await answers(options, "/simulator", "/api/v3/exchangeInfo", until_reached=True)

    assert state["market"]["update_ids"] == {"LTCBTC": 7}
    assert listed["symbols"] == info["symbols"]


async def test_the_symbol_of_play_to_must_be_in_the_market() -> None:
    """The message names the symbol."""
    with pytest.raises(StartupError, match="--play-to: the market has no symbol 'NOPE'"):
        await simulate(SimulatorOptions(host=HOST, port=free_port(), play_to="NOPE:5"))


async def test_a_taken_port_is_one_clear_line() -> None:
    """The message names the address."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"cannot listen on {HOST}:{port}"):
            await simulate(SimulatorOptions(host=HOST, port=port))
