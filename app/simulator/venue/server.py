"""The simulated venue: a Binance-compatible server for streams and REST on one port.

The hook of the WebSocket library that runs before a handshake also answers REST requests. So there
is one listener and one event loop, with full control over frames, pings and closes.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.ports import Clock
from app.simulator.faults.control_api import ControlApi
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX, VenueFaults
from app.simulator.market.playback import Market, Playback
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.venue.client_connection import VenueConnection
from app.simulator.venue.http_answers import (
    HTML,
    default_body,
    http_answer,
    is_page,
    json_answer,
)
from app.simulator.venue.listener import VenueListener, cancel
from app.simulator.venue.observations import ControlMessage, RestRequest, ViolationKind
from app.simulator.venue.rest_api import time_scale
from app.simulator.venue.rest_query import RestRefusalError
from app.simulator.venue.venue_limits import BINANCE_LIMITS, STREAMS_MAX, VenueLimits

HTTP_NOT_FOUND: Final = 404

LOOPBACK: Final = "127.0.0.1"

MESSAGE_BYTES_MAX: Final = 256 * 1024
"""A SUBSCRIBE of 1,024 streams has about 30 KiB."""

HANDSHAKE_SECONDS_MAX: Final = DELAY_SECONDS_MAX + 10.0
"""Seconds that a connection may stay open without a request or a handshake."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVenue:
    """The address of a running venue, and the task of its market."""

    host: str
    port: int
    market: asyncio.Task[None]

    @property
    def stream_url(self) -> str:
        """The base of ``/ws`` and ``/stream``."""
        return f"ws://{self.host}:{self.port}"

    @property
    def rest_url(self) -> str:
        """The base of ``/api/v3``."""
        return f"http://{self.host}:{self.port}"

    async def wait_market_end(self) -> None:
        """Wait until the market has no more quotes; raise its error if it failed."""
        await asyncio.shield(self.market)


class SimulatedVenue(VenueFaults):
    """A venue that shows one market.

    It can be served again after it stopped, but not twice at the same time. ``observations``
    records its traffic and the rules that clients broke.

    Args:
        market: the source of the quotes.
        clock: the source of the venue's time.
        limits: the limits that clients must keep.
        first_update_id: the first update id of a market without its own ids. The default is the
            wall clock in milliseconds, so a later venue has greater ids.
        speed: how many times faster than real time the market runs.
        is_controlled_from_everywhere: whether the control API also answers on other addresses than
            loopback.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Clock,
        limits: VenueLimits = BINANCE_LIMITS,
        first_update_id: int | None = None,
        speed: float = 1.0,
        is_controlled_from_everywhere: bool = False,
    ) -> None:
        super().__init__(market, clock=clock, limits=limits)
        if not speed > 0:
            raise ValueError("the speed of a market is above 0")
        self._market = market
        self._first_update_id = first_update_id
        self._speed = speed
        self._control = ControlApi(self, is_allowed_everywhere=is_controlled_from_everywhere)

    @contextlib.asynccontextmanager
    async def serve(self, host: str = LOOPBACK, port: int = 0) -> AsyncIterator[RunningVenue]:
        """Open the market, and serve clients until the context ends; port 0 selects a free port."""
        assert self._playback is None, "a venue is not served twice at the same time"
        first_id = self._first_update_id
        if first_id is None:
            first_id = epoch_ms(self._clock)
        playback = self._playback = Playback(
            self._publish,
            first_update_id=first_id,
            is_paused=self._is_paused,
            speed=self._speed,
        )
        if self._target is not None and not self._target.reached.is_set():
            playback.play_to(self._target)
        market = asyncio.create_task(self._market.run(playback), name="simulated market")
        try:
            await _wait_opened(playback, market)
            listener = self._listener = VenueListener(self._listen)
            market_data = asyncio.create_task(self._market_data.run(), name="market data")
            try:
                bound_port = await listener.open(host, port)
                log.info("simulated_venue_open", host=host, port=bound_port)
                yield RunningVenue(host=host, port=bound_port, market=market)
            finally:
                self._listener = None
                await listener.close(self._cut_all)
                await cancel(market_data)
        finally:
            self._playback = None
            await cancel(market)

    # --- connections and requests -------------------------------------------------------------

    async def _listen(self, host: str, port: int) -> Server:
        connection = functools.partial(
            VenueConnection,
            limits=self._limits,
            clock=self._clock,
            observations=self.observations,
            peers=self._peers,
        )
        return await serve(
            self._serve_client,
            host,
            port,
            create_connection=cast("type[ServerConnection]", connection),
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
            open_timeout=HANDSHAKE_SECONDS_MAX,
            max_size=MESSAGE_BYTES_MAX,
            server_header=None,
        )

    def _cut_all(self) -> None:
        for connection in list(self._peers):
            connection.transport.abort()

    async def _process_request(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """Answer a REST request; return None to continue with the handshake of a stream."""
        assert isinstance(connection, VenueConnection), "the venue makes its own connections"
        url = urlsplit(request.path)
        if "Upgrade" in request.headers:
            return await self._admit(connection, url.path, url.query)
        if self._control.is_for(url.path):
            return await self._control_answer(connection, request)
        await self._delay(connection, self._rest.delay_seconds(url.path))
        return self._answer_rest(connection, request, url.path, url.query)

    async def _control_answer(self, connection: VenueConnection, request: Request) -> Response:
        """Return the answer of the control API, or give up when the client disconnects."""
        address = str(connection.local_address[0]) if connection.local_address else ""
        answering = asyncio.ensure_future(self._control.answer(request, local_address=address))
        ends: list[asyncio.Future[Any]] = [answering, connection.connection_lost_waiter]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return answering.result() if answering.done() else http_answer(503)
        finally:
            # A ``play-to`` that waits must not outlive its client, or it would delay the end.
            answering.cancel()

    async def _admit(self, connection: VenueConnection, path: str, query: str) -> Response | None:
        """Return the answer that refuses a handshake; None admits the client."""
        self.observations.connection_attempts_at.append(connection.loop.time())
        await self._delay(connection, self._handshake_delay_seconds)
        if self._is_resetting:
            # The library needs an answer, but the aborted connection never sends it.
            connection.transport.abort()
            return http_answer(502)
        refusal = self._admission.connect(connection.address)
        if refusal is None and self._refusing_status is not None:
            refusal = self._failure(self._refusing_status)
        return refusal or self._subscribe(connection, path, query)

    def _subscribe(self, connection: VenueConnection, path: str, query: str) -> Response | None:
        """Subscribe to the streams of a URL; return the answer that refuses it."""
        streams = _streams_of(path, query)
        if streams is None:
            return http_answer(404)
        # "A single connection can listen to a maximum of 1024 streams."
        if len(streams) > STREAMS_MAX:
            connection.note_violation(ViolationKind.STREAMS)
            return http_answer(400)
        try:
            unit = parse_qs(query).get("timeUnit", [""])[-1]
            connection.subscriptions.time_scale = time_scale(unit)
        except RestRefusalError as error:
            return json_answer(400, {"code": error.code, "msg": error.message})
        connection.subscriptions.streams.update(streams)
        connection.subscriptions.is_combined = path == "/stream"
        return None

    def _failure(self, status: int) -> Response:
        body = default_body(status, retry_after=None, now_ms=epoch_ms(self._clock))
        content_type = HTML if is_page(body) else "application/json"
        return http_answer(status, body, content_type=content_type)

    def _answer_rest(
        self, connection: VenueConnection, request: Request, path: str, query: str
    ) -> Response:
        if request.method == "GET":
            answer = self._rest.answer(
                path,
                query,
                address=connection.address,
                time_unit=request.headers.get("X-MBX-TIME-UNIT"),
            )
            if answer.status_code == HTTP_NOT_FOUND:
                self.observations.note_unserved(path)
        else:
            answer = http_answer(405, headers={"Allow": "GET"})
        self.observations.rest_requests.append(
            RestRequest(
                received_at=connection.loop.time(),
                path=path,
                query={name: values[-1] for name, values in parse_qs(query).items()},
                status=answer.status_code,
            )
        )
        return answer

    async def _serve_client(self, connection: ServerConnection) -> None:
        """Serve one client, from its handshake until it disconnects."""
        assert isinstance(connection, VenueConnection), "the venue makes its own connections"
        self.observations.connections_opened += 1
        self.observations.connections_open += 1
        self._subscribers.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(connection.keep_alive())
                await self._read(connection)
                keeper.cancel()
        finally:
            self._subscribers.remove(connection)
            self.observations.connections_open -= 1

    async def _read(self, connection: VenueConnection) -> None:
        """Answer control messages until the connection closes."""
        try:
            async for message in connection:
                # A binary frame is read as text, so that garbage gets Binance's error.
                text = message if isinstance(message, str) else message.decode(errors="replace")
                self._answer(connection, text)
        except ConnectionClosed:
            return

    def _answer(self, connection: VenueConnection, text: str) -> None:
        reply = self._subscribers.answer(connection, text)
        if reply.is_over_limit:
            connection.note_violation(ViolationKind.STREAMS)
        self.observations.control_messages.append(
            ControlMessage(
                received_at=connection.loop.time(),
                method=reply.method,
                params=reply.params,
                text=text,
            )
        )
        connection.send_payload(reply.text.encode())


async def _wait_opened(playback: Playback, market: asyncio.Task[None]) -> None:
    """Wait until each symbol has a quote; raise the error of a market that fails before."""
    opened = asyncio.ensure_future(playback.opened.wait())
    try:
        await asyncio.wait([opened, market], return_when=asyncio.FIRST_COMPLETED)
    finally:
        opened.cancel()
    # A market without later quotes has ended already, so only a failure is raised here.
    if market.done():
        market.result()


def _streams_of(path: str, query: str) -> dict[str, None] | None:
    """Return the streams that a URL names; None if it is not the URL of a stream."""
    if path == "/stream":
        names = [name for value in parse_qs(query).get("streams", []) for name in value.split("/")]
    elif path == "/ws" or path.startswith("/ws/"):
        # Some clients encode the ``@`` of a stream as ``%40``.
        names = unquote(path.removeprefix("/ws")).split("/")
    else:
        return None
    return dict.fromkeys(name for name in names if name)
