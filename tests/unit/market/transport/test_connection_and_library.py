"""A connection reports the same as the library alone, for any data cut anywhere."""

import asyncio
import random
from itertools import pairwise
from typing import Final, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from app.market.transport.conflation import Backlog
from app.market.transport.connection import MESSAGE_BYTES_MAX, VenueConnection, _Socket
from app.market.transport.pacing import SlidingWindow
from tests.unit.market.transport.conftest import Receiver

SEED: Final = 20_251_125
STREAMS: Final = 1_000
SIZES: Final = (0, 1, 2, 5, 120, 125, 126, 127, 300, 4_096, 65_535, 65_536, 70_000)
ODD_BYTES: Final = (0x00, 0x01, 0x7E, 0x7F, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0xC1, 0xFE, 0xFF)


class Outcome(NamedTuple):
    """The receiver's calls, and the bytes sent back to the venue."""

    frames: list[bytes | None]
    kinds: list[str]
    answers: list[Frame]


class LibraryAlone(_Socket):
    """The same receiver, called for frames of the library only."""

    def data_received(self, data: bytes) -> None:
        """Give all data to the library, and report a protocol error."""
        ClientConnection.data_received(self, data)
        if self.protocol.parser_exc is not None and self._owner is not None:
            self._owner.report_lost(self._ending(None))


class Pipe(asyncio.Transport):
    """A transport that records its writes and never blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Record the data."""
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        """Return True: one direction can be closed."""
        return True

    def write_eof(self) -> None:
        """Ignore."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Ignore: there is no limit."""

    def get_extra_info(self, name: str, default: object = None) -> "Pipe":
        """Return itself as the socket."""
        del name, default
        return self

    def fileno(self) -> int:
        """Return -1, as a closed socket, so the unread bytes are not queried."""
        return -1


def outcome_of(pieces: list[bytes], kind: type[_Socket]) -> Outcome:
    """Feed the pieces to an open connection, then the end of the stream."""
    protocol = ClientProtocol(
        parse_uri("ws://venue.example/ws"), state=State.OPEN, max_size=MESSAGE_BYTES_MAX
    )
    socket, pipe, receiver = kind(protocol), Pipe(), Receiver()
    socket.connection_made(pipe)
    socket.response = Response(101, "", Headers())
    window = SlidingWindow(limit=3, seconds=1)
    VenueConnection(socket, receiver, window, Backlog(60)).start()
    for piece in pieces:
        socket.data_received(piece)
    socket.eof_received()
    socket.connection_lost(None)
    venue = ServerProtocol(state=State.OPEN)
    venue.receive_data(pipe.written)
    answers = [event for event in venue.events_received() if isinstance(event, Frame)]
    return Outcome(receiver.frames, receiver.kinds, answers)


def made_frame(chance: random.Random) -> bytes:
    """Make a frame: mostly valid, otherwise of a wrong kind, size or mask."""
    size = chance.choice(SIZES[:8] * 8 + SIZES)
    data = chance.choice((b"text", "€uro".encode(), b"\xff\xfe", b'{"u":1}')) * size
    kind = chance.random()
    if kind < 0.6:
        return Frame(Opcode.TEXT, data[:size]).serialize(mask=False)
    if kind < 0.8:
        opcode = chance.choice((Opcode.PING, Opcode.PONG, Opcode.BINARY))
        most = size if opcode is Opcode.BINARY else 125
        return Frame(opcode, data[:size][:most]).serialize(mask=False)
    if kind < 0.9:
        opcode = chance.choice((Opcode.TEXT, Opcode.BINARY, Opcode.CONT))
        return Frame(opcode, data[:size], fin=chance.random() < 0.5).serialize(mask=False)
    if kind < 0.94:
        said = chance.choice((b"", b"\x03", Close(1001, "bye").serialize(), b"\x03\xe8\xff"))
        return Frame(Opcode.CLOSE, said).serialize(mask=False)
    if kind < 0.97:
        length = chance.choice((size, 2**63, 2**63 - 1, MESSAGE_BYTES_MAX + 1))
        return bytes([chance.choice(ODD_BYTES), 127]) + length.to_bytes(8) + data[:size]
    return bytes([chance.choice(ODD_BYTES), chance.choice(ODD_BYTES)]) + data[:size]


def made_stream(chance: random.Random) -> bytes:
    """Make a few frames, some with a damaged byte, some cut off."""
    stream = bytearray(b"".join(made_frame(chance) for _ in range(chance.randint(1, 12))))
    if chance.random() < 0.3:
        stream[chance.randrange(len(stream))] = chance.choice(ODD_BYTES)
    if chance.random() < 0.3:
        del stream[chance.randrange(len(stream)) :]
    return bytes(stream)


def cut(stream: bytes, chance: random.Random) -> list[bytes]:
    """Cut a stream anywhere, more often near its beginning; cut small ones into single bytes."""
    if len(stream) < 400 and chance.random() < 0.3:
        return [bytes([byte]) for byte in stream]
    places = sorted(
        chance.randrange(min(len(stream), chance.choice((8, 300, 10**6))) + 1) for _ in range(6)
    )
    return [
        stream[start:stop] for start, stop in pairwise([0, *places, len(stream)]) if start < stop
    ]


async def test_connection_reports_the_same_as_the_library() -> None:
    """Texts, binaries, ends, pongs and close frames equal the library's."""
    chance = random.Random(SEED)
    for number in range(STREAMS):
        stream = made_stream(chance)
        pieces = cut(stream, chance)

        ours, theirs = outcome_of(pieces, _Socket), outcome_of([stream], LibraryAlone)

        assert ours == theirs, f"stream {number} of seed {SEED}: {stream[:200]!r}"
