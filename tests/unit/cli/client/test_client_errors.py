"""Tests of ``app.cli.client.client_errors``."""

import errno
import ssl

from app.cli.client import answers as wire
from app.cli.client.client_errors import (
    RefusedError,
    ServiceUnreachableError,
    cause_of,
    refusal,
    shorten,
)


def test_a_refusal_is_one_block() -> None:
    """The detail comes first, then each field, then the order."""
    refusal = RefusedError(
        {
            "code": "invalid_order",
            "detail": "2 problems found; see errors",
            "errors": [
                {"field": "price", "code": "tick_size", "message": "must be a multiple of 0.01"},
                {"field": "order_size", "code": "missing", "message": "is missing"},
            ],
            "order_id": "0199",
        }
    )

    assert str(refusal).splitlines() == [
        "2 problems found",
        "  price: must be a multiple of 0.01",
        "  order_size: is missing",
        "  order: 0199",
    ]
    assert refusal.reason_code == "invalid_order"


def test_an_unreachable_service_is_one_line_that_says_what_to_do() -> None:
    """The message names the address and two solutions."""
    text = str(ServiceUnreachableError("http://127.0.0.1:8080", "refused"))

    assert "\n" not in text
    for part in ("http://127.0.0.1:8080", "refused", "papertape serve", "--url", "PAPERTAPE_URL"):
        assert part in text


def test_a_service_without_https_is_named() -> None:
    """The library's message would not help the user."""
    garbled = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    garbled.reason = "WRONG_VERSION_NUMBER"

    text = str(ServiceUnreachableError("https://127.0.0.1:8080", cause_of(garbled)))

    assert text == "the service does not speak https there; try http://127.0.0.1:8080"


def test_a_refused_key_gets_a_message_about_the_options() -> None:
    """The message depends on whether a key was given; a missing scope is another error."""
    unauthorized = wire.Problem(code="unauthorized", detail="send it as Authorization: Bearer")
    missing = wire.Problem(code="missing_scope", detail="the key may not do this")

    assert str(refusal(unauthorized, has_key=False)) == (
        "the service requires a key: use --key or set PAPERTAPE_KEY"
    )
    assert str(refusal(unauthorized, has_key=True)) == "the service does not know this key"
    assert str(refusal(missing, has_key=True)) == "the key may not do this"


def test_the_text_of_a_server_is_shortened() -> None:
    """The text is one line of limited length without control characters."""
    assert shorten("a\n\t b") == "a b"
    assert len(shorten("x" * 10_000)) == 501


def test_the_message_of_the_operating_system_is_preferred() -> None:
    """Libraries wrap the system's message in their own words."""
    refused = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    wrapped = ConnectionError("All connection attempts failed")
    wrapped.__cause__ = refused

    assert cause_of(wrapped) == "Connection refused"


def test_the_message_of_the_library_is_the_fallback() -> None:
    """The library's message is used, or at least the name of the error."""
    assert cause_of(TimeoutError("timed out during opening handshake")).startswith("timed out")
    assert cause_of(TimeoutError()) == "TimeoutError"
