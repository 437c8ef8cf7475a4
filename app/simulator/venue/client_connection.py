"""One client's connection: what it sent, what it listens to, and when it is cut."""

import asyncio
from collections import deque
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol

from app.ports import Clock
from app.simulator.venue.control_messages import Subscriptions
from app.simulator.venue.observations import Observations, ViolationKind
from app.simulator.venue.venue_limits import VenueLimits

POLICY_VIOLATION: Final = 1008
GOING_AWAY: Final = 1001

CUT_SECONDS_MAX: Final = 0.5
"""How long a closing frame may take to be answered before the connection is cut."""

_COUNTED_OPCODES: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG})


_UNREADABLE: Final = b'{"error": "the venue reads no request body; parameters go into the query"}\n'
_UNREADABLE_REQUEST: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_UNREADABLE), _UNREADABLE)
)


class VenueConnection(ServerConnection):
    """A TCP connection to the venue, before, during and after its handshake.

    Everything is written at once and never awaited, so that a frame leaves in the order in which it
    came about; a client that does not keep up is cut once too much waits for it.

    Two faults are the connection's own: ``is_stalled``, frames stop and everything else goes on;
    ``is_swallowing``, nothing goes out any more and what comes in has no effect, as on a line whose
    other end is gone.
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
        """Note the peer, so that the venue can end with it."""
        self._peers.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer."""
        self._peers.discard(self)
        super().connection_lost(exc)

    def process_event(self, event: Event) -> None:
        """Count what comes in before it is looked at."""
        if self.is_swallowing:
            return
        if isinstance(event, Frame) and event.opcode in _COUNTED_OPCODES:
            if event.opcode is Opcode.PONG:
                self._note_pong(bytes(event.data))
            if self._is_too_much():
                self.note_violation(ViolationKind.MESSAGE_RATE)
                self.cut(POLICY_VIOLATION, "Too many requests")
                return
        super().process_event(event)

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done and no closing frame was sent."""
        return self.protocol.state is OPEN

    @property
    def address(self) -> str:
        """The client's address, without its port; empty once the connection is gone."""
        peer = self.remote_address
        return str(peer[0]) if peer else ""

    def send_data(self) -> None:
        """Write what the protocol has to say, or swallow it.

        A request that the library cannot read, most often one with a body, it would end without a
        word.
        """
        if self.is_swallowing:
            self.protocol.data_to_send()
            return
        is_unreadable = isinstance(self.protocol.handshake_exc, InvalidMessage)
        if is_unreadable and not self._is_unreadable:
            self._is_unreadable = True
            self.transport.write(_UNREADABLE_REQUEST)
        super().send_data()

    def send_text(self, text: str) -> None:
        """Send a text frame now; cut the client if too much waits for it already."""
        self.send_payload(text.encode())

    def send_payload(self, payload: bytes, *, is_text: bool = True) -> None:
        """Send a frame of these bytes likewise."""
        broadcast((self,), payload, text=is_text)
        if self.transport.get_write_buffer_size() > self._limits.unsent_bytes_max:
            self._observations.closes["slow client"] += 1
            self.note_violation(ViolationKind.SLOW_CLIENT)
            self.transport.abort()

    def cut(self, code: int, reason: str) -> None:
        """Send a closing frame and end the connection, without waiting for long."""
        if not self.is_open or self.is_swallowing:
            return
        self._observations.closes[reason] += 1
        self.protocol.fail(code, reason)
        self.send_data()
        self.loop.call_later(CUT_SECONDS_MAX, self.transport.abort)

    async def keep_alive(self) -> None:
        """Ping at intervals; cut a client whose pongs stay out, or whose day is over."""
        limits = self._limits
        opened_at = self.loop.time()
        ping_at = opened_at + limits.ping_interval_seconds
        end_at = opened_at + limits.connection_seconds_max
        while self.is_open:
            await asyncio.sleep(min(ping_at, end_at, self._pong_due_at()) - self.loop.time())
            now = self.loop.time()
            if self.is_swallowing:
                self._unanswered_pings.clear()
                ping_at = now + limits.ping_interval_seconds
                end_at = max(end_at, ping_at)
            elif now >= self._pong_due_at():
                self.note_violation(ViolationKind.PONG_TIMEOUT)
                self.cut(POLICY_VIOLATION, "Pong timeout")
            elif now >= end_at:
                self.cut(GOING_AWAY, "24 hours")
            elif now >= ping_at:
                self._ping(now)
                ping_at += limits.ping_interval_seconds

    def _ping(self, now: float) -> None:
        """Ping with the time in milliseconds, as Binance does, never twice with the same."""
        self._last_ping_ms = max(int(self._clock.now().timestamp() * 1000), self._last_ping_ms + 1)
        payload = str(self._last_ping_ms).encode()
        self._unanswered_pings[payload] = now
        if self.is_open:
            self.protocol.send_ping(payload)
            self.send_data()

    def _pong_due_at(self) -> float:
        """Return when the oldest unanswered ping must have its pong; far off if there is none."""
        oldest = next(iter(self._unanswered_pings.values()), float("inf"))
        return oldest + self._limits.pong_timeout_seconds

    def _note_pong(self, payload: bytes) -> None:
        """Take a copy of a ping's payload for an answer to it and to those before.

        "Unsolicited pong frames are allowed, but will not prevent disconnection."
        """
        self._observations.pongs_received += 1
        if payload in self._unanswered_pings:
            for earlier in list(self._unanswered_pings):
                del self._unanswered_pings[earlier]
                if earlier == payload:
                    break

    def _is_too_much(self) -> bool:
        now = self.loop.time()
        window = self._received_at
        is_full = len(window) == window.maxlen
        is_too_much = is_full and now - window[0] < self._limits.message_window_seconds
        window.append(now)
        return is_too_much

    def note_violation(self, kind: ViolationKind) -> None:
        """Note that the client broke a rule."""
        self._observations.note_violation(kind, at=self.loop.time())
