"""Tests of ``app.market.transport.failure_kinds``."""

import errno
import socket
import ssl

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.http11 import Response

from app.market.transport.failure_kinds import (
    CAUSE_CHARACTERS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    ConnectionFailedError,
    FailureKind,
)


def refusal(status: int, **headers: str) -> InvalidStatus:
    """Make a handshake that the venue refused."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return InvalidStatus(Response(status, "", Headers(named), b""))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (socket.gaierror(-2, "Name or service not known"), FailureKind.DNS),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), FailureKind.REFUSED),
        (OSError("Multiple exceptions: [Errno 111] ::1, [Errno 101] other"), FailureKind.REFUSED),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), FailureKind.UNREACHABLE),
        (TimeoutError("timed out during opening handshake"), FailureKind.TIMEOUT),
        (ssl.SSLCertVerificationError("self-signed certificate"), FailureKind.TLS),
        (ConnectionResetError(errno.ECONNRESET, "reset"), FailureKind.HANDSHAKE),
        (InvalidMessage("did not receive a valid HTTP response"), FailureKind.HANDSHAKE),
        (InvalidHandshake(""), FailureKind.HANDSHAKE),
        (refusal(429), FailureKind.HTTP_STATUS),
        (refusal(451), FailureKind.HTTP_STATUS),
    ],
)
def test_each_error_has_its_kind(error: Exception, kind: FailureKind) -> None:
    """Each error of an attempt has its own kind."""
    assert ConnectionFailedError("ws://venue", error).kind is kind


def test_text_names_the_place_and_the_cause_at_no_great_length() -> None:
    """The text names endpoint and cause, shortened; without a cause, the error's type."""
    assert str(ConnectionFailedError("ws://venue", refusal(403))) == (
        "ws://venue: server rejected WebSocket connection: HTTP 403"
    )
    assert str(ConnectionFailedError("ws://venue", TimeoutError())) == "ws://venue: TimeoutError"
    assert len(str(ConnectionFailedError("ws://venue", OSError("x" * 999)))) == CAUSE_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (refusal(429, Retry_After="7"), 7),
        (refusal(418, Retry_After="999999999"), RETRY_AFTER_SECONDS_MAX),
        (refusal(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), 0),
        (refusal(429, Retry_After="-1"), 0),
        (refusal(429), 0),
        (TimeoutError(), 0),
    ],
)
def test_retry_after_of_the_venue_is_read(error: Exception, seconds: float) -> None:
    """Retry-After in seconds is obeyed up to the longest ban; other forms are ignored."""
    assert ConnectionFailedError("ws://venue", error).retry_after_seconds == seconds
