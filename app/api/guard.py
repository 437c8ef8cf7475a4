"""Who may ask, and what is said when everything else failed: the outermost layer of the edge.

It also sees to the headers that every answer carries, so that none can be forgotten.
"""

import re
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.api.errors import (
    ForeignOriginError,
    InternalError,
    UnknownHostError,
    problem_response,
)
from app.domain.errors import CallerError, PapertapeError

PROBE_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Whoever watches the service calls it by whatever address it has."""

LOGGED_PATH_CHARACTERS_MAX: Final = 200
"""Enough to recognize a route; a log line must not grow with the request."""

ANSWER_HEADERS: Final = (
    # What we send is what we say it is, for nobody's frame, cache or page but ours.
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer that does not set them itself."""

WEBSOCKET_REFUSED: Final = 1008
"""Policy violation (RFC 6455 section 7.4.1)."""

_RESPONSE_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})
_DENIAL_EXTENSION: Final = "websocket.http.response"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)", re.ASCII)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

_log = structlog.get_logger()


class Guard:
    """Refuses unknown hosts and foreign origins, and turns an unforeseen error into a 500."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of ASGI."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(refusal, scope, receive, _hardened(send))
            return
        await self._answer(scope, receive, _hardened(send))

    def _refusal(self, scope: Scope) -> CallerError | None:
        is_websocket = scope["type"] == "websocket"
        if scope["path"] in PROBE_PATHS and not is_websocket:
            return None
        hosts = _header_values(scope, b"host")
        if not is_known_host(hosts, self._allowed_hosts):
            return UnknownHostError()
        # No browser asks before it opens a WebSocket to another origin, nor keeps the page from
        # reading what comes: it is to be refused like a change.
        if not is_websocket and scope["method"] in _SAFE_METHODS:
            return None
        origins = _header_values(scope, b"origin")
        if origins and not is_same_origin(origins, hosts[0]):
            return ForeignOriginError()
        return None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except (ClientDisconnect, WebSocketDisconnect):
            _log.debug("client_disconnected")
        except Exception:
            if has_started:
                raise  # half an answer is out: the server can only cut the connection
            path = scope["path"][:LOGGED_PATH_CHARACTERS_MAX]
            method = scope.get("method", "WEBSOCKET")
            _log.exception("request_failed", method=method, path=path)
            await _refuse(InternalError(), scope, receive, send)


def is_known_host(hosts: list[str], allowed_hosts: frozenset[str]) -> bool:
    """Whether there is exactly one Host header, well formed, that names one of ours."""
    if len(hosts) != 1:
        return False
    parts = _HOST.fullmatch(hosts[0].lower())
    return parts is not None and parts[1] in allowed_hosts


def is_same_origin(origins: list[str], host: str) -> bool:
    """Whether the only Origin header stands for a page of ours; ``null`` is nobody's."""
    parts = _ORIGIN.fullmatch(origins[0].lower())
    if len(origins) != 1 or parts is None:
        return False
    scheme, authority = parts.groups()
    default_port = _DEFAULT_PORTS[scheme]
    return authority.removesuffix(default_port) == host.lower().removesuffix(default_port)


async def _refuse(error: PapertapeError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a problem document; to a WebSocket too, where the server can answer one in HTTP."""
    if scope["type"] == "websocket" and _DENIAL_EXTENSION not in scope.get("extensions", {}):
        # Before the handshake is accepted, servers make a plain 403 of it.
        await send({"type": "websocket.close", "code": WEBSOCKET_REFUSED, "reason": error.code})
        return
    await problem_response(error)(scope, receive, send)


def _hardened(send: Send) -> Send:
    """Return a ``send`` that adds the headers which an answer does not set itself."""

    async def hardened_send(message: Message) -> None:
        if message["type"] in _RESPONSE_STARTS:
            headers = list(message.get("headers", ()))
            present = {name.lower() for name, _ in headers}
            headers += [header for header in ANSWER_HEADERS if header[0] not in present]
            message = {**message, "headers": headers}
        await send(message)

    return hardened_send


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
