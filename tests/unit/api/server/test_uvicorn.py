"""The parts of uvicorn that our protocols use and that may change without notice.

A new version of uvicorn that fails here needs a look at ``app.api.server`` before it is pinned.
"""

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from app.api.server.http_protocol import BoundedHttpProtocol
from app.api.server.websocket_protocol import BoundedWebSocketProtocol

ROOT = Path(__file__).parents[4]


@pytest.fixture
def config() -> Config:
    """Return a loaded configuration of an application that is never called."""

    async def never(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    config = Config(never, log_config=None)
    config.load()
    return config


def test_version_is_kept_to_the_installed_minor_one() -> None:
    """The pinned version is the minor version that the protocols were written for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    major, minor, *_ = version("uvicorn").split(".")

    allowed = f"uvicorn>={major}.{minor},<{major}.{int(minor) + 1}"
    assert allowed in project["project"]["dependencies"]


@pytest.mark.parametrize(
    ("ours", "theirs", "inherited"),
    [
        (
            BoundedHttpProtocol,
            HttpToolsProtocol,
            {
                "_should_upgrade",
                "_unset_keepalive_if_required",
                "handle_websocket_upgrade",
                "timeout_keep_alive_handler",
            },
        ),
        (BoundedWebSocketProtocol, WebSocketsSansIOProtocol, {"handle_parser_exception"}),
    ],
)
def test_methods_that_are_overridden_or_called_exist(
    ours: type, theirs: type, inherited: set[str]
) -> None:
    """Every method that the protocols override or call exists."""
    own_to_us = {
        "BoundedHttpProtocol": {
            *("_take", "_parse", "_check_head", "_decline_upgrade", "_refuse", "_send_now"),
            *("_is_reading", "_watch", "_stop_watching"),
        },
        "BoundedWebSocketProtocol": {"_abort_soon", "_send_frames", "_keep_pause", "_refuse"},
    }[ours.__name__]
    overridden = {
        name
        for name, member in vars(ours).items()
        if inspect.isfunction(member) and name not in own_to_us
    }

    assert overridden | inherited <= set(dir(theirs))
    assert not own_to_us & set(dir(theirs))


async def test_attributes_of_an_http_connection_exist(config: Config) -> None:
    """The attributes of an HTTP connection exist, which are set on connect or on a request."""
    protocol = HttpToolsProtocol(config, ServerState(), {})

    for name in ("cycle", "headers", "loop", "parser", "pipeline", "scope", "server_state"):
        assert hasattr(protocol, name), name
    assert isinstance(protocol.server_state.default_headers, list)
    assert STATUS_LINE[400].startswith(b"HTTP/1.1 400 ")
    source = inspect.getsource(RequestResponseCycle.__init__)
    assert "self.more_body" in source
    assert "self.response_started" in source
    assert "self.url = " in inspect.getsource(HttpToolsProtocol.on_message_begin)
    assert "self.flow = " in inspect.getsource(HttpToolsProtocol.connection_made)


async def test_attributes_of_a_websocket_exist(config: Config) -> None:
    """The attributes exist that hold a WebSocket's progress and whether it is writable."""
    protocol = WebSocketsSansIOProtocol(config, ServerState(), {})

    for name in (
        "close_sent",
        "conn",
        "default_headers",
        "disconnected",
        "frames",
        "handshake_complete",
        "handshake_initiated",
        "loop",
        "queue",
        "read_paused",
        "writable",
    ):
        assert hasattr(protocol, name), name
