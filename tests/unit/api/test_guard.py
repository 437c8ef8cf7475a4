"""The guard's checks of hosts and origins."""

import asyncio
from collections.abc import Iterable

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from structlog.testing import capture_logs

from app.api.guard import Guard
from tests.support.in_memory import MemoryPorts, quote
from tests.support.in_process import LOCALHOST, AsgiPeer, exchange, scope_of

BUY = b'{"symbol": "LTCBTC", "order_size": "1", "price": "0.0026"}'


async def call(
    application: FastAPI, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]
) -> int:
    """Return the status of a request with exactly these headers."""
    body: Message = {"type": "http.request", "body": BUY, "more_body": False}
    start, *_ = await exchange(application, scope_of(method, path, *headers), body)
    status = start["status"]
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:8080",
        b"LocalHost:1",
        b"127.0.0.1",
        b"127.0.0.1:65535",
        b"[::1]",
        b"[::1]:8080",
    ],
)
@pytest.mark.parametrize("path", ["/orders", "/docs", "/openapi.json", "/docs-assets/favicon.png"])
async def test_known_host_is_answered(application: FastAPI, host: bytes, path: str) -> None:
    """An allowed host is accepted with any port, in upper or lower case."""
    assert await call(application, "GET", path, [(b"host", host)]) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"example.com"],
        [b"localhost.example.com"],
        [b"example.com:8080"],
        [b"localhost."],
        [b"127.0.0.2"],
        [b"::1"],
        [b"[::2]:8080"],
        [b"[::1"],
        [b"localhost:"],
        [b"localhost:port"],
        [b"localhost:80:80"],
        [b"localhost@example.com"],
        [b"example.com#localhost"],
        [b"localhost/"],
        [b"localhost, example.com"],
        [b" localhost"],
        [b"localhost\n"],
        [b"\xffocalhost"],
        [b"localhost", b"localhost"],
        [b"localhost", b"example.com"],
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/orders"), ("GET", "/docs"), ("POST", "/order/limit"), ("GET", "/nowhere")],
)
async def test_unknown_host_is_refused_everywhere(
    application: FastAPI, ports: MemoryPorts, hosts: list[bytes], method: str, path: str
) -> None:
    """A request for an unknown host, or for none, is refused before anything else is checked."""
    status = await call(application, method, path, [(b"host", host) for host in hosts])

    assert status == 421
    assert not ports.orders.snapshots


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("headers", [[], [(b"host", b"10.1.2.3:8080")], [(b"host", b"pod-7")]])
async def test_probes_answer_under_any_host(
    application: FastAPI, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    """Probes are answered under any host name."""
    assert await call(application, "GET", path, headers) == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://localhost:8080", b"localhost:8080"),
        (b"http://LOCALHOST:8080", b"localhost:8080"),
        (b"http://localhost", b"localhost"),
        (b"http://localhost", b"localhost:80"),
        (b"http://localhost:80", b"localhost"),
        (b"https://localhost", b"localhost:443"),
        (b"http://[::1]:8080", b"[::1]:8080"),
        (b"https://localhost:8080", b"localhost:8080"),
    ],
)
async def test_page_of_ours_may_place_an_order(
    application: FastAPI, ports: MemoryPorts, origin: bytes, host: bytes
) -> None:
    """The docs page sends the service's own origin, with ``https`` behind a proxy with TLS."""
    ports.desk.show(quote(1))

    status = await call(application, "POST", "/order/limit", [(b"host", host), (b"origin", origin)])

    assert status == 200


@pytest.mark.parametrize(
    "origins",
    [
        [b"null"],
        [b""],
        [b"http://example.com"],
        [b"http://localhost"],
        [b"http://localhost:8081"],
        [b"http://localhost:8080.example.com"],
        [b"http://localhost:8080@example.com"],
        [b"http://example.com#localhost:8080"],
        [b"http://127.0.0.1:8080"],
        [b"http://localhost:8080/"],
        [b"//localhost:8080"],
        [b"localhost:8080"],
        [b"file://localhost:8080"],
        [b"chrome-extension://localhost:8080"],
        [b"http://localhost:8080 http://example.com"],
        [b"http://localhost:8080", b"http://example.com"],
        [b"http://localhost:8080", b"http://localhost:8080"],
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
async def test_foreign_page_may_change_nothing(
    application: FastAPI, ports: MemoryPorts, origins: list[bytes], method: str
) -> None:
    """A page of another origin cannot place an order through its visitor's browser."""
    headers = [(b"host", b"localhost:8080"), *((b"origin", origin) for origin in origins)]

    status = await call(application, method, "/order/limit", headers)

    assert status == 403
    assert not ports.orders.snapshots


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_foreign_page_may_ask_but_not_read(client: AsyncClient, method: str) -> None:
    """A read from another origin is answered, but no header lets a page read the answer."""
    response = await client.request(method, "/orders", headers={"Origin": "http://example.com"})

    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_client_that_leaves_while_sending_is_let_go(application: FastAPI) -> None:
    """A client that leaves before its body is complete causes no error and gets no answer."""
    scope = scope_of("POST", "/order/limit", LOCALHOST)

    assert await exchange(application, scope, {"type": "http.disconnect"}) == []


async def test_other_protocols_pass_the_guard() -> None:
    """Startup and shutdown messages pass through the guard unchanged."""
    seen: list[str] = []

    async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    await exchange(Guard(inner, allowed_hosts=()), {"type": "lifespan"})

    assert seen == ["lifespan"]


ANSWER_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/orders", {}, 200),
        ("HEAD", "/orders", {}, 200),
        ("GET", "/", {}, 307),
        ("GET", "/docs", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/docs-assets/swagger-ui.css", {}, 200),
        ("GET", "/docs-assets/none.css", {}, 404),
        ("GET", "/healthz", {}, 200),
        ("POST", "/order/limit", {}, 400),
        ("POST", "/order/limit", {"Origin": "null"}, 403),
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/orders", {}, 405),
        ("GET", "/orders", {"Host": "example.com"}, 421),
        ("GET", "/orders?verbose=1", {}, 422),
    ],
)
async def test_every_answer_tells_the_browser_to_be_careful(
    client: AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Every answer forbids sniffing, framing, referrers, caching and foreign content."""
    response = await client.request(method, path, headers=headers)

    assert response.status_code == status
    assert {name: response.headers[name] for name in ANSWER_HEADERS} == ANSWER_HEADERS
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] in {"no-store", "no-cache"}
    assert "server" not in response.headers


async def test_files_of_the_page_may_be_kept_and_everything_else_may_not(
    client: AsyncClient,
) -> None:
    """Order data is never cached, and files of the page are revalidated by their tag."""
    file = await client.get("/docs-assets/swagger-ui.css")
    again = await client.get(
        "/docs-assets/swagger-ui.css", headers={"If-None-Match": file.headers["etag"]}
    )

    assert [file.headers["cache-control"], again.headers["cache-control"]] == ["no-cache"] * 2
    assert (again.status_code, again.headers["x-content-type-options"]) == (304, "nosniff")
    assert (await client.get("/orders")).headers["cache-control"] == "no-store"


async def call_websocket(
    *headers: tuple[bytes, bytes],
    inner: ASGIApp,
    path: str = "/ws/orders",
    can_answer_http: bool = True,
) -> list[Message]:
    """Return the answer to a WebSocket handshake with exactly these headers."""
    scope: Scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": list(headers),
        "extensions": {"websocket.http.response": {}} if can_answer_http else {},
    }
    guard = Guard(inner, allowed_hosts=["localhost"])
    return await exchange(guard, scope, {"type": "websocket.connect"})


async def accept(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Accept a WebSocket."""
    await send({"type": "websocket.accept"})


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"localhost:8080")],
        [(b"Host", b"localhost:8080"), (b"Origin", b"http://localhost:8080")],
        [(b"host", b"localhost"), (b"origin", b"https://localhost")],
    ],
)
async def test_websocket_of_a_program_or_of_our_page_is_let_through(
    headers: list[tuple[bytes, bytes]],
) -> None:
    """A handshake without an origin, or with our own, is accepted."""
    assert await call_websocket(*headers, inner=accept) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([(b"host", b"localhost"), (b"origin", b"http://example.com")], 403, b"foreign_origin"),
        ([(b"host", b"localhost"), (b"origin", b"null")], 403, b"foreign_origin"),
        ([(b"host", b"localhost:1"), (b"origin", b"http://localhost:2")], 403, b"foreign_origin"),
        ([(b"host", b"example.com")], 421, b"unknown_host"),
        ([(b"host", b"example.com"), (b"origin", b"http://example.com")], 421, b"unknown_host"),
        ([], 421, b"unknown_host"),
    ],
)
@pytest.mark.parametrize("path", ["/ws/orders", "/healthz"])
async def test_websocket_of_a_foreign_page_is_refused_in_http(
    headers: list[tuple[bytes, bytes]], status: int, code: bytes, path: str
) -> None:
    """A handshake from another origin or host is answered with a problem document."""
    start, body = await call_websocket(*headers, inner=accept, path=path)

    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    sent = dict(start["headers"])
    assert sent[b"content-type"] == b"application/problem+json"
    assert sent[b"x-content-type-options"] == b"nosniff"
    assert body["type"] == "websocket.http.response.body"
    assert b'"code":"' + code + b'"' in body["body"]


async def test_websocket_is_closed_where_the_server_cannot_answer_in_http() -> None:
    """Without HTTP answers the handshake is closed with 1008, which servers turn into a 403."""
    sent = await call_websocket((b"host", b"example.com"), inner=accept, can_answer_http=False)

    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "unknown_host"}]


async def test_websocket_that_fails_before_its_handshake_is_a_500() -> None:
    """An unexpected error before the handshake is logged and answered with 500, as in HTTP."""

    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("our bug")

    with capture_logs() as logs:
        start, _ = await call_websocket((b"host", b"localhost"), inner=fail)

    assert start["status"] == 500
    assert [(log["event"], log["method"]) for log in logs] == [("request_failed", "WEBSOCKET")]


async def test_websocket_whose_client_leaves_is_let_go() -> None:
    """A client that leaves before the handshake causes no error."""

    async def leave(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise WebSocketDisconnect

    assert await call_websocket((b"host", b"localhost"), inner=leave) == []


@pytest.mark.parametrize("has_started", [False, True])
async def test_what_the_server_gives_up_is_told_unless_an_answer_has_begun(
    *, has_started: bool
) -> None:
    """A canceled request is answered with 503 unless its answer has begun, and stays canceled."""
    peer = AsgiPeer()

    async def never(_scope: Scope, _receive: Receive, send: Send) -> None:
        if has_started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    serving = asyncio.create_task(
        Guard(never, allowed_hosts=())(scope_of("GET", "/healthz"), peer.receive, peer.send)
    )
    await asyncio.sleep(0)
    serving.cancel()

    with pytest.raises(asyncio.CancelledError):
        await serving
    assert [message.get("status") for message in peer.sent] == (
        [200] if has_started else [503, None]
    )
