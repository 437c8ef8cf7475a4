"""``papertape simulate``: the venue alone, until it is told to end."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import structlog

from app.clock import SystemClock
from app.domain.errors import StartupError
from app.simulator.market import SyntheticMarket
from app.simulator.stage import Market
from app.simulator.tape_market import TapeMarket
from app.simulator.venue import SimulatedVenue

log = structlog.get_logger()


async def simulate(
    *, host: str, port: int, seed: int, tape: Path | None, speed: float, loop: bool
) -> None:
    """Serve a synthetic market, or a tape, until SIGTERM or Ctrl-C.

    Raises:
        StartupError: the tape cannot be played, or the address is taken.
    """
    market = _market(seed=seed, tape=tape, speed=speed, loop=loop)
    venue = SimulatedVenue(market, clock=SystemClock())
    with _told_to_end() as told:
        try:
            async with venue.serve(host, port) as running:
                log.info(
                    "simulator_ready",
                    stream_url=running.stream_url,
                    rest_url=running.rest_url,
                    symbols=len(market.listings),
                )
                await told.wait()
        except OSError as error:
            raise StartupError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def _market(*, seed: int, tape: Path | None, speed: float, loop: bool) -> Market:
    if tape is None:
        return SyntheticMarket(seed)
    return TapeMarket(tape, speed=speed, is_looping=loop)


@contextlib.contextmanager
def _told_to_end() -> Iterator[asyncio.Event]:
    """Turn SIGTERM and Ctrl-C into an event for as long as the context lasts."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
