"""The connections of HTTP/1.1, with an end to everything a client may keep us waiting for.

Uvicorn's own protocol waits for a request head for as long as it takes, so that a client that sends
nothing, or one byte a minute, holds a connection for ever. Here a connection on which no answer is
owed has ``head_seconds_max`` to complete its next head, counted from when the last answer's
keep-alive was interrupted by the first byte; that holds too while the rest of an answered request's
body comes in. How long a body may take that somebody waits for is decided where it is read
(``body``), and a request whose answer takes minutes is left alone.
"""

import asyncio
import sys
from http import HTTPStatus
from typing import Any, ClassVar, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from app.api.errors import HeadTooLargeError, MalformedHttpError, problem_response
from app.api.guard import ANSWER_HEADERS

HEAD_SECONDS_MAX: Final = 10.0
"""From connecting, or from the first byte of a further request, to the end of its headers."""

KEEP_ALIVE_SECONDS: Final = 30
"""How long a connection may be idle between two requests; more than clients keep theirs for."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Request line and headers together; ours have a few hundred bytes."""

_SLICE_BYTES: Final = 4 * 1024


class BoundedHttpProtocol(H11Protocol):
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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Start the time of the first head."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, in slices.

        h11 measures a head only while it is incomplete, and up to 256 KiB may arrive at once.
        """
        for start in range(0, len(data), _SLICE_BYTES):
            super().data_received(data[start : start + _SLICE_BYTES])
            if not self._is_reading():
                break
        self._watch()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text is replaced
        """Answer what h11 cannot take for a request, and close."""
        cause = sys.exception()
        is_too_large = (
            isinstance(cause, h11.RemoteProtocolError)
            and cause.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        )
        error = HeadTooLargeError(HEAD_BYTES_MAX) if is_too_large else MalformedHttpError()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # else half an answer is out
            self._send_now(error)
        self.transport.close()

    def _send_now(self, error: HeadTooLargeError | MalformedHttpError) -> None:
        answer = problem_response(error)
        headers = [*answer.raw_headers, *ANSWER_HEADERS, (b"connection", b"close")]
        status = HTTPStatus(answer.status_code)
        for event in (
            h11.Response(status_code=status, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")

    def _is_reading(self) -> bool:
        """Whether the connection is open and ours; a WebSocket has a protocol of its own."""
        return not self.transport.is_closing() and self.transport.get_protocol() is self

    def _watch(self) -> None:
        cycle = self.cycle
        is_answered = cycle is None or cycle.response_complete  # type: ignore[redundant-expr] # it is None before the first request
        if not is_answered or not self._is_reading():
            self._stop_watching()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(
                self.head_seconds_max, self.timeout_keep_alive_handler
            )

    def _stop_watching(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
