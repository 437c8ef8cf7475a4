"""Tests of ``VenueConnection`` against a scripted peer."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State

from app import __version__
from app.market.timing import FeedLimits, FeedTiming
from app.market.transport.conflation import BEHIND_SECONDS
from app.market.transport.connection import (
    MESSAGE_BYTES_MAX,
    VenueConnection,
    open_connection,
    stream_endpoint,
)
from app.market.transport.failure_kinds import ConnectionFailedError, Ending
from tests.support.market import WebSocketPeer
from tests.support.waiting import eventually

ANSWER = '{"result":null,"id":1}'
QUIET = FeedTiming(ping_interval_seconds=60, ping_timeout_seconds=60)
BUSY = FeedTiming(ping_interval_seconds=0.05, ping_timeout_seconds=0.2)


class Receiver:
    """Records the calls of a connection."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.binaries = 0
        self.causes: list[str] = []
        self.kinds: list[str] = []
        self.skipped = 0
        self.times_behind = 0
        self.connections: set[VenueConnection] = set()

    def on_texts(self, connection: VenueConnection, texts: Sequence[bytes]) -> None:
        """Record texts until the connection is lost."""
        self.connections.add(connection)
        for text in texts:
            if not connection.is_lost:
                self.on_text(connection, text)

    def on_text(self, connection: VenueConnection, text: bytes) -> None:
        """Record a text."""
        del connection
        self.texts.append(bytes(text))

    def on_binary(self, connection: VenueConnection) -> None:
        """Record a binary frame."""
        self.connections.add(connection)
        self.binaries += 1

    def on_skipped(self, connection: VenueConnection, texts: int) -> None:
        """Record the number of skipped texts."""
        self.connections.add(connection)
        self.skipped += texts

    def on_behind(self, connection: VenueConnection, *, is_behind: bool) -> None:
        """Record the change."""
        self.connections.add(connection)
        self.times_behind += is_behind

    def on_lost(self, connection: VenueConnection, ending: Ending) -> None:
        """Record the end."""
        self.connections.add(connection)
        self.causes.append(ending.cause)
        self.kinds.append(ending.kind)


@pytest.fixture
async def peer() -> AsyncIterator[WebSocketPeer]:
    """Run a peer."""
    async with WebSocketPeer().serve() as peer:
        yield peer


@asynccontextmanager
async def connected(
    peer: WebSocketPeer, timing: FeedTiming = QUIET, *, behind_seconds: float = BEHIND_SECONDS
) -> AsyncIterator[tuple[VenueConnection, Receiver]]:
    """Connect to the peer and start; close at the end."""
    receiver = Receiver()
    connection = await open_connection(
        stream_endpoint(peer.url),
        receiver,
        tls=None,
        timing=replace(timing, behind_seconds=behind_seconds),
        open_seconds=5,
    )
    try:
        await eventually(lambda: peer.connections)
        connection.start()
        yield connection, receiver
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("stream_url", "endpoint"),
    [
        ("wss://stream.example", "wss://stream.example/ws"),
        ("wss://stream.example/", "wss://stream.example/ws"),
        ("wss://stream.example:9443/ws", "wss://stream.example:9443/ws"),
        ("wss://stream.example/stream", "wss://stream.example/stream"),
    ],
)
def test_path_is_added_where_the_address_has_none(stream_url: str, endpoint: str) -> None:
    """A URL without a path gets ``/ws``; a complete URL is kept."""
    assert stream_endpoint(stream_url) == endpoint


async def test_frames_arrive_whole_and_in_order(peer: WebSocketPeer) -> None:
    """Each text, fragmented text and binary arrives as one call, in order."""
    async with connected(peer) as (connection, receiver):
        await peer.last.send("one")
        await peer.last.send(["t", "w", "o"])
        await peer.last.send(b"\x00")
        await peer.last.send([b"\x00", b"\x01"])
        await peer.last.send("three")
        await eventually(lambda: len(receiver.texts) == 3)

    assert receiver.texts == [b"one", b"two", b"three"]
    assert receiver.binaries == 2
    assert receiver.connections == {connection}
    assert receiver.causes == []
    assert peer.paths == ["/ws"]
    assert peer.user_agents == [f"papertape/{__version__}"]


async def test_control_message_leaves_as_text(peer: WebSocketPeer) -> None:
    """Control messages are sent as text frames, because the venue reads no binaries."""
    async with connected(peer) as (connection, receiver):
        await connection.wait_turn()
        await connection.send(b'{"id":5}')
        await eventually(lambda: receiver.texts)

    assert peer.received == [{"id": 5}]
    assert receiver.texts == [b'{"result":null,"id":5}']


async def test_close_of_the_venue_is_reported_with_its_reason(peer: WebSocketPeer) -> None:
    """A close frame is reported immediately and once, with its reason."""
    async with connected(peer) as (_, receiver):
        await peer.last.close(1008, "Pong timeout")
        await eventually(lambda: receiver.causes)

    assert receiver.causes == [f"closed by the venue: {Close(1008, 'Pong timeout')}"]
    assert receiver.kinds == ["closed_by_venue"]


async def test_empty_close_frame_is_reported(peer: WebSocketPeer) -> None:
    """An empty close frame is reported, too."""
    async with connected(peer) as (_, receiver):
        peer.last.protocol.send_close()
        peer.last.send_data()
        await eventually(lambda: receiver.causes)

    assert receiver.causes[0].startswith("closed by the venue")


async def test_cut_connection_is_reported(peer: WebSocketPeer) -> None:
    """A connection cut without a close frame is reported."""
    async with connected(peer) as (_, receiver):
        peer.last.transport.abort()
        await eventually(lambda: receiver.causes)

    assert receiver.kinds == ["reset"]


async def test_frames_after_a_missing_pong_are_not_delivered(peer: WebSocketPeer) -> None:
    """Frames after a missing pong are not delivered."""
    async with connected(peer, BUSY) as (connection, receiver):
        peer.last.transport.pause_reading()
        await eventually(lambda: receiver.causes)
        was_closed = connection._socket.state is State.CLOSED
        peer.send_at_once("late")
        await connection._socket.wait_closed()
        peer.last.transport.abort()  # or the peer waits 10 seconds for an answer it does not read

    assert not was_closed
    assert receiver.texts == []
    assert receiver.kinds == ["keepalive"]


async def test_missing_pong_is_reported_as_keepalive(peer: WebSocketPeer) -> None:
    """A half-open connection ends as ``keepalive``."""
    async with connected(peer, BUSY) as (_, receiver):
        peer.last.transport.pause_reading()
        await eventually(lambda: receiver.causes)
        peer.last.transport.abort()

    assert receiver.kinds == ["keepalive"]
    assert re.fullmatch(r"no pong within [0-9.]+ s of a ping", receiver.causes[0])


async def test_frames_before_the_venues_close_frame_arrive_after_ours(peer: WebSocketPeer) -> None:
    """Frames before the venue's close frame arrive after our close frame."""
    async with connected(peer) as (connection, receiver):
        answer = peer.last.protocol.send_frame

        def send_more_before(frame: Frame) -> None:
            if frame.opcode is Opcode.CLOSE:
                for text in (b"one", b"two"):
                    answer(Frame(Opcode.TEXT, text))
            answer(frame)

        peer.last.protocol.send_frame = send_more_before  # type: ignore[method-assign] # a peer's whim
        is_answered = await connection.finish()

    assert is_answered
    assert receiver.texts == [b"one", b"two"]
    assert receiver.kinds == ["closed_by_venue"]


async def test_close_handshake_has_a_time_limit(peer: WebSocketPeer) -> None:
    """A venue that does not answer our close frame is cut off after a second."""
    async with connected(peer) as (connection, receiver):
        peer.last.transport.pause_reading()
        is_answered = await connection.finish()
        peer.last.transport.abort()

    assert not is_answered
    assert receiver.kinds == ["reset"]


async def test_control_messages_keep_to_the_limits_that_were_given(peer: WebSocketPeer) -> None:
    """Control messages respect the limits passed in."""
    loop = asyncio.get_running_loop()
    limits = FeedLimits(control_messages_max=2, control_seconds=0.1)
    connection = await open_connection(
        stream_endpoint(peer.url),
        Receiver(),
        tls=None,
        timing=QUIET,
        open_seconds=5,
        limits=limits,
    )
    started = loop.time()
    for _ in range(5):
        await connection.wait_turn()
    await connection.close()

    assert 0.2 <= loop.time() - started < 1


async def test_protocol_error_is_reported_immediately(peer: WebSocketPeer) -> None:
    """A protocol error is reported before the venue closes."""
    async with connected(peer) as (_, receiver):
        peer.last.transport.pause_reading()
        peer.last.transport.write(b"\xff" * 20)
        await eventually(lambda: receiver.causes)
        peer.last.transport.abort()

    assert receiver.kinds == ["unreadable"]


async def test_endless_message_ends_the_connection_with_its_cause(peer: WebSocketPeer) -> None:
    """A message above the limit ends the connection with that cause."""
    async with connected(peer) as (_, receiver):
        await peer.last.send("x" * MESSAGE_BYTES_MAX)
        await eventually(lambda: receiver.texts)
        await peer.last.send("x" * (MESSAGE_BYTES_MAX + 1))
        await eventually(lambda: receiver.causes)

    assert "exceeds limit" in receiver.causes[0]
    assert receiver.kinds == ["unreadable"]


async def test_muted_connection_makes_no_more_calls(peer: WebSocketPeer) -> None:
    """A muted connection makes no more calls."""
    async with connected(peer) as (connection, receiver):
        connection.mute()
        await peer.last.send("one")
        await peer.last.close()

    assert receiver.texts == []
    assert receiver.causes == []


async def test_connection_lost_before_the_start_is_reported_at_the_start(
    peer: WebSocketPeer,
) -> None:
    """A connection lost before the start is reported at the start."""
    receiver = Receiver()
    connection = await open_connection(
        stream_endpoint(peer.url), receiver, tls=None, timing=QUIET, open_seconds=5
    )
    await eventually(lambda: peer.connections)
    await peer.last.close(1013, "try again later")

    connection.start()
    await connection.close()

    assert receiver.causes == ["closed by the venue at once"]


async def test_many_frames_before_the_start_do_not_block_reading(peer: WebSocketPeer) -> None:
    """Many frames before the start do not block reading after it."""
    receiver = Receiver()
    connection = await open_connection(
        stream_endpoint(peer.url), receiver, tls=None, timing=QUIET, open_seconds=5
    )
    await eventually(lambda: peer.connections)
    peer.send_at_once(*["early"] * 100)
    await (await peer.last.ping())

    connection.start()
    await peer.last.send("in time")
    await eventually(lambda: receiver.texts)
    await connection.close()

    assert receiver.texts == [b"in time"]


async def test_send_on_a_lost_connection_is_no_error(peer: WebSocketPeer) -> None:
    """Sending on a lost connection does not raise, and the loss is reported once."""
    async with connected(peer) as (connection, receiver):
        await peer.last.close()
        await eventually(lambda: receiver.causes)

        await connection.send(b"{}")

    assert len(receiver.causes) == 1


async def test_pongs_count_toward_the_limit_of_messages(peer: WebSocketPeer) -> None:
    """Pongs count toward the limit of control messages."""
    loop = asyncio.get_running_loop()

    async with connected(peer) as (connection, _):
        started = loop.time()
        for _ in range(2):
            await (await peer.last.ping())
        await connection.wait_turn()
        first = loop.time() - started
        await connection.wait_turn()
        second = loop.time() - started

    assert first < 1
    assert second >= 1.25


async def test_pings_are_control_messages_and_their_pongs_keep_the_connection(
    peer: WebSocketPeer,
) -> None:
    """A quiet connection stays open while its pings are answered."""
    async with connected(peer, BUSY) as (connection, receiver):
        await eventually(lambda: connection._window._units == 3)
        await peer.last.send("alive")
        await eventually(lambda: receiver.texts)

    assert receiver.causes == []


async def test_refused_connection_says_where_and_why() -> None:
    """A refused connection names the address and the cause."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"ws://127.0.0.1:{taken.getsockname()[1]}/ws"
        with pytest.raises(ConnectionFailedError, match=f"{endpoint}: .*refused|Connect call"):
            await open_connection(endpoint, Receiver(), tls=None, timing=QUIET, open_seconds=5)


async def test_name_that_does_not_resolve_says_so() -> None:
    """A DNS failure names the host."""
    with pytest.raises(ConnectionFailedError, match=r"venue\.invalid"):
        await open_connection(
            "ws://venue.invalid/ws", Receiver(), tls=None, timing=QUIET, open_seconds=5
        )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not receive a valid HTTP response"),
        (b"", "timed out"),
    ],
    ids=["refusal", "not HTTP", "silence"],
)
async def test_failed_handshake_says_why(answer: bytes, said: str) -> None:
    """A failed or missing handshake answer is named as the cause."""
    is_over = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()
            is_over.set()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        endpoint = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        with pytest.raises(ConnectionFailedError, match=said):
            await open_connection(endpoint, Receiver(), tls=None, timing=QUIET, open_seconds=0.3)
        await is_over.wait()


async def test_venue_without_tls_is_refused_where_tls_was_asked_for(peer: WebSocketPeer) -> None:
    """A ``wss:`` endpoint without TLS is refused, and never used unencrypted."""
    endpoint = peer.url.replace("ws://", "wss://")

    with pytest.raises(ConnectionFailedError, match="wss://"):
        await open_connection(
            endpoint, Receiver(), tls=ssl.create_default_context(), timing=QUIET, open_seconds=5
        )

    assert not peer.connections


async def test_texts_arrive_in_their_order_however_the_data_is_cut(peer: WebSocketPeer) -> None:
    """Texts arrive in order among pings and binaries, even byte by byte."""
    async with connected(peer) as (_, receiver):
        frames = [
            Frame(Opcode.TEXT, b"one"),
            Frame(Opcode.PING, b"are you there?"),
            Frame(Opcode.TEXT, b"2" * 300),
            Frame(Opcode.BINARY, b"\x00"),
            Frame(Opcode.TEXT, b"three"),
        ]
        for byte in b"".join(frame.serialize(mask=False) for frame in frames):
            peer.last.transport.write(bytes([byte]))
            await asyncio.sleep(0)
        await (await peer.last.ping())
        await eventually(lambda: len(receiver.texts) == 3)

    assert receiver.texts == [b"one", b"2" * 300, b"three"]
    assert receiver.binaries == 1
    assert receiver.causes == []


async def test_texts_before_and_after_a_fragmented_one_arrive_in_their_order(
    peer: WebSocketPeer,
) -> None:
    """Texts around a fragmented text arrive in order."""
    async with connected(peer) as (_, receiver):
        peer.last.transport.write(
            Frame(Opcode.TEXT, b"one").serialize(mask=False)
            + Frame(Opcode.TEXT, b"tw", fin=False).serialize(mask=False)
            + Frame(Opcode.PING, b"").serialize(mask=False)
            + Frame(Opcode.CONT, b"o").serialize(mask=False)
            + Frame(Opcode.TEXT, b"three").serialize(mask=False)
        )
        await eventually(lambda: len(receiver.texts) == 3)
        await peer.last.send("four")
        await eventually(lambda: len(receiver.texts) == 4)

    assert receiver.texts == [b"one", b"two", b"three", b"four"]


async def test_frames_after_a_close_frame_are_not_delivered(peer: WebSocketPeer) -> None:
    """Frames after a close frame in the same data are not delivered."""
    async with connected(peer) as (_, receiver):
        peer.last.transport.write(
            Frame(Opcode.TEXT, b"one").serialize(mask=False)
            + Frame(Opcode.CLOSE, Close(1001, "").serialize()).serialize(mask=False)
            + Frame(Opcode.TEXT, b"two").serialize(mask=False)
        )
        await eventually(lambda: receiver.causes)

    assert receiver.texts == [b"one"]
    assert receiver.kinds == ["closed_by_venue"]


async def test_receiver_that_mutes_gets_no_more_texts_of_the_same_data(peer: WebSocketPeer) -> None:
    """A receiver that mutes the connection gets no more texts of the same data."""
    async with connected(peer) as (connection, receiver):
        note = receiver.on_text

        def leave(told_by: VenueConnection, text: bytes) -> None:
            note(told_by, text)
            connection.mute()

        receiver.on_text = leave  # type: ignore[method-assign, assignment] # it leaves, unlike the others
        peer.send_at_once("one", "two")
        await (await peer.last.ping())

    assert receiver.texts == [b"one"]


def burst(begin: int) -> list[str]:
    """Make more frames of one symbol than a read holds, with an answer in the middle."""
    amounts = '"b":"0.5","B":"1.0","a":"0.6","A":"2"'
    texts = [f'{{"u":{begin + number},"s":"LTCBTC",{amounts}}}' for number in range(20_000)]
    texts.insert(10_000, ANSWER)
    return texts


async def test_while_behind_replaced_quotes_are_skipped_and_nothing_else(
    peer: WebSocketPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While behind, only replaced quotes are skipped, and all are counted."""
    async with connected(peer, behind_seconds=0) as (connection, receiver):
        # Each read leaves most of what the socket holds, however late the machine fills it again.
        monkeypatch.setattr(connection._socket.transport, "max_size", 8_192)
        texts = burst(1)
        peer.send_at_once(*texts)
        await eventually(lambda: receiver.texts[-1:] == [texts[-1].encode()])
        await peer.last.send("one")
        await peer.last.send("two")
        await eventually(lambda: receiver.texts[-1:] == [b"two"])

    told = [text.decode() for text in receiver.texts[:-2]]
    place = told.index(ANSWER)
    assert receiver.times_behind >= 1
    assert receiver.skipped > 0
    assert len(told) + receiver.skipped == len(texts)
    told_before, told_after = set(told[:place]), set(told[place:])
    assert told[:place] == [text for text in texts[:10_000] if text in told_before]
    assert told[place - 1] == texts[9_999]
    assert told[place:] == [text for text in texts[10_000:] if text in told_after]


async def test_burst_that_is_handled_in_time_loses_no_quote(peer: WebSocketPeer) -> None:
    """A large burst that is handled in time loses no quote."""
    async with connected(peer, behind_seconds=60) as (_, receiver):
        texts = burst(1)
        peer.send_at_once(*texts)
        await eventually(lambda: len(receiver.texts) == len(texts))

    assert receiver.texts == [text.encode() for text in texts]
    assert (receiver.skipped, receiver.times_behind) == (0, 0)
