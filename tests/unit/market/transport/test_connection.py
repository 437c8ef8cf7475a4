"""Tests of ``VenueConnection`` against a scripted peer."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State

from app import __version__
from app.market.timing import VENUE_LIMITS, FeedLimits, FeedTiming
from app.market.transport.connection import (
    MESSAGE_BYTES_MAX,
    VenueConnection,
    open_connection,
    stream_endpoint,
)
from app.market.transport.failure_kinds import ConnectionFailedError
from tests.support.market import WebSocketPeer
from tests.support.virtual_time import in_virtual_time
from tests.support.waiting import eventually
from tests.unit.market.transport.conftest import Receiver

ANSWER = '{"result":null,"id":1}'
QUIET = FeedTiming(ping_interval_seconds=60, ping_timeout_seconds=60)
BUSY = FeedTiming(ping_interval_seconds=0.05, ping_timeout_seconds=0.2)


async def connect(
    endpoint: str,
    receiver: Receiver | None = None,
    *,
    timing: FeedTiming = QUIET,
    open_seconds: float = 5,
    tls: ssl.SSLContext | None = None,
    limits: FeedLimits = VENUE_LIMITS,
) -> VenueConnection:
    """Open a connection that is not started."""
    return await open_connection(
        stream_endpoint(endpoint),
        receiver or Receiver(),
        tls=tls,
        timing=timing,
        open_seconds=open_seconds,
        limits=limits,
    )


@asynccontextmanager
async def connected(
    peer: WebSocketPeer, timing: FeedTiming = QUIET
) -> AsyncIterator[tuple[VenueConnection, Receiver]]:
    """Connect to the peer and start; close at the end."""
    receiver = Receiver()
    connection = await connect(peer.url, receiver, timing=timing)
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
    async with connected(peer) as (_, receiver):
        await peer.last.send("one")
        await peer.last.send(["t", "w", "o"])
        await peer.last.send(b"\x00")
        await peer.last.send([b"\x00", b"\x01"])
        await peer.last.send("three")
        await eventually(lambda: len(receiver.texts) == 3)

    assert receiver.frames == [b"one", b"two", None, None, b"three"]
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


def rendered(*frames: Frame) -> bytes:
    """Write frames as a venue does."""
    return b"".join(frame.serialize(mask=False) for frame in frames)


@pytest.mark.parametrize(
    ("end", "kind", "cause"),
    [
        (Frame(Opcode.CLOSE, Close(1008, "Pong timeout").serialize()), "closed_by_venue", "1008"),
        (Frame(Opcode.CLOSE, b""), "closed_by_venue", "closed by the venue"),
        (b"\xff" * 20, "unreadable", ""),
        (None, "reset", ""),
    ],
    ids=["close frame", "empty close frame", "protocol error", "cut"],
)
async def test_end_of_a_connection_is_reported_at_once_with_its_kind(
    peer: WebSocketPeer, end: Frame | bytes | None, kind: str, cause: str
) -> None:
    """Texts before the end are delivered, later texts are not, and the venue need not hang up."""
    async with connected(peer) as (connection, receiver):
        peer.last.transport.pause_reading()
        ending = rendered(end) if isinstance(end, Frame) else end or b""
        before, after = (rendered(Frame(Opcode.TEXT, text)) for text in (b"one", b"two"))
        peer.last.transport.write(before + ending + (after if ending else b""))
        await eventually(lambda: receiver.texts)
        if end is None:
            peer.last.transport.abort()
        await eventually(lambda: receiver.causes)
        was_closed = connection._socket.state is State.CLOSED
        peer.last.transport.abort()

    assert receiver.texts == [b"one"]
    assert receiver.kinds == [kind]
    assert was_closed is (end is None)
    assert cause in receiver.causes[0]


async def test_missing_pong_ends_a_connection_before_it_is_closed(peer: WebSocketPeer) -> None:
    """A half-open connection ends as ``keepalive``, and later frames are not delivered."""
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


@in_virtual_time
async def test_control_messages_keep_to_the_limits_that_were_given() -> None:
    """Control messages respect the limits passed in."""
    loop = asyncio.get_running_loop()
    limits = FeedLimits(control_messages_max=2, control_seconds=0.1)
    async with WebSocketPeer().serve() as peer:
        connection = await connect(peer.url, limits=limits)
        started = loop.time()
        for _ in range(5):
            await connection.wait_turn()
        seconds = loop.time() - started
        await connection.close()

    assert 0.2 <= seconds < 1


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
    connection = await connect(peer.url, receiver)
    await eventually(lambda: peer.connections)
    await peer.last.close(1013, "try again later")

    connection.start()
    await connection.close()

    assert receiver.causes == ["closed by the venue at once"]


async def test_many_frames_before_the_start_do_not_block_reading(peer: WebSocketPeer) -> None:
    """Many frames before the start do not block reading after it."""
    receiver = Receiver()
    connection = await connect(peer.url, receiver)
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


@in_virtual_time
async def test_pongs_count_toward_the_limit_of_messages() -> None:
    """Pongs count toward the limit of control messages."""
    loop = asyncio.get_running_loop()

    async with WebSocketPeer().serve() as peer, connected(peer) as (connection, _):
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


async def test_unreachable_venue_is_named_with_the_cause(peer: WebSocketPeer) -> None:
    """A refusal and a DNS failure name the place. A ``wss:`` endpoint is never used unencrypted."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"ws://127.0.0.1:{taken.getsockname()[1]}/ws"
        with pytest.raises(ConnectionFailedError, match=f"{endpoint}: .*refused|Connect call"):
            await connect(endpoint)
    with pytest.raises(ConnectionFailedError, match=r"venue\.invalid"):
        await connect("ws://venue.invalid/ws")
    with pytest.raises(ConnectionFailedError, match="wss://"):
        await connect(peer.url.replace("ws://", "wss://"), tls=ssl.create_default_context())

    assert not peer.connections


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
            await connect(endpoint, open_seconds=0.3)
        await is_over.wait()


@pytest.mark.parametrize("piece_bytes", [1, 4_096])
async def test_texts_arrive_in_their_order_however_the_data_is_cut(
    peer: WebSocketPeer, piece_bytes: int
) -> None:
    """Texts arrive in order among pings, binaries and fragments, even byte by byte."""
    async with connected(peer) as (_, receiver):
        data = rendered(
            Frame(Opcode.TEXT, b"one"),
            Frame(Opcode.PING, b"are you there?"),
            Frame(Opcode.TEXT, b"2" * 300),
            Frame(Opcode.BINARY, b"\x00"),
            Frame(Opcode.TEXT, b"thr", fin=False),
            Frame(Opcode.PING, b""),
            Frame(Opcode.CONT, b"ee"),
            Frame(Opcode.TEXT, b"four"),
        )
        for begin in range(0, len(data), piece_bytes):
            peer.last.transport.write(data[begin : begin + piece_bytes])
            await asyncio.sleep(0)
        await peer.last.send("five")
        await eventually(lambda: len(receiver.texts) == 5)

    assert receiver.frames == [b"one", b"2" * 300, None, b"three", b"four", b"five"]
    assert receiver.causes == []


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
    async with connected(peer, replace(QUIET, behind_seconds=0)) as (connection, receiver):
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
    async with connected(peer, replace(QUIET, behind_seconds=60)) as (_, receiver):
        texts = burst(1)
        peer.send_at_once(*texts)
        await eventually(lambda: len(receiver.texts) == len(texts))

    assert receiver.texts == [text.encode() for text in texts]
    assert (receiver.skipped, receiver.times_behind) == (0, 0)
