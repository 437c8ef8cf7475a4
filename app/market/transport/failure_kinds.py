"""Why a connection ended, and why one could not be opened: kinds to count, causes to read."""

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from websockets.exceptions import InvalidStatus

CAUSE_CHARACTERS_MAX: Final = 300
"""What the venue says is shown to operators, but not at any length."""

RETRY_AFTER_SECONDS_MAX: Final = 3 * 86_400.0
"""The venue's longest ban."""

_REFUSED: Final = f"[Errno {errno.ECONNREFUSED}]"
"""Several addresses that fail differently come as one error, with all their texts."""


class EndKind(StrEnum):
    """How a connection ended; counted as ``lost_<kind>``."""

    CLOSED_BY_VENUE = "closed_by_venue"
    """With a closing frame: its code and reason are the cause."""
    SHUTDOWN = "shutdown"
    """Likewise or by a reset, after the venue had announced it."""
    RESET = "reset"
    """Without a closing frame."""
    KEEPALIVE = "keepalive"
    """Half open: a ping of ours got no pong."""
    UNREADABLE = "unreadable"
    """What came was no WebSocket frame, or too large for one."""
    UNACKNOWLEDGED = "unacknowledged"
    """A control message of ours got no answer."""
    STALLED = "stalled"
    """Depth showed a change that no frame told."""
    IDS_WENT_BACK = "ids_went_back"
    """Update ids stayed at or below the highest one of their stream."""
    TOO_FAR_BEHIND = "too_far_behind"
    """More frames had to be kept than there is room for."""
    ENDED_BY_US = "ended_by_us"
    """The feed stops, or an error of our own made it begin anew: see the log."""


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
    (OSError, FailureKind.UNREACHABLE),
)
"""The first that fits; whatever does not is no WebSocket handshake."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a connection."""

    kind: EndKind
    cause: str


class ConnectionFailedError(Exception):
    """The connection could not be opened; the text says where and why.

    ``retry_after_seconds`` is how long the venue wants to be left alone, 0 if it did not say.
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
    """Read the header of a refusal; the venue sends seconds, never a date."""
    if not isinstance(error, InvalidStatus):
        return 0.0
    said = ",".join(error.response.headers.get_all("Retry-After"))
    if re.fullmatch(r"[0-9]{1,9}", said, re.ASCII) is None:
        return 0.0
    return min(float(said), RETRY_AFTER_SECONDS_MAX)
