"""The connections of HTTP/1.1: uvicorn's protocol with limits on a head's time and length.

Uvicorn waits for a request head without limit, so a client that sends nothing, or one byte a
minute, holds a connection. Here a connection without an unanswered request has
``head_seconds_max`` to complete its next head. The time starts with the connection or with the
first byte that ends the idle time between requests; it also runs while the rest of an answered
request's body arrives.
``json_body`` limits the time of a body that is read. A request whose answer takes minutes has no
limit here.

The parser (llhttp, through httptools) neither limits a head nor stops after a request that is not
answered yet. So data is parsed in slices, and parsing pauses while requests wait.
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
"""How long a connection may be idle between two requests; longer than clients keep one."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Request line and headers together; ours have a few hundred bytes."""

_SLICE_BYTES: Final = 4 * 1024
_HOST: Final = b"host"
_TRANSFER_ENCODING: Final = b"transfer-encoding"
_CODINGS: Final[tuple[list[bytes], ...]] = ([], [b"chunked"])
_UPGRADE: Final = b"upgrade"
_CONNECT: Final = b"CONNECT"


def last_answer(error: CallerError, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the bytes of the last answer of a connection, to data that is not a request."""
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
        self._later = b""  # data behind requests that wait for their turn
        self._refusal: HeadTooLargeError | MalformedHttpError | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the time of the first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and drop the requests that wait."""
        self._stop_watching()
        self.pipeline.clear()
        self._later = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, up to the first request that has to wait for its turn."""
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
        """Parse a piece, and return how many of its bytes were parsed."""
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
        """Take a header, but no trailer, for which the parser calls the same method.

        "A recipient MUST NOT merge" an unknown trailer into the headers (RFC 9110 section 6.5.1).
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
        """Refuse heads that the parser accepts and RFC 9112 forbids.

        These are another version, a request without exactly one Host header (section 3.2), a body
        in an unknown transfer coding, and a transfer coding in HTTP/1.0 (section 6.1).
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
        """Mark a request whose body is complete, unless its head is still to be taken."""
        if not self._is_in_head:
            super().on_message_complete()
            self.scope["extensions"] = {WHOLE_BODY_EXTENSION: {}}

    def _decline_upgrade(self) -> None:
        """Take a request that offers another protocol as if it did not (RFC 9110 section 7.8).

        The parser would treat its body as the other protocol, so it parses the head again without
        the offer.
        """
        start = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != _UPGRADE]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(b"".join([b"%b %b HTTP/%b\r\n" % start, *lines, b"\r\n"]))

    def on_response_complete(self) -> None:
        """Continue with the requests and data that waited."""
        self._answers_owed -= 1
        super().on_response_complete()
        if self._refusal is not None and not self._answers_owed:
            self._send_now(self._refusal)
        elif self._later and not self.pipeline:
            self.data_received(b"")

    def _refuse(self, error: HeadTooLargeError | MalformedHttpError) -> None:
        """Answer data that is not a request once it is its turn, and close."""
        self._refusal = error
        cycle = self.cycle
        is_in_body = not self._is_in_head and cycle is not None and cycle.more_body  # type: ignore[redundant-expr] # it is None before the first request
        if is_in_body and self.pipeline:
            self.pipeline.popleft()  # it will never be complete
            self._answers_owed -= 1
        elif is_in_body and cycle.response_started:
            self.transport.close()  # the answer was sent, at least in part
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
        """Whether the connection is open and still HTTP; a WebSocket has its own protocol."""
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
