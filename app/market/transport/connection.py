"""One WebSocket to the venue: frames out by callback, control messages in at the venue's pace.

Text frames go from the socket's callback directly to the receiver, without a queue, a task or a
future per frame. They bypass the library, whose handling costs a multiple of the parsing (see
``framing``). The library does everything else, from the opening handshake to the closing one.
"""

import asyncio
import fcntl
import ssl
import sys
import termios
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Event, State
from websockets.typing import DataLike

from app import __version__
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.conflation import Backlog, newest_of_each
from app.market.transport.failure_kinds import (
    CAUSE_CHARACTERS_MAX,
    ConnectionFailedError,
    Ending,
    EndKind,
)
from app.market.transport.framing import end_of_frame, leading_texts
from app.market.transport.pacing import SlidingWindow

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""The parser drops oversized frames up to this size; a larger message ends the connection."""

DRAINING_BYTES: Final = 4_096
"""A smaller read has emptied the socket, so the unread bytes need no system call."""

CLOSE_SECONDS_MAX: Final = 1.0
"""How long to wait for the venue's close frame."""

_KEEPALIVE_REASON: Final = "keepalive ping timeout"
"""The close reason that we send when a ping gets no answer."""

_KEEPALIVE_CHECKS: Final = 5
"""How many checks after a ping find no data before the connection counts as dead."""

_STREAM_PATHS: Final = ("/ws", "/stream")


class FrameReceiver(Protocol):
    """The callbacks of a connection, synchronous and in the order of the wire."""

    def on_texts(self, connection: "VenueConnection", texts: Sequence[bytes]) -> None:
        """Handle the texts of one read, in order, until ``connection.is_lost``."""

    def on_binary(self) -> None:
        """Handle a binary frame, which the venue never sends."""

    def on_skipped(self, texts: int) -> None:
        """Note how many texts with replaced quotes were skipped while behind."""

    def on_behind(self, *, is_behind: bool) -> None:
        """Note that we fell behind, or caught up."""

    def on_lost(self, ending: Ending) -> None:
        """Note that no more frames follow; called once."""


def stream_endpoint(stream_url: str) -> str:
    """Return where to connect: at ``/ws`` (raw frames), unless the URL names a path."""
    url = stream_url.rstrip("/")
    return url if url.endswith(_STREAM_PATHS) else f"{url}/ws"


async def open_connection(
    endpoint: str,
    receiver: FrameReceiver,
    *,
    tls: ssl.SSLContext | None,
    open_seconds: float,
    timing: FeedTiming,
    limits: FeedLimits = VENUE_LIMITS,
) -> "VenueConnection":
    """Connect and shake hands. Proxy settings of the environment are ignored.

    Args:
        endpoint: URL with its path.
        receiver: gets the frames once the connection is started.
        tls: required for a ``wss:`` endpoint, None for a ``ws:`` one.
        open_seconds: how long connecting and the handshake may take together.
        timing: the times of the pings, and when replaced quotes are skipped.
        limits: the venue's limits on control messages.

    Raises:
        ConnectionFailedError: refused, not resolved, not trusted, too slow or not a WebSocket.
    """
    try:
        socket = await connect(
            endpoint,
            ssl=tls,
            user_agent_header=f"papertape/{__version__}",
            compression=None,
            proxy=None,
            open_timeout=open_seconds,
            ping_interval=timing.ping_interval_seconds,
            ping_timeout=timing.ping_timeout_seconds,
            close_timeout=CLOSE_SECONDS_MAX,
            max_size=MESSAGE_BYTES_MAX,
            max_queue=None,  # its frames are never read; a full queue would pause reading forever
            create_connection=_Socket,
        )
    except (OSError, WebSocketException) as error:
        raise ConnectionFailedError(endpoint, error) from error
    assert isinstance(socket, _Socket)
    window = SlidingWindow(limit=limits.control_messages_max, seconds=limits.control_seconds)
    return VenueConnection(socket, receiver, window, Backlog(timing.behind_seconds))


class VenueConnection:
    """An open connection; call ``start`` once, and ``close`` in any case.

    ``is_lost`` is True once the receiver gets no more calls.
    """

    def __init__(
        self,
        socket: "_Socket",
        receiver: FrameReceiver,
        window: SlidingWindow,
        backlog: Backlog,
    ) -> None:
        self._backlog = backlog
        self._socket = socket
        self._receiver = receiver
        self.is_lost = False
        self._window = window

    def start(self) -> None:
        """Start the callbacks; earlier frames do not matter, as nothing is subscribed yet."""
        self._socket.attach(self, self._window)
        if self._socket.state is not State.OPEN:  # its end was not reported before
            self.report_lost(Ending(EndKind.CLOSED_BY_VENUE, "closed by the venue at once"))

    async def wait_turn(self) -> None:
        """Wait until the venue's limits allow another control message, and count it."""
        await self._window.acquire()

    async def send(self, text: bytes) -> None:
        """Send a control message after ``wait_turn``."""
        try:
            await self._socket.send(text, text=True)
        except ConnectionClosed as error:
            self.report_lost(Ending(EndKind.RESET, str(error)))

    async def finish(self) -> bool:
        """Send a close frame, and pass on frames until the venue's close frame arrives.

        TCP keeps the order, so all frames that the venue sent before its close frame arrive first.
        Return False if the connection was lost, or cut after a second, without that frame.
        """
        await self._socket.close()
        return self._socket.protocol.close_rcvd is not None

    def mute(self) -> None:
        """Stop all calls to the receiver; ``close`` must still be called."""
        self.is_lost = True

    async def close(self) -> None:
        """Close the socket."""
        self.mute()
        await self._socket.close()

    def receive_texts(self, texts: list[bytes]) -> None:
        """Pass on the complete texts of one read (the hot path)."""
        if self.is_lost:
            return
        if self._backlog.is_behind:
            received = len(texts)
            texts = newest_of_each(texts)
            self._receiver.on_skipped(received - len(texts))
        self._receiver.on_texts(self, texts)

    @property
    def is_waiting(self) -> bool:
        """Whether the last read left unread data in the socket."""
        return self._backlog.is_waiting

    def note_read(self, unread_bytes: int) -> None:
        """Update whether we are behind, after the frames of a read were handled."""
        now = self._socket.loop.time()
        if self._backlog.note_read(unread_bytes, now) and not self.is_lost:
            self._receiver.on_behind(is_behind=self._backlog.is_behind)

    def receive(self, frame: Frame) -> None:
        """Pass on a complete message that the library read."""
        if self.is_lost:
            return
        if frame.opcode is Opcode.TEXT:
            self._receiver.on_texts(self, (frame.data,))  # type: ignore[arg-type]  # any buffer parses
        else:
            self._receiver.on_binary()

    def report_lost(self, ending: Ending) -> None:
        """Tell the receiver, immediately and only once, that no more frames follow."""
        if not self.is_lost:
            self.is_lost = True
            self._receiver.on_lost(ending)


class _Socket(ClientConnection):
    """The library's connection, with its data frames redirected to a ``VenueConnection``.

    The library gets complete frames only, so it never holds half a frame while a text bypasses it.
    At the first frame whose end only the library can find, such as a fragment, this stops: the
    library then reads all further data.
    """

    _owner: VenueConnection | None = None
    _window: SlidingWindow | None = None
    _fragments: Frame | None = None
    _incomplete = b""
    _library_reads_all = False
    _is_silent = False

    def attach(self, owner: VenueConnection, window: SlidingWindow) -> None:
        self._owner = owner
        self._window = window

    def data_received(self, data: bytes) -> None:
        """Pass on texts in the order of the data; leave all other frames to the library."""
        read_bytes = len(data)
        self._is_silent = False
        if self.protocol.state is State.CONNECTING:  # the response and frames may share a read
            data = self._pass_handshake(data)
        data = self._incomplete + data
        position = 0
        while position < len(data):
            if self._owner is not None and not self._library_reads_all:
                texts, position = leading_texts(data, position)
                self._owner.receive_texts(texts)
                if position == len(data):
                    break
            end = None if self._library_reads_all else end_of_frame(data, position)
            if end is None:
                # A fragment, or a frame that breaks a rule: what follows depends on it.
                self._library_reads_all = True
                end = len(data)
            if end > len(data):
                break  # the library gets complete frames only
            self._pass_to_library(data[position:end])
            position = end
        self._incomplete = data[position:]
        if self._owner is None:
            return
        if read_bytes >= DRAINING_BYTES:
            self._owner.note_read(self._unread_bytes())
        elif self._owner.is_waiting:
            self._owner.note_read(0)

    def _unread_bytes(self) -> int:
        """Return how many bytes wait in the socket; with TLS these are encrypted bytes."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor < 0:
            return 0  # closed in the meantime
        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _pass_handshake(self, data: bytes) -> bytes:
        """Give the handshake response to the library, line by line; return the rest."""
        # RFC 9112 section 2.1: an empty line ends the headers; frames follow it.
        lines = data.splitlines(keepends=True)
        passed = 0
        while passed < len(lines) and self.protocol.state is State.CONNECTING:
            super().data_received(lines[passed])
            passed += 1
        return b"".join(lines[passed:])

    def _pass_to_library(self, data: bytes) -> None:
        """Give data to the library, and report a protocol error immediately."""
        super().data_received(data)
        # After an error the library waits for the venue to hang up; the quotes are outdated now.
        if self.protocol.parser_exc is not None and self._owner is not None:
            self._owner.report_lost(self._ending(None))

    def process_event(self, event: Event) -> None:
        """Redirect data frames and the close frame; leave all other events to the library."""
        owner = self._owner
        if owner is None or not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode is Opcode.TEXT and event.fin:
            owner.receive(event)
        elif event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._assemble(owner, event)
        elif event.opcode is Opcode.CLOSE:
            cause = f"closed by the venue: {_close_text(self.protocol.close_rcvd)}"
            owner.report_lost(Ending(EndKind.CLOSED_BY_VENUE, cause[:CAUSE_CHARACTERS_MAX]))
        elif event.opcode is Opcode.PING:
            # RFC 6455 section 5.5.2: an endpoint "MUST send a Pong frame in response".
            self._note_pong()
        else:
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end, in case no close frame announced it."""
        super().connection_lost(exc)
        if self._owner is not None:
            self._owner.report_lost(self._ending(exc))

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """Send a keepalive ping in its turn: the venue counts it as a control message."""
        if self._window is not None:
            await self._window.acquire()
        self._is_silent = True
        return await super().ping(data)

    async def keepalive(self) -> None:
        """Send pings at intervals, and end the connection when no data follows a ping.

        The library waits for the pong by the clock. So it ends a healthy connection whose pong
        waits behind unhandled quotes, or in the socket while the process is busy. Here any data
        proves life, and a busy time, however long, counts as one check.
        """
        assert self.ping_interval is not None
        assert self.ping_timeout is not None
        while True:
            await asyncio.sleep(self.ping_interval)
            await self.ping()
            checks = 0
            while self._is_silent:
                # Unread data may hold the pong, so the connection is alive until it was read.
                if checks >= _KEEPALIVE_CHECKS and not self._unread_bytes():
                    await self._end_dead_connection()
                await asyncio.sleep(self.ping_timeout / _KEEPALIVE_CHECKS)
                checks += 1

    async def _end_dead_connection(self) -> None:
        """End a dead connection; this cancels the calling task.

        The end is reported immediately, though the socket closes up to a second later. Frames that
        still arrive were delayed too long to be current.
        """
        async with self.send_context():
            self.protocol.fail(CloseCode.INTERNAL_ERROR, _KEEPALIVE_REASON)
            if self._owner is not None:
                self._owner.report_lost(self._ending(None))

    def _ending(self, error: Exception | None) -> Ending:
        """Return why the connection ended without a close frame of the venue."""
        protocol = self.protocol
        if protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError):
            cause = str(protocol.parser_exc)
            return Ending(EndKind.UNREADABLE, cause[:CAUSE_CHARACTERS_MAX])
        if protocol.close_sent is not None and protocol.close_sent.reason == _KEEPALIVE_REASON:
            return Ending(EndKind.KEEPALIVE, f"no pong within {self.ping_timeout:g} s of a ping")
        cause = str(error or protocol.parser_exc or protocol.close_exc)
        return Ending(EndKind.RESET, cause[:CAUSE_CHARACTERS_MAX])

    def _note_pong(self) -> None:
        """Count the pong that the library has already sent."""
        assert self._window is not None
        self._window.note()

    def _assemble(self, owner: VenueConnection, part: Frame) -> None:
        """Join fragments; the library limits their sum to ``MESSAGE_BYTES_MAX``."""
        # RFC 6455 section 5.4: all but the first fragment have the opcode 0 (continuation).
        if self._fragments is None or part.opcode is not Opcode.CONT:
            self._fragments = Frame(part.opcode, bytearray(part.data))
        else:
            assert isinstance(self._fragments.data, bytearray)
            self._fragments.data += part.data
        if part.fin:
            whole, self._fragments = self._fragments, None
            owner.receive(whole)


def _close_text(close: Close | None) -> str:
    return "without a word" if close is None else str(close)
