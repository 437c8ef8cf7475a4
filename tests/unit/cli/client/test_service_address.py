"""Tests of ``app.cli.client.service_address``."""

import pytest

from app.cli.client.service_address import DEFAULT_URL, ServiceAddress, read_address


@pytest.mark.parametrize(
    ("url", "stream_url"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws/orders"),
        ("https://paper.example/", "wss://paper.example/ws/orders"),
        (" http://[::1]:9000/papertape/ ", "ws://[::1]:9000/papertape/ws/orders"),
    ],
)
def test_the_stream_has_the_address_of_the_requests(url: str, stream_url: str) -> None:
    """The stream has the same host, path prefix and encryption."""
    assert read_address(url=url, key=None).stream_url == stream_url


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "localhost",
        "",
        "ftp://127.0.0.1",
        "http://",
        "http://[::1",
        "http://a:b",
        "http://user:secret@host",
        "http://host/?query",
        "http://host/#fragment",
    ],
)
def test_a_malformed_address_is_refused(url: str) -> None:
    """The message has an example."""
    with pytest.raises(ValueError, match="the URL of a service"):
        read_address(url=url, key=None)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "\x07"])
def test_a_malformed_key_is_refused(key: str) -> None:
    """A header contains only visible ASCII."""
    with pytest.raises(ValueError, match="a key is ASCII without"):
        read_address(url=DEFAULT_URL, key=key)


def test_the_key_goes_into_a_header_and_nowhere_else() -> None:
    """The key does not appear in the printed address."""
    address = read_address(url=DEFAULT_URL, key="secret")

    assert address.headers == {"Authorization": "Bearer secret"}
    assert "secret" not in repr(address)


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_there_is_no_header(key: str | None) -> None:
    """Open access needs no header."""
    assert read_address(url=DEFAULT_URL, key=key).headers == {}


def test_another_address_is_named_in_the_next_command() -> None:
    """The default address needs no option."""
    assert ServiceAddress(url=DEFAULT_URL).options == ""
    assert ServiceAddress(url="http://host").options == " --url http://host"
