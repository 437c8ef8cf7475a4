"""One WebSocket to the venue: frames out by callback, control messages in at the venue's pace.

Texts go from the socket's callback straight to the receiver: no queue, no task and no future per
frame, and past the library, which costs a multiple of the parsing (see ``framing``). All the rest
is the library's, from the handshake to the end.
"""

import asyncio
import fcntl
import ssl
import sys
import termios
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Event, State
from websockets.typing import DataLike

from app import __version__
from app.market.session.conflation import BEHIND_SECONDS, Backlog, newest_of_each
from app.market.session.timing import VENUE_LIMITS, FeedLimits
from app.market.transport.failure_kinds import (
    CAUSE_CHARACTERS_MAX,
    ConnectionFailedError,
    Ending,
    EndKind,
)
from app.market.transport.framing import end_of_frame, leading_texts
from app.market.transport.pacing import SlidingWindow

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Far above any frame; up to here an oversized one is dropped, beyond it the connection ends."""

DRAINING_BYTES: Final = 4_096
"""A read that brought less has emptied the socket, so nothing need be asked."""

CLOSE_SECONDS_MAX: Final = 1.0
"""How long we wait for the venue's part of the closing handshake."""

_KEEPALIVE_REASON: Final = "keepalive ping timeout"
"""What we say to the venue when nothing comes any more."""

_LOOKS_FOR_LIFE: Final = 5
"""So often we look whether anything came after a ping, before the connection counts as dead."""

_STREAM_PATHS: Final = ("/ws", "/stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """When we send a ping, and how long nothing may come after it, not even the pong."""

    interval_seconds: float
    timeout_seconds: float


class FrameReceiver(Protocol):
    """What a connection tells, synchronously and in the order of the wire."""

    def on_texts(self, connection: "VenueConnection", texts: Sequence[bytes]) -> None:
        """Take whole texts that were read at once, one by one until ``connection.is_lost``."""

    def on_binary(self, connection: "VenueConnection") -> None:
        """Take notice of a binary frame, which the venue never sends."""

    def on_skipped(self, connection: "VenueConnection", texts: int) -> None:
        """Know how many texts of replaced quotes are not told, since we are behind."""

    def on_behind(self, connection: "VenueConnection", *, is_behind: bool) -> None:
        """Know that we fell behind, or caught up."""

    def on_lost(self, connection: "VenueConnection", ending: Ending) -> None:
        """Know that nothing comes after this; it is told once."""


def stream_endpoint(stream_url: str) -> str:
    """Return where to connect: raw frames at ``/ws``, unless the address already names a path."""
    url = stream_url.rstrip("/")
    return url if url.endswith(_STREAM_PATHS) else f"{url}/ws"


async def open_connection(
    endpoint: str,
    receiver: FrameReceiver,
    *,
    tls: ssl.SSLContext | None,
    keepalive: Keepalive,
    open_seconds: float,
    behind_seconds: float = BEHIND_SECONDS,
    limits: FeedLimits = VENUE_LIMITS,
) -> "VenueConnection":
    """Connect and shake hands within ``open_seconds``. Proxies of the environment are not used.

    ``tls`` belongs to a ``wss:`` endpoint, and None to a ``ws:`` one. Once something waited in the
    socket for ``behind_seconds`` on end, replaced quotes are skipped until all was read.

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
            ping_interval=keepalive.interval_seconds,
            ping_timeout=keepalive.timeout_seconds,
            close_timeout=CLOSE_SECONDS_MAX,
            max_size=MESSAGE_BYTES_MAX,
            max_queue=None,  # nobody takes from it: reading would stop for ever once it is full
            create_connection=_Socket,
        )
    except (OSError, WebSocketException) as error:
        raise ConnectionFailedError(endpoint, error) from error
    assert isinstance(socket, _Socket)
    window = SlidingWindow(limit=limits.control_messages_max, seconds=limits.control_seconds)
    return VenueConnection(socket, receiver, window, Backlog(behind_seconds))


class VenueConnection:
    """An open connection; ``start`` it, and ``close`` it whatever happens.

    ``is_lost`` says that the receiver is told nothing any more.
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
        """Tell the receiver what comes; nothing of worth came before, as nothing is subscribed."""
        self._socket.divert(self, self._window)
        if self._socket.state is not State.OPEN:
            self.report_lost(Ending(EndKind.CLOSED_BY_VENUE, "closed by the venue at once"))

    async def wait_turn(self) -> None:
        """Wait until the venue's limits allow another control message, and count it as sent."""
        await self._window.acquire()

    async def send(self, text: bytes) -> None:
        """Send a control message, whose turn it is."""
        try:
            await self._socket.send(text, text=True)
        except ConnectionClosed as error:
            self.report_lost(Ending(EndKind.RESET, str(error)))

    async def finish(self) -> bool:
        """Say goodbye, and go on telling the receiver what comes until the venue has done so, too.

        TCP keeps the order: what the venue sent before its closing frame is told before the end.
        Return whether that frame came; if not, the connection was lost, or cut after a second.
        """
        await self._socket.close()
        return self._socket.protocol.close_rcvd is not None

    def mute(self) -> None:
        """Tell the receiver nothing from now on; ``close`` is still due."""
        self.is_lost = True

    async def close(self) -> None:
        """Close the socket."""
        self.mute()
        await self._socket.close()

    def receive_texts(self, texts: list[bytes]) -> None:
        """Take whole texts that were read at once (the hot path)."""
        if self.is_lost:
            return
        if self._backlog.is_behind:
            came = len(texts)
            texts = newest_of_each(texts)
            self._receiver.on_skipped(self, came - len(texts))
        self._receiver.on_texts(self, texts)

    @property
    def is_waiting(self) -> bool:
        """Whether the last read left something in the socket."""
        return self._backlog.is_waiting

    def note_read(self, unread_bytes: int) -> None:
        """Look whether we keep up, once a read was worked off."""
        now = self._socket.loop.time()
        if self._backlog.note_read(unread_bytes, now) and not self.is_lost:
            self._receiver.on_behind(self, is_behind=self._backlog.is_behind)

    def receive(self, frame: Frame) -> None:
        """Take a data frame from the socket, which has put its fragments together."""
        if self.is_lost:
            return
        if frame.opcode is Opcode.TEXT:
            self._receiver.on_texts(self, (frame.data,))  # type: ignore[arg-type]  # any buffer parses
        else:
            self._receiver.on_binary(self)

    def report_lost(self, ending: Ending) -> None:
        """Tell the receiver, at once and only once, that nothing comes any more."""
        if not self.is_lost:
            self.is_lost = True
            self._receiver.on_lost(self, ending)


class _Socket(ClientConnection):
    """The library's connection, with its data frames diverted to a ``VenueConnection``.

    The library gets whole frames only, so that it never waits for the rest of one when a text is
    taken past it. With the first frame whose end only the library finds, such as a fragment, this
    is over: it then reads all that comes.
    """

    _owner: VenueConnection | None = None
    _window: SlidingWindow | None = None
    _fragments: Frame | None = None
    _begun = b""
    _has_left_all = False
    _is_silent = False

    def divert(self, owner: VenueConnection, window: SlidingWindow) -> None:
        self._owner = owner
        self._window = window

    def data_received(self, data: bytes) -> None:
        """Take texts out, in the order of what comes; leave everything else to the library."""
        read_bytes = len(data)
        self._is_silent = False
        if self.protocol.state is State.CONNECTING:
            data = self._shake_hands(data)
        data = self._begun + data
        position = 0
        while position < len(data):
            if self._owner is not None and not self._has_left_all:
                texts, position = leading_texts(data, position)
                self._owner.receive_texts(texts)
                if position == len(data):
                    break
            end = None if self._has_left_all else end_of_frame(data, position)
            if end is None:
                self._has_left_all = True
                end = len(data)
            if end > len(data):
                break
            self._leave(data[position:end])
            position = end
        self._begun = data[position:]
        if self._owner is None:
            return
        if read_bytes >= DRAINING_BYTES:
            self._owner.note_read(self._unread_bytes())
        elif self._owner.is_waiting:
            self._owner.note_read(0)

    def _unread_bytes(self) -> int:
        """Ask the system how much waits in the socket; with TLS that is what is encrypted."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor < 0:
            return 0  # closed meanwhile
        return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _shake_hands(self, data: bytes) -> bytes:
        """Leave the venue's answer to the library, line by line; return what is behind it."""
        lines = data.splitlines(keepends=True)
        read = 0
        while read < len(lines) and self.protocol.state is State.CONNECTING:
            super().data_received(lines[read])
            read += 1
        return b"".join(lines[read:])

    def _leave(self, data: bytes) -> None:
        """Tell at once what cannot be read: the library would wait for the venue to hang up."""
        super().data_received(data)
        if self.protocol.parser_exc is not None and self._owner is not None:
            self._owner.report_lost(self._ending(None))

    def process_event(self, event: Event) -> None:
        """Divert data frames and the news of the end; everything else is the library's business."""
        owner = self._owner
        if owner is None or not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode is Opcode.TEXT and event.fin:
            owner.receive(event)
        elif event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._assemble(owner, event)
        elif event.opcode is Opcode.CLOSE:
            cause = f"closed by the venue: {_spoken(self.protocol.close_rcvd)}"
            owner.report_lost(Ending(EndKind.CLOSED_BY_VENUE, cause[:CAUSE_CHARACTERS_MAX]))
        elif event.opcode is Opcode.PING:
            self._note_pong()
        else:
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on, in case that no close frame announced it."""
        super().connection_lost(exc)
        if self._owner is not None:
            self._owner.report_lost(self._ending(exc))

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """Send a keepalive ping in its turn: it counts as a control message."""
        if self._window is not None:
            await self._window.acquire()
        self._is_silent = True
        return await super().ping(data)

    async def keepalive(self) -> None:
        """Ping in intervals, and end the connection once nothing at all comes after one.

        The library waits for the pong by the clock, and so ends a sound connection where the pong
        stands behind quotes that we are still at, or waits in the socket while we do other things.
        Whatever came proves life; and however long we were busy, it takes but one of our looks.
        """
        assert self.ping_interval is not None
        assert self.ping_timeout is not None
        while True:
            await asyncio.sleep(self.ping_interval)
            await self.ping()
            looks = 0
            while self._is_silent:
                if looks >= _LOOKS_FOR_LIFE and not self._unread_bytes():
                    await self._give_up()
                await asyncio.sleep(self.ping_timeout / _LOOKS_FOR_LIFE)
                looks += 1

    async def _give_up(self) -> None:
        """End a connection that is dead; the end of it cancels whoever asks for that.

        It is told at once, and nothing after it, though the socket is gone only a second later:
        what may still come has lain somewhere for as long as nothing came.
        """
        async with self.send_context():
            self.protocol.fail(CloseCode.INTERNAL_ERROR, _KEEPALIVE_REASON)
            if self._owner is not None:
                self._owner.report_lost(self._ending(None))

    def _ending(self, error: Exception | None) -> Ending:
        """Say what ended the connection without a closing frame of the venue."""
        protocol = self.protocol
        if protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError):
            cause = str(protocol.parser_exc)
            return Ending(EndKind.UNREADABLE, cause[:CAUSE_CHARACTERS_MAX])
        if protocol.close_sent is not None and protocol.close_sent.reason == _KEEPALIVE_REASON:
            return Ending(EndKind.KEEPALIVE, f"no pong within {self.ping_timeout:g} s of a ping")
        cause = str(error or protocol.parser_exc or protocol.close_exc)
        return Ending(EndKind.RESET, cause[:CAUSE_CHARACTERS_MAX])

    def _note_pong(self) -> None:
        """Count the pong with which the library has answered already."""
        assert self._window is not None
        self._window.note()

    def _assemble(self, owner: VenueConnection, part: Frame) -> None:
        """Put fragments together; the library bounds the sum by ``MESSAGE_BYTES_MAX``."""
        if self._fragments is None or part.opcode is not Opcode.CONT:
            self._fragments = Frame(part.opcode, bytearray(part.data))
        else:
            assert isinstance(self._fragments.data, bytearray)
            self._fragments.data += part.data
        if part.fin:
            whole, self._fragments = self._fragments, None
            owner.receive(whole)


def _spoken(close: Close | None) -> str:
    return "without a word" if close is None else str(close)
