"""Classify why a connection ended or failed to open: kinds to count, causes to read."""

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from websockets.exceptions import InvalidStatus

CAUSE_CHARACTERS_MAX: Final = 300
"""Bounds the venue's text, which is shown to operators."""

RETRY_AFTER_SECONDS_MAX: Final = 3 * 86_400.0
"""The venue's longest ban."""

_REFUSED: Final = f"[Errno {errno.ECONNREFUSED}]"
"""If several addresses fail differently, one error holds all their texts."""


class EndKind(StrEnum):
    """How a connection ended; counted as ``lost_<kind>``."""

    CLOSED_BY_VENUE = "closed_by_venue"
    """By a close frame; its code and reason are the cause."""
    SHUTDOWN = "shutdown"
    """By a close frame or a reset, after the venue announced it."""
    RESET = "reset"
    """Without a close frame."""
    KEEPALIVE = "keepalive"
    """Half open: our ping got no pong."""
    UNREADABLE = "unreadable"
    """The data was not a WebSocket frame, or too large."""
    UNACKNOWLEDGED = "unacknowledged"
    """Our control message got no answer."""
    STALLED = "stalled"
    """Depth showed a change that no frame reported."""
    IDS_WENT_BACK = "ids_went_back"
    """Update ids stayed at or below the highest id of their stream."""
    TOO_FAR_BEHIND = "too_far_behind"
    """The frame buffer of a new connection was full."""
    ENDED_BY_US = "ended_by_us"
    """The feed stopped, or restarted after an error of our own (see the log)."""


class FailureKind(StrEnum):
    """Why an attempt to connect failed; counted as ``failed_<kind>``."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    HTTP_STATUS = "http_status"
    HANDSHAKE = "handshake"


_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (InvalidStatus, FailureKind.HTTP_STATUS),
    (TimeoutError, FailureKind.TIMEOUT),
    (socket.gaierror, FailureKind.DNS),
    (ssl.SSLError, FailureKind.TLS),
    (ConnectionRefusedError, FailureKind.REFUSED),
    (ConnectionError, FailureKind.HANDSHAKE),
    (OSError, FailureKind.UNREACHABLE),  # last, as most of the others are subclasses of it
)
"""The first matching type counts; other errors are failed handshakes."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a connection."""

    kind: EndKind
    cause: str


class ConnectionFailedError(Exception):
    """The connection could not be opened; the text says where and why.

    ``retry_after_seconds`` is the wait that the venue asked for, 0 if it named none.
    """

    def __init__(self, endpoint: str, error: Exception) -> None:
        cause = str(error) or type(error).__name__
        self.kind = _kind_of(error)
        self.retry_after_seconds = _retry_after_seconds(error)
        super().__init__(f"{endpoint}: {cause}"[:CAUSE_CHARACTERS_MAX])


def _kind_of(error: Exception) -> FailureKind:
    for error_type, kind in _KINDS:
        if isinstance(error, error_type):
            is_refused = kind is FailureKind.UNREACHABLE and _REFUSED in str(error)
            return FailureKind.REFUSED if is_refused else kind
    return FailureKind.HANDSHAKE


def _retry_after_seconds(error: Exception) -> float:
    """Read the Retry-After header of a refusal; the venue sends seconds, never a date."""
    if not isinstance(error, InvalidStatus):
        return 0.0
    header = ",".join(error.response.headers.get_all("Retry-After"))
    if re.fullmatch(r"[0-9]{1,9}", header, re.ASCII) is None:
        return 0.0
    return min(float(header), RETRY_AFTER_SECONDS_MAX)
