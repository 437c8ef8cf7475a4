"""The outermost layer: refuses foreign hosts and origins, answers errors, adds headers.

Every answer passes through it, so that no route can forget a header or an error's document.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from app.api.problems import (
    REFUSALS,
    ForeignOriginError,
    InternalError,
    StoppingError,
    UnknownHostError,
    problem_response,
)
from app.domain.errors import CallerError, PapertapeError

PROBE_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Monitoring may call these under any host name."""

LOGGED_PATH_CHARACTERS_MAX: Final = 200
"""Enough to recognize a route; a log line must not grow with the request."""

ANSWER_HEADERS: Final = (
    # An answer is of the type that it names, and only for our own frame, cache and page.
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

Header = tuple[bytes, bytes]

_ALL_ANSWER_HEADERS: Final = list(ANSWER_HEADERS)
_ANSWER_HEADER_NAMES: Final = frozenset(name for name, _ in ANSWER_HEADERS)
_GUARDED: Final = frozenset({"http", "websocket"})
_ANSWERED: Final = tuple(REFUSALS)
_RESPONSE_STARTS: Final = frozenset({"http.response.start", "websocket.http.response.start"})
_DENIAL_EXTENSION: Final = "websocket.http.response"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII)
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)", re.ASCII)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}

_log = structlog.get_logger()


class Guard:
    """Refuses unknown hosts and foreign origins, and answers every error that the app raises.

    ``translate`` turns errors of the web framework into ours, ``None`` for any other.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Iterable[str],
        translate: Callable[[Scope, Exception], PapertapeError | None] | None = None,
    ) -> None:
        self._app = app
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._translate = translate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of ASGI."""
        if scope["type"] not in _GUARDED:
            await self._app(scope, receive, send)
            return
        has_started = False

        async def guarded_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            if message["type"] in _RESPONSE_STARTS:
                message["headers"] = _with_answer_headers(message.get("headers", ()))
            await send(message)

        try:
            refusal: PapertapeError | None = self._refusal(scope)
            if refusal is None:
                await self._app(_as_get(scope), receive, guarded_send)
                return
        except (ClientDisconnect, WebSocketDisconnect):
            _log.debug("client_disconnected")
            return
        except asyncio.CancelledError:
            # A stopping server cancels requests that take too long, and would answer 500.
            if not has_started:
                await _refuse(StoppingError(), scope, receive, guarded_send)
            raise
        except Exception as error:
            if has_started:
                raise  # part of an answer is sent: the server can only cut the connection
            refusal = self._answerable(scope, error)
        await _refuse(refusal, scope, receive, guarded_send)

    def _refusal(self, scope: Scope) -> CallerError | None:
        is_websocket = scope["type"] == "websocket"
        if scope["path"] in PROBE_PATHS and not is_websocket:
            return None
        hosts = _header_values(scope, b"host")
        if not is_known_host(hosts, self._allowed_hosts):
            return UnknownHostError()
        # A browser opens a WebSocket to another origin without a preflight request, and lets the
        # page read the messages: it is refused like a change.
        if not is_websocket and scope["method"] in _SAFE_METHODS:
            return None
        origins = _header_values(scope, b"origin")
        if origins and not is_same_origin(origins, hosts[0]):
            return ForeignOriginError()
        return None

    def _answerable(self, scope: Scope, error: Exception) -> PapertapeError:
        """Return the error to answer: one of the table, or an internal error, which is logged."""
        if isinstance(error, _ANSWERED):
            return error
        translated = None if self._translate is None else self._translate(scope, error)
        if translated is not None:
            return translated
        path = scope["path"][:LOGGED_PATH_CHARACTERS_MAX]
        method = scope.get("method", "WEBSOCKET")
        _log.error("request_failed", method=method, path=path, exc_info=error)
        return InternalError()


def is_known_host(hosts: list[str], allowed_hosts: frozenset[str]) -> bool:
    """Whether the only Host header is well formed and names an allowed host."""
    if len(hosts) != 1:
        return False
    parts = _HOST.fullmatch(hosts[0].lower())
    return parts is not None and parts[1] in allowed_hosts


def is_same_origin(origins: list[str], host: str) -> bool:
    """Whether the only Origin header names our own origin; ``null`` never does."""
    parts = _ORIGIN.fullmatch(origins[0].lower())
    if len(origins) != 1 or parts is None:
        return False
    scheme, authority = parts.groups()
    default_port = _DEFAULT_PORTS[scheme]
    return authority.removesuffix(default_port) == host.lower().removesuffix(default_port)


def _as_get(scope: Scope) -> Scope:
    """Return a HEAD request as GET: FastAPI's routes take only the methods that they name.

    "The HEAD method is identical to GET except that the server MUST NOT send content" (RFC 9110
    section 9.3.2); the server keeps the method of its own scope and drops the content.
    """
    if scope.get("method") != "HEAD":
        return scope
    return {**scope, "method": "GET"}


async def _refuse(error: PapertapeError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a problem document, also to a WebSocket handshake where the server supports it."""
    if scope["type"] == "websocket" and _DENIAL_EXTENSION not in scope.get("extensions", {}):
        # Servers answer this with a plain 403, since the handshake is not accepted yet.
        await send({"type": "websocket.close", "code": WEBSOCKET_REFUSED, "reason": error.code})
        return
    await problem_response(error)(scope, receive, send)


def _with_answer_headers(headers: Iterable[Header]) -> list[Header]:
    """Add the headers that an answer does not set itself."""
    headers = list(headers)
    present = {name.lower() for name, _ in headers}
    if present.isdisjoint(_ANSWER_HEADER_NAMES):
        return headers + _ALL_ANSWER_HEADERS
    return headers + [header for header in ANSWER_HEADERS if header[0] not in present]


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]
