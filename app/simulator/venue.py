"""The simulated venue: a Binance-compatible server on one port, streams and REST alike.

The WebSocket library answers the REST requests too, from its hook before the handshake; so there is
one listener, one event loop, and full control over every frame, ping and close.
"""

import asyncio
import contextlib
import functools
import http
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.ports import Clock
from app.simulator.connection import GOING_AWAY, VenueConnection
from app.simulator.limits import BINANCE_LIMITS, STREAMS_MAX, VenueLimits
from app.simulator.observations import ControlMessage, Observations, RestRequest
from app.simulator.playback import Playback
from app.simulator.quotes import VenueQuote
from app.simulator.rest import RestAnswer, RestApi, RestFailure
from app.simulator.stage import Market
from app.simulator.streams import Streams

LOOPBACK: Final = "127.0.0.1"

MESSAGE_BYTES_MAX: Final = 256 * 1024
"""A SUBSCRIBE of 1,024 streams has some 30 KiB."""

STOP_SECONDS_MAX: Final = 0.3
"""How long clients may take to answer the closing frame when the venue ends."""

BAD_GATEWAY: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)
"""What Binance's load balancer says when a handshake fails."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningVenue:
    """Where clients find the venue."""

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
        """Wait until the market has no more quotes; raises what ended it if it failed."""
        await asyncio.shield(self.market)


class SimulatedVenue:
    """A venue that shows one market. It may be served again after it ended, not twice at once.

    ``first_update_id`` defaults to the wall clock in milliseconds, so that a venue started later
    counts on from above; a tape keeps the ids of its recording. ``observations`` tells what came in
    and went out.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Clock,
        limits: VenueLimits = BINANCE_LIMITS,
        first_update_id: int | None = None,
    ) -> None:
        self.observations = Observations()
        self._market = market
        self._clock = clock
        self._limits = limits
        self._first_update_id = first_update_id
        self._quotes: dict[str, VenueQuote] = {}
        self._streams = Streams(self.observations)
        self._rest = RestApi(
            listings=market.listings, quotes=self._quotes, clock=clock, limits=limits
        )
        self._peers: set[VenueConnection] = set()
        self._playback: Playback | None = None
        self._is_paused = False
        self._is_refusing = False

    @contextlib.asynccontextmanager
    async def serve(self, host: str = LOOPBACK, port: int = 0) -> AsyncIterator[RunningVenue]:
        """Open the market, then let clients in until the context ends; port 0 takes a free one."""
        assert self._playback is None, "a venue is served once at a time"
        playback = self._playback = Playback(
            self._publish, first_update_id=self._start_id(), is_paused=self._is_paused
        )
        market = asyncio.create_task(self._market.run(playback), name="simulated market")
        try:
            await _wait_opened(playback, market)
            server = await self._listen(host, port)
            try:
                bound_port = int(next(iter(server.sockets)).getsockname()[1])
                log.info("simulated_venue_open", host=host, port=bound_port)
                yield RunningVenue(host=host, port=bound_port, market=market)
            finally:
                await self._stop(server)
        finally:
            self._playback = None
            await _end_market(market)

    # --- faults and control -------------------------------------------------------------------

    def pause(self) -> None:
        """Stop the market's time; before ``serve`` the market opens stopped."""
        self._is_paused = True
        if self._playback is not None:
            self._playback.pause()

    def resume(self) -> None:
        """Let the market's time go on where it stopped."""
        self._is_paused = False
        if self._playback is not None:
            self._playback.resume()

    def mute(self, symbol: str) -> None:
        """Send no frames of ``symbol``, while its depth goes on: a stalled stream."""
        self._streams.mute(symbol)

    def unmute(self, symbol: str) -> None:
        """Send frames of ``symbol`` again."""
        self._streams.unmute(symbol)

    def drop_connections(self) -> None:
        """Cut every stream connection without a closing frame."""
        for connection in list(self._peers):
            if connection.is_open:
                connection.transport.abort()

    def close_connections(self, code: int, reason: str = "") -> None:
        """Close every stream connection with a closing frame."""
        for connection in list(self._peers):
            connection.cut(code, reason)

    def refuse_connections(self, *, refused: bool = True) -> None:
        """Answer handshakes with 502 from now on, or let clients in again."""
        self._is_refusing = refused

    def rest_failure(
        self,
        status: int,
        body: str = "",
        retry_after: int | None = None,
        *,
        path: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer REST requests with a failure, only those of ``path`` or the next ``times``."""
        self._rest.fail(
            RestFailure(status=status, body=body, retry_after=retry_after, path=path, times=times)
        )

    def clear_rest_failure(self) -> None:
        """Answer REST requests properly again."""
        self._rest.fail(None)

    def send_frame(self, symbol: str, data: str) -> int:
        """Send any text on the stream of ``symbol``; the venue itself takes no notice of it.

        Returns how many connections it went to.
        """
        return self._streams.send(symbol, data)

    def current_quote(self, symbol: str) -> VenueQuote:
        """Return what depth would show now."""
        return self._quotes[symbol]

    # --- inner workings -----------------------------------------------------------------------

    def _start_id(self) -> int:
        if self._first_update_id is not None:
            return self._first_update_id
        return int(self._clock.now().timestamp() * 1000)

    def _publish(self, quote: VenueQuote) -> None:
        self._quotes[quote.symbol] = quote
        self._streams.publish(quote)

    async def _listen(self, host: str, port: int) -> Server:
        connection = functools.partial(
            VenueConnection,
            limits=self._limits,
            clock=self._clock,
            observations=self.observations,
            peers=self._peers,
        )
        return await serve(
            self._converse,
            host,
            port,
            create_connection=cast("type[ServerConnection]", connection),
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
            max_size=MESSAGE_BYTES_MAX,
            server_header=None,
        )

    async def _stop(self, server: Server) -> None:
        """Say goodbye, then cut whoever does not answer."""
        server.close(code=GOING_AWAY)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await server.wait_closed()
        finally:
            for connection in list(self._peers):
                connection.transport.abort()
        await server.wait_closed()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a REST request, or let a handshake for streams go on by returning None."""
        assert isinstance(connection, VenueConnection), "the venue makes its own connections"
        url = urlsplit(request.path)
        if "Upgrade" not in request.headers:
            return self._answer_rest(connection, request, url.path, url.query)
        self.observations.connection_attempts_at.append(connection.loop.time())
        if self._is_refusing:
            answer = RestAnswer(status=502, body=BAD_GATEWAY.encode(), content_type="text/html")
            return _response(answer)
        streams = _streams_of(url.path, url.query)
        if streams is None or len(streams) > STREAMS_MAX:
            return _response(RestAnswer(status=404 if streams is None else 400, body=b""))
        connection.subscriptions.streams.update(streams)
        connection.subscriptions.is_combined = url.path == "/stream"
        return None

    def _answer_rest(
        self, connection: VenueConnection, request: Request, path: str, query: str
    ) -> Response:
        if request.method == "GET":
            answer = self._rest.answer(path, query)
        else:
            answer = RestAnswer(status=405, body=b"", headers={"Allow": "GET"})
        self.observations.rest_requests.append(
            RestRequest(
                received_at=connection.loop.time(),
                path=path,
                query={name: values[-1] for name, values in parse_qs(query).items()},
                status=answer.status,
            )
        )
        return _response(answer)

    async def _converse(self, connection: ServerConnection) -> None:
        """Serve one client from its handshake to its end."""
        assert isinstance(connection, VenueConnection), "the venue makes its own connections"
        self.observations.connections_opened += 1
        self.observations.connections_open += 1
        self._streams.join(connection)
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(connection.keep_alive())
                await self._read(connection)
                keeper.cancel()
        finally:
            self._streams.leave(connection)
            self.observations.connections_open -= 1

    async def _read(self, connection: VenueConnection) -> None:
        """Answer control messages until the connection ends."""
        try:
            async for message in connection:
                text = message if isinstance(message, str) else message.decode(errors="replace")
                self._answer(connection, text)
        except ConnectionClosed:
            return

    def _answer(self, connection: VenueConnection, text: str) -> None:
        reply = self._streams.answer(connection, text)
        self.observations.control_messages.append(
            ControlMessage(
                received_at=connection.loop.time(),
                method=reply.method,
                params=reply.params,
                text=text,
            )
        )
        connection.send_text(reply.text)


async def _wait_opened(playback: Playback, market: asyncio.Task[None]) -> None:
    """Wait until every symbol has a quote; a market that fails before raises here."""
    opened = asyncio.ensure_future(playback.opened.wait())
    try:
        await asyncio.wait([opened, market], return_when=asyncio.FIRST_COMPLETED)
    finally:
        opened.cancel()
    if market.done():
        market.result()


async def _end_market(market: asyncio.Task[None]) -> None:
    """End the market's task; a failure of its own comes to light here."""
    market.cancel()
    await asyncio.wait([market])
    if not market.cancelled():
        market.result()


def _streams_of(path: str, query: str) -> dict[str, None] | None:
    """Return the streams that an address names, None for one that is no stream address."""
    if path == "/stream":
        names = [name for value in parse_qs(query).get("streams", []) for name in value.split("/")]
    elif path == "/ws" or path.startswith("/ws/"):
        names = unquote(path.removeprefix("/ws")).split("/")
    else:
        return None
    return dict.fromkeys(name for name in names if name)


def _response(answer: RestAnswer) -> Response:
    headers = Headers(
        {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Connection": "close",
            **answer.headers,
        }
    )
    try:
        phrase = http.HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    return Response(answer.status, phrase, headers, answer.body)
