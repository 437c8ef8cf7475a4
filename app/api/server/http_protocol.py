"""The connections of HTTP/1.1, with an end to everything a client may keep us waiting for.

Uvicorn's own protocol waits for a request head for as long as it takes, so that a client that sends
nothing, or one byte a minute, holds a connection for ever. Here a connection on which no answer is
owed has ``head_seconds_max`` to complete its next head, counted from when the last answer's
keep-alive was interrupted by the first byte; that holds too while the rest of an answered request's
body comes in. How long a body may take that somebody waits for is decided where it is read
(``body``), and a request whose answer takes minutes is left alone.

The parser (llhttp, through httptools) neither bounds a head nor stops after a request that has yet
to be answered. So what arrives is taken in slices, and no further ones while requests wait.
"""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.api.guard import ANSWER_HEADERS
from app.api.json_body import WHOLE_BODY_EXTENSION
from app.api.problems import HeadTooLargeError, MalformedHttpError, problem_response
from app.domain.errors import CallerError

HEAD_SECONDS_MAX: Final = 10.0
"""From connecting, or from the first byte of a further request, to the end of its headers."""

KEEP_ALIVE_SECONDS: Final = 30
"""How long a connection may be idle between two requests; more than clients keep theirs for."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Request line and headers together; ours have a few hundred bytes."""

_SLICE_BYTES: Final = 4 * 1024
_HOST: Final = b"host"
_TRANSFER_ENCODING: Final = b"transfer-encoding"
_CODINGS: Final[tuple[list[bytes], ...]] = ([], [b"chunked"])
_UPGRADE: Final = b"upgrade"
_CONNECT: Final = b"CONNECT"


def last_answer(error: CallerError, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a whole answer to what is no request, and behind which the connection is closed."""
    answer = problem_response(error)
    closing = (b"connection", b"close")
    headers = [*default_headers, *answer.raw_headers, *ANSWER_HEADERS, closing]
    lines = [b"%b: %b\r\n" % header for header in headers]
    status = STATUS_LINE[HTTPStatus(answer.status_code)]
    return b"".join([status, *lines, b"\r\n", bytes(answer.body)])


class BoundedHttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 with limits on a head's time and length, and problem documents."""

    head_seconds_max: ClassVar[float] = HEAD_SECONDS_MAX

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._framing_bytes = 0  # of a head, or since the last byte of a body
        self._answers_owed = 0  # to requests that were started or queued
        self._later = b""  # what came behind requests that wait for their turn
        self._refusal: HeadTooLargeError | MalformedHttpError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the time of the first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time, and what nobody waits for any more."""
        self._stop_watching()
        self.pipeline.clear()
        self._later = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, up to the first request that has to wait for its turn."""
        self._unset_keepalive_if_required()
        if self._later:
            data = self._later + data
            self._later = b""
        while data and self._refusal is None and self._is_reading():
            if self.pipeline:
                self._later = data
                self.flow.pause_reading()
                break
            piece = data[:_SLICE_BYTES]
            data = data[self._take(piece) :]
        self._watch()

    def _take(self, piece: bytes) -> int:
        """Have a piece parsed, and return how many of its bytes were."""
        taken = len(piece)
        try:
            taken = self._parse(piece)
        except httptools.HttpParserError:
            self._refuse(MalformedHttpError())
        self._framing_bytes += taken
        if self._framing_bytes > HEAD_BYTES_MAX:
            self._refuse(HeadTooLargeError(HEAD_BYTES_MAX))
        return taken

    def _parse(self, piece: bytes) -> int:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._should_upgrade():
                self._decline_upgrade()
            elif self._answers_owed:
                self._refuse(MalformedHttpError())
            else:
                self.handle_websocket_upgrade()
            taken = upgrade.args[0]
            assert isinstance(taken, int), "where the head ends"
            return taken
        return len(piece)

    def on_message_begin(self) -> None:
        """Count the bytes of a head from here on."""
        super().on_message_begin()
        self._is_in_head = True
        self._framing_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but no trailer, which the parser tells like one.

        "A recipient MUST NOT merge" those that it does not know (RFC 9110 section 6.5.1).
        """
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start a request, or queue it."""
        self._check_head()
        if self.parser.should_upgrade() and not self._should_upgrade():
            if self.parser.get_method() == _CONNECT:
                raise MalformedHttpError
            return
        before = self.cycle
        super().on_headers_complete()
        self._answers_owed += self.cycle is not before
        self._is_in_head = False

    def _check_head(self) -> None:
        """Refuse what the parser lets pass and RFC 9112 does not.

        That is a version that is not ours, a request without the one Host header that it must have
        (section 3.2), and a body in a coding that we cannot undo, or in any from HTTP/1.0 (6.1).
        """
        version = self.parser.get_http_version()
        hosts = sum(name == _HOST for name, _ in self.headers)
        codings = [value.lower() for name, value in self.headers if name == _TRANSFER_ENCODING]
        is_ours = (
            hosts == 1 if version == "1.1" else version == "1.0" and hosts <= 1 and not codings
        )
        if not is_ours or codings not in _CODINGS:
            raise MalformedHttpError

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell that a body is whole, unless the head has yet to be taken."""
        if not self._is_in_head:
            super().on_message_complete()
            self.scope["extensions"] = {WHOLE_BODY_EXTENSION: {}}

    def _decline_upgrade(self) -> None:
        """Take a request that offers another protocol as if it did not (RFC 9110 section 7.8).

        The parser would take its body for the other protocol, so it begins anew without the offer.
        """
        start = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != _UPGRADE]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"".join([b"%b %b HTTP/%b\r\n" % start, *lines, b"\r\n"]))

    def on_response_complete(self) -> None:
        """Go on with what waited for its turn."""
        self._answers_owed -= 1
        super().on_response_complete()
        if self._refusal is not None and not self._answers_owed:
            self._send_now(self._refusal)
        elif self._later and not self.pipeline:
            self.data_received(b"")

    def _refuse(self, error: HeadTooLargeError | MalformedHttpError) -> None:
        """Answer what cannot be taken for a request once it is its turn, and close."""
        self._refusal = error
        cycle = self.cycle
        is_in_body = not self._is_in_head and cycle is not None and cycle.more_body  # type: ignore[redundant-expr] # it is None before the first request
        if is_in_body and self.pipeline:
            self.pipeline.popleft()  # it will never be whole
            self._answers_owed -= 1
        elif is_in_body and cycle.response_started:
            self.transport.close()  # half an answer is out, or all of it
            return
        elif is_in_body:
            self._answers_owed = 0
        if self._answers_owed:
            self.flow.pause_reading()
        else:
            self._send_now(error)

    def _send_now(self, error: HeadTooLargeError | MalformedHttpError) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(last_answer(error, self.server_state.default_headers))
        self.transport.close()

    def _is_reading(self) -> bool:
        """Whether the connection is open and ours; a WebSocket has a protocol of its own."""
        return not self.transport.is_closing() and self.transport.get_protocol() is self

    def _watch(self) -> None:
        if self._answers_owed or not self._is_reading():
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self.head_seconds_max, self.timeout_keep_alive_handler
            )

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
