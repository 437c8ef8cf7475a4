"""``papertape record``: write the venue's quotes to a tape until a signal or a limit."""

import asyncio
import difflib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from app.cli.record_progress import RecordingProgress
from app.domain.errors import StartupError, VenueError
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.event_loop import stop_event
from app.market.feed import BookTickerFeed
from app.market.rest import RestLimits, VenueRest
from app.market.timing import VENUE_LIMITS
from app.ports import Clock
from app.settings import Settings
from app.tapes.replay_orders import read_symbol
from app.tapes.tape_lines import ReceiptTimes
from app.tapes.tape_reader import TapeError
from app.tapes.tape_recorder import TapeRecorder
from app.tapes.tape_writer import TapeWriter

SYMBOLS_MAX: Final = VENUE_LIMITS.symbols_max
"""The number of symbols that one connection can carry."""

FLUSH_SECONDS: Final = 0.5
"""The time between two flushes; a killed recorder loses the lines since the last one."""

EXCHANGE_INFO_SECONDS_MAX: Final = 10.0
"""The longest wait for the list of symbols; a longer wait would miss too many quotes."""

_GZIP_SUFFIX: Final = ".gz"
_TRADING: Final = "TRADING"
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCommand:
    """The arguments of the command; ``seconds`` and ``bytes_max`` are None for no limit."""

    symbols: tuple[Symbol, ...]
    out: Path
    seconds: float | None
    bytes_max: int | None


def read_symbols(texts: Sequence[str]) -> tuple[Symbol, ...]:
    """Return the symbols in the venue's spelling, without repetitions.

    Raises:
        StartupError: an impossible symbol, or too many symbols.
    """
    symbols = tuple(dict.fromkeys(_symbol(text) for text in texts))
    if len(symbols) > SYMBOLS_MAX:
        raise StartupError(f"at most {SYMBOLS_MAX} symbols, not {len(symbols)}")
    return symbols


def _symbol(text: str) -> Symbol:
    try:
        return read_symbol(text)
    except ValueError as error:
        raise StartupError(f"SYMBOL {error}") from None


async def record_tape(command: RecordCommand, settings: Settings, *, clock: Clock) -> None:
    """Record until SIGTERM or Ctrl-C, or until a limit of the command is reached.

    Before the tape exists, a signal ends the process at once.

    Raises:
        StartupError: a symbol is unknown or the file exists, and nothing is written. Or writing
            failed later, or no frame was received.
    """
    if command.out.exists():
        raise TapeError(command.out, 0, "exists already, and a tape is never overwritten")
    progress = RecordingProgress(command.symbols, clock)
    await _check_symbols(command.symbols, settings.rest_url, clock, warn=progress.print_message)
    stopped = stop_event()
    writer = TapeWriter(command.out, is_compressed=command.out.suffix == _GZIP_SUFFIX)
    recorder = TapeRecorder(
        writer,
        times=_receipt_times(clock),
        monotonic_ns=clock.monotonic_ns,
        bytes_max=command.bytes_max,
        on_end=stopped.set,
        on_trouble=progress.print_message,
    )
    feed = BookTickerFeed(
        stream_url=settings.stream_url,
        depth=_NoDepth(),
        clock=clock,
        random=random.Random(),  # noqa: S311 - jitter of pauses, not a secret
        recorder=recorder,
    )
    try:
        await _record(command, feed, recorder, progress, stopped)
    finally:
        _close(writer, recorder)
    progress.show_summary(recorder, command.out)
    if recorder.failure is not None:
        raise recorder.failure
    if not recorder.frames:
        command.out.unlink(missing_ok=True)  # an empty tape would refuse the next attempt
        cause = feed.state().cause
        raise StartupError(f"no frame was received{'' if cause is None else f': {cause}'}")


async def _record(
    command: RecordCommand,
    feed: BookTickerFeed,
    recorder: TapeRecorder,
    progress: RecordingProgress,
    stopped: asyncio.Event,
) -> None:
    for symbol in command.symbols:
        feed.subscribe(symbol, _Listener())
    if command.seconds is not None:
        asyncio.get_running_loop().call_later(command.seconds, stopped.set)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(feed.run(), name="feed"),
            group.create_task(_keep_flushing(recorder), name="flush"),
            group.create_task(progress.run(recorder, feed.state), name="progress"),
        ]
        await stopped.wait()
        # Before the feed closes its connection, which is not a loss.
        recorder.end()
        for task in tasks:
            task.cancel()


async def _keep_flushing(recorder: TapeRecorder) -> Never:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        recorder.flush()


def _close(writer: TapeWriter, recorder: TapeRecorder) -> None:
    try:
        writer.close()
    except TapeError as error:
        # A failure to close usually follows from the first failure, which names the cause.
        recorder.failure = recorder.failure or error


def _receipt_times(clock: Clock) -> ReceiptTimes:
    epoch_us = round(clock.now().timestamp() * _MICROSECONDS)
    return ReceiptTimes(epoch_us=epoch_us, monotonic_ns=clock.monotonic_ns())


async def _check_symbols(
    symbols: Sequence[Symbol], rest_url: str, clock: Clock, *, warn: Callable[[str], None]
) -> None:
    """Refuse a symbol that the venue does not list, because its stream would stay silent.

    If the list is not available, print a line and record anyway.
    """
    limits = RestLimits(exchange_info_seconds_max=EXCHANGE_INFO_SECONDS_MAX)
    rest = VenueRest(rest_url, clock=clock, limits=limits)
    try:
        info = await rest.exchange_info()
    except VenueError as error:
        warn(f"cannot check the symbols: {error}")
        return
    finally:
        await rest.aclose()
    statuses = {rules.symbol: rules.status for rules in info.rules}
    for symbol in symbols:
        if symbol not in statuses:
            # A misspelled symbol is the usual mistake.
            near = difflib.get_close_matches(symbol, statuses, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            raise StartupError(f"the venue does not list {symbol}{advice}")
        if statuses[symbol] != _TRADING:
            warn(f"{symbol} has the status {statuses[symbol]} and may send no quotes")


class _Listener:
    """Keeps a stream subscribed; the recorder receives the frames before it."""

    def on_quote(self, quote: Quote) -> None:
        """Do nothing."""

    def on_seed(self, _seed: Quote) -> bool:
        """Accept every seed."""
        return True

    def on_interrupted(self) -> None:
        """Do nothing."""


class _NoDepth:
    """Never returns a seed, because a tape contains only frames of the stream."""

    async def depth(self, _symbol: Symbol) -> Never:
        """Wait until canceled."""
        while True:
            await asyncio.Event().wait()
