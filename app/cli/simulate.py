"""``papertape simulate``: serve the simulated venue until SIGTERM or Ctrl-C."""

from dataclasses import replace
from typing import Final

import structlog

from app.clock import SystemClock
from app.domain.errors import StartupError
from app.event_loop import stop_event
from app.simulator.market.playback import Market
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.tape_market import TapeMarket
from app.simulator.options import SimulatorOptions
from app.simulator.venue.server import SimulatedVenue
from app.simulator.venue.venue_limits import BINANCE_LIMITS, VenueLimits

PINGS_UNANSWERED_MAX: Final = 3
"""Binance pings every 20 s and waits a minute for the pong."""

log = structlog.get_logger()


async def simulate(options: SimulatorOptions) -> None:
    """Serve the synthetic market, or a tape, until SIGTERM or Ctrl-C.

    Raises:
        StartupError: the tape is unreadable, the market does not have the symbol of ``--play-to``,
            or the address is in use.
    """
    market = _market(options)
    venue = SimulatedVenue(
        market,
        clock=SystemClock(),
        limits=_limits(options),
        first_update_id=options.first_update_id,
        speed=options.speed,
        is_controlled_from_everywhere=options.control_from_everywhere,
    )
    if options.paused:
        venue.pause()
    if (target := options.play_target) is not None:
        symbol, update_id = target
        # An unknown symbol is a mistake in the options, not a bug of ours.
        try:
            venue.play_to(update_id, symbol=symbol)
        except ValueError as error:
            raise StartupError(f"--play-to: {error}") from error
    stopped = stop_event()
    try:
        async with venue.serve(options.host, options.port) as running:
            log.info(
                "simulator_ready",
                stream_url=running.stream_url,
                rest_url=running.rest_url,
                control_url=f"{running.rest_url}/simulator",
                symbols=len(market.listings),
            )
            await stopped.wait()
    except OSError as error:
        address = f"{options.host}:{options.port}"
        raise StartupError(f"cannot listen on {address}: {error.strerror}") from error


def _market(options: SimulatorOptions) -> Market:
    if options.tape is None:
        return SyntheticMarket(options.seed)
    return TapeMarket(options.tape, is_looping=options.loop, exchange_info=options.exchange_info)


def _limits(options: SimulatorOptions) -> VenueLimits:
    limits = BINANCE_LIMITS.scaled(options.scale)
    if options.day_seconds is not None:
        limits = replace(limits, connection_seconds_max=options.day_seconds)
    if options.ping_seconds is not None:
        limits = replace(
            limits,
            ping_interval_seconds=options.ping_seconds,
            pong_timeout_seconds=PINGS_UNANSWERED_MAX * options.ping_seconds,
        )
    return limits
