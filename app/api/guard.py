"""Who may ask, and what is said when everything else failed: the outermost layer of the edge."""

import re
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import (
    ForeignOriginError,
    InternalError,
    UnknownHostError,
    problem_response,
)
from app.domain.errors import CallerError

PROBE_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Whoever watches the service calls it by whatever address it has."""

LOGGED_PATH_CHARACTERS_MAX: Final = 200
"""Enough to recognize a route; a log line must not grow with the request."""

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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await problem_response(refusal)(scope, receive, send)
            return
        await self._answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> CallerError | None:
        if scope["path"] in PROBE_PATHS:
            return None
        hosts = _header_values(scope, b"host")
        if not is_known_host(hosts, self._allowed_hosts):
            return UnknownHostError()
        if scope["method"] in _SAFE_METHODS:
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
        except ClientDisconnect:
            _log.debug("client_disconnected")
        except Exception:
            if has_started:
                raise  # half an answer is out: the server can only cut the connection
            path = scope["path"][:LOGGED_PATH_CHARACTERS_MAX]
            _log.exception("request_failed", method=scope["method"], path=path)
            await problem_response(InternalError())(scope, receive, send)


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


def _header_values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
