"""HTTP connections that keep the service waiting, over real sockets with short limits."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.api.json_body import WHOLE_BODY_EXTENSION, read_body
from app.api.problems import BodyTooSlowError, problem_response
from app.api.server.http_protocol import HEAD_BYTES_MAX, BoundedHttpProtocol
from tests.support.waiting import WAIT_SECONDS_MAX

pytestmark = pytest.mark.virtual_time  # on a slow machine, real time would reach the limits

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CHUNKED = b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"

NOT_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "mail": b"HELO localhost\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "bad header": b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
    "bad chunk": b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad target": b"GET :no HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "two hosts of old": b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
    "compressed": b"POST / HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "other coding": b"DELETE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "chunks of old": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
"""Requests that are none, some of which the parser accepts."""


class HastyProtocol(BoundedHttpProtocol):
    """The protocol with a limit short enough for a test."""

    head_seconds_max = 0.05


def get(path: str) -> bytes:
    """Return a complete request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A client that sends exactly the given bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def drip(self) -> bytes:
        """Send single bytes until the service closes the connection; return the bytes received."""
        with contextlib.suppress(ConnectionError):
            while not self.reader.at_eof():
                self.send(b"a")
                await self.writer.drain()
                await asyncio.sleep(0.005)
        return await self.until_closed()

    async def until_closed(self) -> bytes:
        """Return all bytes until the service closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    async def last_status(self) -> int:
        """Return the status of the next answer, which ends the connection."""
        answer = await self.answer()
        assert await self.until_closed() == b""
        return answer.status

    async def bodies(self, number: int) -> list[bytes]:
        """Return the bodies of the next answers."""
        return [(await self.answer()).body for _ in range(number)]

    async def answer(self) -> Answer:
        """Return the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(status=int(head[0].split(" ")[1]), headers=headers, body=body)


class Service:
    """A server with the tested protocol and an application that acts by path."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.port = 0
        self.mistakes: list[dict[str, Any]] = []
        self.heads: list[list[tuple[bytes, bytes]]] = []
        self._connections: list[Connection] = []

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer immediately, after ``released``, after the body, partially, or as a WebSocket."""
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        self.heads.append(scope["headers"])
        if scope["path"] == "/half":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        try:
            if scope["path"] == "/body":
                await read_body(Request(scope, receive), bytes_max=1_000, seconds_max=0.05)
            if scope["path"] == "/whole":
                is_whole = WHOLE_BODY_EXTENSION in scope.get("extensions", ())
                await PlainTextResponse(str(is_whole))(scope, receive, send)
                return
            if scope["path"] in {"/wait", "/half"}:
                await self.released.wait()
        except BodyTooSlowError as error:
            await problem_response(error)(scope, receive, send)
        else:
            await PlainTextResponse(scope["path"])(scope, receive, send)

    async def _echo(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        message: Any = await receive()
        await send({"type": "websocket.send", "text": message["text"]})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Serve on a free port."""
        config = uvicorn.Config(
            self.application,
            interface="asgi3",
            http=HastyProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=60,
        )
        state = ServerState()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.mistakes.append(context))
        server = await loop.create_server(lambda: HastyProtocol(config, state, {}), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                yield self
        finally:
            self.released.set()
            for connection in self._connections:
                connection.writer.close()
            server.close()
            if state.tasks:
                await asyncio.wait(state.tasks, timeout=WAIT_SECONDS_MAX)
            await server.wait_closed()

    async def connect(self, data: bytes = b"") -> Connection:
        """Open a connection and send data."""
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port))
        self._connections.append(connection)
        connection.send(data)
        return connection

    async def outwait(self) -> None:
        """Wait until an idle connection opened now would have been closed."""
        silent = await self.connect()
        assert await silent.until_closed() == b""


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """Return a running service, whose limits must have ended every wait of the test."""
    time = asyncio.get_running_loop().time
    async with Service().running() as service:
        started = time()
        yield service
        seconds = time() - started
    assert not service.mistakes, "no callback of a connection may fail"
    assert seconds < 20 * HastyProtocol.head_seconds_max, "virtual seconds, so exact"


async def test_a_client_that_says_nothing_is_let_go(service: Service) -> None:
    """A silent connection is closed."""
    connection = await service.connect()

    assert await connection.until_closed() == b""


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
async def test_a_head_that_drips_in_has_an_end(service: Service, start: bytes) -> None:
    """A slowly sent head is closed at the limit, since more bytes do not extend it."""
    connection = await service.connect(start)

    assert await connection.drip() == b""


async def test_a_second_head_that_drips_in_has_an_end(service: Service) -> None:
    """A second slow head on the connection is closed as well."""
    connection = await service.connect(get("/first"))
    assert (await connection.answer()).body == b"/first"

    connection.send(b"GET / HTTP/1.1\r\nX: ")

    assert await connection.drip() == b""


async def test_a_body_that_nobody_waits_for_has_an_end(service: Service) -> None:
    """After the answer, an unfinished request body is closed at the limit."""
    connection = await service.connect(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    )
    assert (await connection.answer()).status == 200

    assert await connection.drip() == b""


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100", b"Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_a_body_that_does_not_arrive_is_a_408(service: Service, framing: bytes) -> None:
    """An unfinished body is answered with 408, and the connection closes."""
    connection = await service.connect(
        b"POST /body HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n\r\n"
    )

    answer = await connection.answer()

    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert json.loads(answer.body)["code"] == "request_timeout"
    assert await connection.until_closed() == b""


async def test_requests_may_wait_for_their_answers(service: Service) -> None:
    """No limit applies while a client waits, and a second request waits for the first answer."""
    connection = await service.connect(get("/wait") + get("/second"))
    await service.outwait()

    service.released.set()

    assert await connection.bodies(2) == [b"/wait", b"/second"]


async def test_an_idle_connection_may_be_used_again(service: Service) -> None:
    """Between requests the keep-alive limit applies."""
    connection = await service.connect(get("/first"))
    await connection.answer()
    await service.outwait()

    connection.send(get("/second"))

    assert (await connection.answer()).body == b"/second"


async def test_a_websocket_is_left_alone(service: Service) -> None:
    """The limits do not apply to a WebSocket, which has its own keepalive."""
    connection = await service.connect(HANDSHAKE)
    assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    await service.outwait()

    connection.send(b"\x81\x82\x00\x00\x00\x00hi")  # a text frame, masked with zeros

    assert await connection.reader.readexactly(4) == b"\x81\x02hi"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES_MAX,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 2 * HEAD_BYTES_MAX + b"\r\n\r\n",
        b"GET /" + b"a" * 2 * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * HEAD_BYTES_MAX + b"\r\n",
        CHUNKED + b"0\r\n" + b"X: a\r\n" * HEAD_BYTES_MAX,
        CHUNKED + b"0\r\nX: " + b"a" * 2 * HEAD_BYTES_MAX,
        CHUNKED + b"1;" + b"a" * 2 * HEAD_BYTES_MAX,
    ],
    ids=["unfinished", "header", "path", "many headers", "trailers", "trailer", "extension"],
)
async def test_a_head_that_is_too_long_is_a_431(service: Service, head: bytes) -> None:
    """A head over the limit gets 431, complete or not, and so do trailers and chunk extensions."""
    connection = await service.connect(head)

    answer = await connection.answer()

    assert answer.status == 431
    assert json.loads(answer.body)["code"] == "head_too_large"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert await connection.until_closed() == b""


async def test_trailers_are_no_headers(service: Service) -> None:
    """Trailers never become headers (RFC 9110 section 6.5.1)."""
    connection = await service.connect(
        CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n" + get("/second")
    )

    assert await connection.bodies(2) == [b"/body", b"/second"]
    assert [name for name, _ in service.heads[0]] == [b"host", b"transfer-encoding"]


async def test_a_body_may_be_longer_than_a_head(service: Service) -> None:
    """The limit of a head does not apply to a body."""
    connection = await service.connect()
    chunks = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    connection.send(
        CHUNKED.replace(b"/body", b"/long") + chunks * 8 + b"0\r\n\r\n" + get("/second")
    )

    assert await connection.bodies(2) == [b"/long", b"/second"]


async def test_a_bad_target_behind_a_body_that_nobody_read_is_a_400(service: Service) -> None:
    """After an early answer and its unread body, an invalid request gets 400."""
    connection = await service.connect(
        b"POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
    )
    assert (await connection.answer()).body == b"/first"

    connection.send(b"{}GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert await connection.last_status() == 400


async def test_a_head_of_a_usual_length_is_answered(service: Service) -> None:
    """A head of three quarters of the limit is accepted."""
    connection = await service.connect()
    padding = "a" * (HEAD_BYTES_MAX * 3 // 4)
    connection.send(f"GET /long HTTP/1.1\r\nHost: localhost\r\nX: {padding}\r\n\r\n".encode())

    assert (await connection.answer()).body == b"/long"


@pytest.mark.parametrize("garbage", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_not_http_is_a_400(service: Service, garbage: bytes) -> None:
    """An invalid request gets a problem document without an echo, and the connection closes."""
    connection = await service.connect(garbage)

    answer = await connection.answer()

    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.body)["detail"] == "this is not an HTTP/1.1 request"
    assert await connection.until_closed() == b""
    # Only a bad body can be found too late to keep the request from the application.
    assert len(service.heads) == garbage.endswith(b"zz\r\n")


async def test_half_an_answer_is_not_followed_by_another(service: Service) -> None:
    """If a request fails after its answer has begun, the connection closes."""
    connection = await service.connect(
        b"POST /half HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert (await connection.reader.readuntil(b"half")).startswith(b"HTTP/1.1 200 ")

    connection.send(b"zz\r\n")

    assert b"HTTP/1.1" not in await connection.until_closed()


@pytest.mark.parametrize(
    "garbage",
    [b"HELO\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", HANDSHAKE, CHUNKED + b"zz\r\n"],
    ids=["mail", "no host", "websocket", "bad body"],
)
@pytest.mark.parametrize("paths", [["/wait"], ["/wait", "/second", "/third"]], ids=len)
async def test_garbage_behind_requests_waits_for_their_answers(
    service: Service, paths: list[str], garbage: bytes
) -> None:
    """The error of an invalid request waits for the answers to all requests before it."""
    connection = await service.connect(b"".join(map(get, paths)) + garbage)
    await service.outwait()

    service.released.set()

    assert await connection.bodies(len(paths)) == [path.encode() for path in paths]
    assert await connection.last_status() == 400


async def test_a_thousand_requests_at_once_are_answered_in_a_row(service: Service) -> None:
    """Pipelined requests are answered in order, however many arrive together."""
    connection = await service.connect(b"".join(get(f"/{number}") for number in range(1_000)))

    assert await connection.bodies(1_000) == [f"/{number}".encode() for number in range(1_000)]


@pytest.mark.parametrize("body", [b"", b"{}"], ids=["no body", "body"])
async def test_an_upgrade_that_is_not_ours_is_ignored(service: Service, body: bytes) -> None:
    """An offer of HTTP/2 is ignored (RFC 7540)."""
    connection = await service.connect()
    head = (
        "POST /body HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        f"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.send(head.encode() + body + get("/second"))

    assert await connection.bodies(2) == [b"/body", b"/second"]


async def test_an_old_client_is_answered_and_left(service: Service) -> None:
    """HTTP/1.0 needs no Host header, and its connection closes after the answer."""
    connection = await service.connect(b"GET /old HTTP/1.0\r\n\r\n")

    answer = await connection.answer()

    assert (answer.body, answer.headers["connection"]) == (b"/old", "close")
    assert await connection.until_closed() == b""


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on(service: Service) -> None:
    """``Expect: 100-continue`` is answered before the body, as curl requires for a long body."""
    connection = await service.connect(
        b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    connection.send(b"{}")

    assert (await connection.answer()).body == b"/body"


@pytest.mark.parametrize(
    ("sent", "is_whole"), [(b"", b"False"), (b"{", b"False"), (b"{}", b"True")]
)
async def test_it_is_told_whether_a_body_has_to_be_waited_for(
    service: Service, sent: bytes, is_whole: bytes
) -> None:
    """The application learns whether the body arrived with the head and needs no timer."""
    connection = await service.connect(
        b"POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + sent
    )

    assert (await connection.answer()).body == is_whole
