"""A venue that sends one burst of book tickers as fast as its client reads.

It accepts any client: it makes the handshake, acknowledges subscriptions and answers REST as the
simulator does. Its frames are prepared, and it writes them to the socket in large parts, so a frame
costs it a small part of what the fastest client needs. It runs in a process of its own,
``python -m bench.burst.venue PLAN``, and serves one client. It prints its port, and then a report
of the burst, as JSON on a line each. ``BurstVenue`` is the other end.
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
from app.simulator.market.venue_quotes import stream_name, with_update_id
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import listing_from_rules
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import REST_ROOT, RestApi
from app.simulator.venue.venue_limits import VenueLimits
from bench.burst.frames import FIRST_UPDATE_ID, burst_pairs, market_quotes, wire_parts

SETTLE_SECONDS: Final = 0.2
"""The pause before the warm-up and before the burst; a client's other work is over by then."""

_FRAMES_PER_PART: Final = 500
_ANSWER_SECONDS_MAX: Final = 30.0
_CLOSE_SECONDS_MAX: Final = 1.0
_WEIGHT_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frames for a client that listens to all symbols.

    Attributes:
        symbols: the number of symbols.
        warm: the frames before the burst; the client creates lasting objects during them.
        frames: the frames of the burst.
    """

    symbols: int
    warm: int
    frames: int

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
    """A burst as the venue sent it.

    Attributes:
        started_ns: when the burst began, in nanoseconds of the machine's monotonic clock.
        cpu_seconds: the venue's CPU time for the burst.
    """

    started_ns: int
    cpu_seconds: float


class BurstVenue:
    """A running venue for one client; the caller must close it."""

    def __init__(self, plan: Plan) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "bench.burst.venue", json.dumps(asdict(plan))],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address = f"127.0.0.1:{self._printed('port')}"

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()

    @property
    def stream_url(self) -> str:
        """The address of its streams."""
        return f"ws://{self.address}"

    @property
    def rest_url(self) -> str:
        """The address of its REST API."""
        return f"http://{self.address}"

    def sent(self) -> Sent:
        """Return the report of the burst once it was sent."""
        sent: Sent = msgspec.convert(self._printed("sent"), Sent)
        return sent

    def _printed(self, what: str) -> object:
        """Return the value that the process prints under a name.

        Raises:
            TimeoutError: the process did not print it in time, and was killed.
        """
        assert self._process.stdout is not None, "it is a pipe"
        bound = threading.Timer(_ANSWER_SECONDS_MAX, self._process.kill)
        bound.start()
        try:
            for line in self._process.stdout:
                printed = json.loads(line)
                if what in printed:
                    return printed[what]
        finally:
            bound.cancel()
        raise TimeoutError(f"the venue of the benchmark did not print {what!r}")


class _Venue:
    """The venue inside its process."""

    def __init__(self, plan: Plan) -> None:
        self._plan: Plan | None = plan
        clock = SystemClock()
        limits = VenueLimits(weight_per_minute_max=_WEIGHT_MAX)
        # REST shows the first quote of each symbol, under an id before all frames.
        first = {quote.symbol: quote for quote in reversed(market_quotes(plan.symbols))}
        listings = [listing_from_rules(one.rules) for one in burst_pairs(plan.symbols)]
        self._rest = RestApi(
            listed=ListedSymbols(listings),
            data={
                one.symbol: SymbolData(
                    one, with_update_id(first[one.symbol], FIRST_UPDATE_ID - 1), at_ms=0
                )
                for one in listings
            },
            admission=Admission(clock=clock, limits=limits, observations=Observations()),
            clock=clock,
            limits=limits,
        )

    async def run(self) -> None:
        """Serve until killed."""
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._answer,
            compression=None,
            ping_interval=None,
            close_timeout=_CLOSE_SECONDS_MAX,
        ) as server:
            _print("port", next(iter(server.sockets)).getsockname()[1])
            await server.serve_forever()

    def _answer(self, _: ServerConnection, request: Request) -> Response | None:
        """Answer a request of REST; None lets the handshake continue."""
        asked = urlsplit(request.path)
        if not asked.path.startswith(REST_ROOT):
            return None
        return self._rest.answer(asked.path, asked.query)

    async def _serve(self, connection: ServerConnection) -> None:
        """Send the first client the burst as soon as it has all streams."""
        plan = self._plan
        assert connection.request is not None, "the handshake is over"
        asked = urlsplit(connection.request.path)
        with suppress(ConnectionClosed):
            if plan is not None:
                missing = {stream_name(symbol) for symbol in plan.names} - _named_streams(asked)
                while missing:
                    missing -= await _acknowledge(connection)
                self._plan = None
                # A client can subscribe to more later: ours to a stream with the venue's time.
                answering = asyncio.create_task(_acknowledge_all(connection))
                await self._send(connection, plan, is_combined=asked.path.startswith("/stream"))
                await answering
            await connection.wait_closed()

    async def _send(self, connection: ServerConnection, plan: Plan, *, is_combined: bool) -> None:
        warming, burst = (
            list(
                wire_parts(
                    market_quotes(plan.symbols),
                    first_update_id=first,
                    total=total,
                    frames_per_part=_FRAMES_PER_PART,
                    is_combined=is_combined,
                )
            )
            for first, total in ((FIRST_UPDATE_ID, plan.warm), (plan.warm_id + 1, plan.frames))
        )
        # The CPU time of the burst must include the work of all its writes.
        connection.transport.set_write_buffer_limits(high=0)
        await asyncio.sleep(SETTLE_SECONDS)
        await _write(connection, warming)
        await asyncio.sleep(SETTLE_SECONDS)
        cpu_seconds = time.process_time()
        started_ns = time.monotonic_ns()
        await _write(connection, burst)
        sent = Sent(started_ns=started_ns, cpu_seconds=time.process_time() - cpu_seconds)
        _print("sent", asdict(sent))


def _named_streams(asked: SplitResult) -> set[str]:
    """Return the streams in an address, which replace a SUBSCRIBE."""
    if asked.path.startswith("/ws/"):
        return {asked.path.removeprefix("/ws/")}
    return set("/".join(parse_qs(asked.query).get("streams", [])).split("/"))


async def _acknowledge_all(connection: ServerConnection) -> None:
    """Accept every control message until the client has gone."""
    with suppress(ConnectionClosed):
        while True:
            await _acknowledge(connection)


async def _acknowledge(connection: ServerConnection) -> set[str]:
    """Accept a control message, and return its streams."""
    message = json.loads(await connection.recv())
    await connection.send(json.dumps({"result": None, "id": message["id"]}))
    return set(message.get("params", []))


async def _write(connection: ServerConnection, parts: Iterable[bytes]) -> None:
    for part in parts:
        connection.transport.write(part)
        await connection.drain()


def _print(what: str, value: object) -> None:
    print(json.dumps({what: value}), flush=True)


if __name__ == "__main__":
    asyncio.run(_Venue(Plan(**json.loads(sys.argv[1]))).run())
