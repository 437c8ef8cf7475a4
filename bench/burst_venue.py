"""A venue that sends one burst of book tickers as fast as its client reads, or at a fixed pace.

It shakes hands, acknowledges subscriptions and answers REST as the simulator does, for whatever
client it is. Its frames were made before, and are written to the socket in large parts: what it
spends per frame is a small part of what the fastest client does. It runs as a process of its own,
``python -m bench.burst_venue``, which takes a plan per line on its standard input and tells on its
output, a line each, that it is ready and then what it did; ``BurstVenue`` is the other end.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.clock import SystemClock
from app.simulator.market.venue_quotes import VenueQuote, stream_name, with_update_id
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import listing_from_rules
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import REST_ROOT, RestApi
from app.simulator.venue.venue_limits import VenueLimits
from bench.burst_frames import (
    FIRST_UPDATE_ID,
    Part,
    burst_pairs,
    market_quotes,
    wire_parts,
)

SETTLE_SECONDS: Final = 0.2
"""From the last acknowledgment to the first frame, and from the warm-up to the burst: whatever a
client does besides, a first depth request among it, is over by then."""

_FRAMES_PER_PART: Final = 500
_PARTS_PER_SECOND: Final = 200
"""When frames go out at a pace."""

SYMBOLS_MAX: Final = 20
"""What is listed."""

_ANSWER_SECONDS_MAX: Final = 30.0
_CLOSE_SECONDS_MAX: Final = 1.0
_WEIGHT_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the next client is sent once it listens to so many ``symbols``.

    First ``warm`` frames, so that it has what it makes once, then a pause, then ``frames``: all at
    once, or ``per_second`` unless that is 0.
    """

    symbols: int
    warm: int
    frames: int
    per_second: int = 0

    @property
    def warm_id(self) -> int:
        """The update id of the last frame before the burst."""
        return FIRST_UPDATE_ID + self.warm - 1

    @property
    def last_id(self) -> int:
        """The update id of the last frame."""
        return self.warm_id + self.frames

    @property
    def names(self) -> list[str]:
        """The symbols."""
        return [pair.symbol for pair in burst_pairs(self.symbols)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the venue did: when the burst began and ended, in nanoseconds of the machine's clock.

    ``parts`` holds the last update id of each write, and when it was handed to the system.
    ``cpu_seconds`` is what the venue spent on the burst.
    """

    started_ns: int
    ended_ns: int
    size: int
    cpu_seconds: float
    parts: tuple[tuple[int, int], ...]


class BurstVenue:
    """The venue's process, as the one who starts it has it; close it whatever happens.

    It is used by one client at a time, and by none after one that failed, to which it may still be
    sending.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.burst_venue"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = self._told("port")

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()

    @property
    def stream_url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def rest_url(self) -> str:
        """Where clients ask."""
        return f"http://127.0.0.1:{self._port}"

    def prepare(self, plan: Plan) -> None:
        """Be ready for the next client."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(json.dumps(asdict(plan)) + "\n")
        self._process.stdin.flush()
        self._told("ready")

    def sent(self) -> Sent:
        """Return what the client was sent, once it was."""
        sent: Sent = msgspec.convert(self._told("sent"), Sent)
        return sent

    def _told(self, what: str) -> object:
        """Return the next thing of a kind that the process tells.

        Raises:
            TimeoutError: it does not tell it, and is ended.
        """
        assert self._process.stdout is not None, "it is a pipe"
        bound = threading.Timer(_ANSWER_SECONDS_MAX, self._process.kill)
        bound.start()
        try:
            for line in self._process.stdout:
                told = json.loads(line)
                if what in told:
                    return told[what]
        finally:
            bound.cancel()
        raise TimeoutError(f"the venue of the benchmark did not tell {what!r}")


class _Program:
    """The process itself."""

    def __init__(self) -> None:
        clock = SystemClock()
        limits = VenueLimits(weight_per_minute_max=_WEIGHT_MAX)
        pairs = burst_pairs(SYMBOLS_MAX)
        self._rest = RestApi(
            listed=ListedSymbols([listing_from_rules(pair.rules) for pair in pairs]),
            quotes={quote.symbol: quote for quote in _opening_quotes()},
            admission=Admission(clock=clock, limits=limits, observations=Observations()),
            clock=clock,
            limits=limits,
        )
        self._plan: Plan | None = None

    async def run(self) -> None:
        """Serve until the standard input ends."""
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._answer,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS_MAX,
        ) as server:
            _tell("port", next(iter(server.sockets)).getsockname()[1])
            while line := await asyncio.to_thread(sys.stdin.readline):
                self._plan = Plan(**json.loads(line))
                market_quotes(self._plan.symbols)
                _tell("ready", self._plan.last_id)

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        """Answer what is no handshake."""
        asked = urlsplit(request.path)
        if not asked.path.startswith(REST_ROOT):
            return None
        return self._rest.answer(asked.path, asked.query)

    async def _serve(self, connection: ServerConnection) -> None:
        """Send a client what is planned, once, as soon as it has all streams."""
        plan = self._plan
        assert connection.request is not None, "the handshake is over"
        asked = urlsplit(connection.request.path)
        with suppress(ConnectionClosed):
            if plan is not None:
                wanted = {stream_name(symbol) for symbol in plan.names}
                await _until_subscribed(connection, wanted - _named_streams(asked))
                self._plan = None
                # Clients ask for more later, ours for a stream that tells the time.
                answering = asyncio.create_task(_acknowledge(connection))
                await self._send(connection, plan, is_combined=asked.path.startswith("/stream"))
                await answering
            await connection.wait_closed()

    async def _send(self, connection: ServerConnection, plan: Plan, *, is_combined: bool) -> None:
        quotes = market_quotes(plan.symbols)
        per_part = plan.per_second // _PARTS_PER_SECOND or _FRAMES_PER_PART
        warming, burst = (
            list(
                wire_parts(
                    quotes,
                    first_update_id=first,
                    total=total,
                    frames_per_part=per_part,
                    is_combined=is_combined,
                )
            )
            for first, total in ((FIRST_UPDATE_ID, plan.warm), (plan.warm_id + 1, plan.frames))
        )
        # What is written is noted as sent, so it must not wait for what was written before.
        connection.transport.set_write_buffer_limits(high=0)
        await asyncio.sleep(SETTLE_SECONDS)
        await _write(connection, warming, pause_seconds=0)
        await asyncio.sleep(SETTLE_SECONDS)
        cpu_seconds = time.process_time()
        started_ns = time.monotonic_ns()
        pause_seconds = 1 / _PARTS_PER_SECOND if plan.per_second else 0.0
        written = await _write(connection, burst, pause_seconds=pause_seconds)
        sent = Sent(
            started_ns=started_ns,
            ended_ns=time.monotonic_ns(),
            size=sum(len(part.data) for part in burst),
            cpu_seconds=time.process_time() - cpu_seconds,
            parts=tuple(written),
        )
        _tell("sent", asdict(sent))


def _opening_quotes() -> list[VenueQuote]:
    """Return what REST shows of each symbol: its first quote, before any frame."""
    first = {quote.symbol: quote for quote in reversed(market_quotes(SYMBOLS_MAX))}
    return [with_update_id(quote, FIRST_UPDATE_ID - 1) for quote in first.values()]


def _named_streams(asked: SplitResult) -> set[str]:
    """Return the streams that an address names, as it may instead of a SUBSCRIBE."""
    if asked.path.startswith("/ws/"):
        return {asked.path.removeprefix("/ws/")}
    return set("/".join(parse_qs(asked.query).get("streams", [])).split("/"))


async def _until_subscribed(connection: ServerConnection, missing: set[str]) -> None:
    while missing:
        missing -= await _acknowledge_one(connection)


async def _acknowledge(connection: ServerConnection) -> None:
    """Agree to whatever is asked for, until the client has gone."""
    with suppress(ConnectionClosed):
        while True:
            await _acknowledge_one(connection)


async def _acknowledge_one(connection: ServerConnection) -> set[str]:
    """Agree to a control message, and return which streams it is about."""
    message = json.loads(await connection.recv())
    await connection.send(json.dumps({"result": None, "id": message["id"]}))
    return set(message.get("params", []))


async def _write(
    connection: ServerConnection, parts: Iterable[Part], *, pause_seconds: float
) -> list[tuple[int, int]]:
    """Write the parts, and return when which update ids were written."""
    written = []
    due = time.monotonic()
    for part in parts:
        if pause_seconds:
            due += pause_seconds
            await asyncio.sleep(due - time.monotonic())
        written.append((part.last_update_id, time.monotonic_ns()))
        connection.transport.write(part.data)
        await connection.drain()
    return written


def _tell(what: str, told: object) -> None:
    print(json.dumps({what: told}), flush=True)


if __name__ == "__main__":
    asyncio.run(_Program().run())
