"""One client's connection: its subscriptions, its message rate, its pings, and when it is cut."""

import asyncio
from collections import deque
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol

from app.ports import Clock
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.venue.control_messages import Subscriptions
from app.simulator.venue.http_answers import http_answer
from app.simulator.venue.observations import Observations, ViolationKind
from app.simulator.venue.venue_limits import VenueLimits

POLICY_VIOLATION: Final = 1008
GOING_AWAY: Final = 1001

CUT_SECONDS_MAX: Final = 0.5
"""Seconds that a client has to answer a closing frame before its connection is aborted."""

_COUNTED_OPCODES: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG})


_UNREADABLE_REQUEST: Final = http_answer(
    400, '{"error": "the venue reads no request body; parameters go into the query"}\n'
).serialize()


class VenueConnection(ServerConnection):
    """A TCP connection to the venue, before, during and after its handshake.

    Frames are written immediately and never awaited, so they leave in the order of the quotes. A
    client that reads too slowly is cut when too many bytes wait for it.

    Two faults belong to a connection. ``is_stalled`` stops the frames of its streams and nothing
    else. ``is_swallowing`` discards all input and output, like a connection whose peer is gone.
    """

    def __init__(
        self,
        protocol: ServerProtocol,
        server: Server,
        *,
        limits: VenueLimits,
        clock: Clock,
        observations: Observations,
        peers: set["VenueConnection"],
        **options: Any,  # noqa: ANN401 - the library's own, passed through
    ) -> None:
        super().__init__(protocol, server, **options)
        self.subscriptions = Subscriptions(streams={}, is_combined=False)
        self.is_stalled = False
        self.is_swallowing = False
        self._is_unreadable = False
        self._limits = limits
        self._clock = clock
        self._observations = observations
        self._peers = peers
        self._received_at: deque[float] = deque(maxlen=limits.messages_per_second_max)
        self._unanswered_pings: dict[bytes, float] = {}
        self._last_ping_ms = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection, so that the venue can abort it when it closes."""
        self._peers.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the registered ones."""
        self._peers.discard(self)
        super().connection_lost(exc)

    def process_event(self, event: Event) -> None:
        """Apply the message limit to a frame before the library handles it."""
        if self.is_swallowing:
            return
        # "WebSocket connections have a limit of 5 incoming messages per second. A message is
        # considered: a PING frame, a PONG frame, a JSON controlled message."
        if isinstance(event, Frame) and event.opcode in _COUNTED_OPCODES:
            if event.opcode is Opcode.PONG:
                self._note_pong(bytes(event.data))
            if self._exceeds_message_rate():
                self.note_violation(ViolationKind.MESSAGE_RATE)
                self.cut(POLICY_VIOLATION, "Too many requests")
                return
        super().process_event(event)

    @property
    def is_open(self) -> bool:
        """Whether the handshake is complete and no closing frame was sent."""
        return self.protocol.state is OPEN

    @property
    def address(self) -> str:
        """The client's address without its port; empty after the connection is lost."""
        peer = self.remote_address
        return str(peer[0]) if peer else ""

    def send_data(self) -> None:
        """Write the pending bytes of the protocol, or discard them."""
        if self.is_swallowing:
            self.protocol.data_to_send()
            return
        # The library closes the connection without an answer if it cannot parse a request, for
        # example a request with a body. Without this answer a curl user would see no reason.
        is_unreadable = isinstance(self.protocol.handshake_exc, InvalidMessage)
        if is_unreadable and not self._is_unreadable:
            self._is_unreadable = True
            self.transport.write(_UNREADABLE_REQUEST)
        super().send_data()

    def send_payload(self, payload: bytes, *, is_text: bool = True) -> None:
        """Send a frame now; abort the connection if too many bytes wait for the client."""
        broadcast((self,), payload, text=is_text)
        # A client that does not read must not fill the memory of the venue.
        if self.transport.get_write_buffer_size() > self._limits.unsent_bytes_max:
            self._observations.closes["slow client"] += 1
            self.note_violation(ViolationKind.SLOW_CLIENT)
            self.transport.abort()

    def cut(self, code: int, reason: str) -> None:
        """Send a closing frame, and abort the connection if the client does not answer soon."""
        # The peer of a half-open connection must not receive a closing frame.
        if not self.is_open or self.is_swallowing:
            return
        self._observations.closes[reason] += 1
        self.protocol.fail(code, reason)
        self.send_data()
        self.loop.call_later(CUT_SECONDS_MAX, self.transport.abort)

    async def keep_alive(self) -> None:
        """Ping at intervals; cut a client that sends no pong, or whose 24 hours are over."""
        limits = self._limits
        opened_at = self.loop.time()
        ping_at = opened_at + limits.ping_interval_seconds
        end_at = opened_at + limits.connection_seconds_max
        while self.is_open:
            await asyncio.sleep(min(ping_at, end_at, self._pong_due_at()) - self.loop.time())
            now = self.loop.time()
            if self.is_swallowing:
                # The client cannot answer now, so unanswered pings must not cut it later.
                self._unanswered_pings.clear()
                ping_at = now + limits.ping_interval_seconds
                end_at = max(end_at, ping_at)
            # "If the WebSocket server does not receive a pong frame back from the connection
            # within a minute the connection will be disconnected."
            elif now >= self._pong_due_at():
                self.note_violation(ViolationKind.PONG_TIMEOUT)
                self.cut(POLICY_VIOLATION, "Pong timeout")
            # "A single connection to stream.binance.com is only valid for 24 hours."
            elif now >= end_at:
                self.cut(GOING_AWAY, "24 hours")
            elif now >= ping_at:
                self._ping(now)
                ping_at += limits.ping_interval_seconds

    def _ping(self, now: float) -> None:
        """Ping with the time in milliseconds, as Binance does; each payload is used once."""
        self._last_ping_ms = max(epoch_ms(self._clock), self._last_ping_ms + 1)
        payload = str(self._last_ping_ms).encode()
        self._unanswered_pings[payload] = now
        if self.is_open:
            self.protocol.send_ping(payload)
            self.send_data()

    def _pong_due_at(self) -> float:
        """Return when the pong for the oldest unanswered ping is due; infinity without one."""
        oldest = next(iter(self._unanswered_pings.values()), float("inf"))
        return oldest + self._limits.pong_timeout_seconds

    def _note_pong(self, payload: bytes) -> None:
        """Remove the ping with this payload, and all earlier pings, from the unanswered ones."""
        self._observations.pongs_received += 1
        # "Unsolicited pong frames are allowed, but will not prevent disconnection."
        if payload in self._unanswered_pings:
            for earlier in list(self._unanswered_pings):
                del self._unanswered_pings[earlier]
                # RFC 6455 lets a client answer only the newest of several pings.
                if earlier == payload:
                    break

    def _exceeds_message_rate(self) -> bool:
        now = self.loop.time()
        window = self._received_at
        is_full = len(window) == window.maxlen
        is_over_limit = is_full and now - window[0] < self._limits.message_window_seconds
        window.append(now)
        return is_over_limit

    def note_violation(self, kind: ViolationKind) -> None:
        """Record that the client broke a rule."""
        self._observations.note_violation(kind, at=self.loop.time())
