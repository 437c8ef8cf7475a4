"""The address of the service and the caller's key."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

DEFAULT_URL: Final = "http://127.0.0.1:8080"

_WEBSOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAddress:
    """The service's URL, without a slash at its end, and an optional key."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def stream_url(self) -> str:
        """The URL of the service's WebSocket."""
        scheme, rest = self.url.split(":", maxsplit=1)
        return f"{_WEBSOCKET_SCHEMES[scheme]}:{rest}/ws/orders"

    @property
    def headers(self) -> dict[str, str]:
        """The headers with the key, for requests and for the WebSocket."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    @property
    def options(self) -> str:
        """The options of another command for the same service, with a leading space."""
        return "" if self.url == DEFAULT_URL else f" --url {self.url}"


def read_address(*, url: str, key: str | None) -> ServiceAddress:
    """Read the address and the key from the command line.

    Raises:
        ValueError: the URL or the key is malformed; the message says why.
    """
    return ServiceAddress(url=_read_url(url), key=_read_key(key) if key else None)


def _read_url(text: str) -> str:
    try:
        parts = urlsplit(text.strip())
        # Reading ``port`` raises for a malformed one, which urlsplit() accepts.
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, has_host = SplitResult("", "", "", "", ""), False
    if parts.scheme not in _WEBSOCKET_SCHEMES or not has_host:
        raise ValueError("the URL of a service looks like http://127.0.0.1:8080")
    # Paths are appended to the URL, which a query or a fragment would break.
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the URL of a service has no user name, query or fragment")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _read_key(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a key is ASCII without spaces and control characters")
    return text
