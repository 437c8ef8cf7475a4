"""Tests of ``app.composition``; the whole service runs in ``tests/integration/test_service``."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import composition
from app.access.key_file import add_key
from app.composition import raise_descriptor_limit, running_service
from app.domain.caller import Scope
from app.domain.errors import StartupError
from tests.support.connections import http_client
from tests.support.keys import authorization
from tests.support.services import make_settings
from tests.support.waiting import eventually


@pytest.fixture
def _restored_limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_restored_limit")
def test_the_limit_of_open_files_is_raised_as_far_as_allowed() -> None:
    """Every waiting client holds a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    raise_descriptor_limit()

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard))


@pytest.mark.usefixtures("_restored_limit")
def test_a_higher_limit_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator may choose a higher limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    monkeypatch.setattr(composition, "DESCRIPTORS_WANTED", 128)

    raise_descriptor_limit()

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256


async def test_a_bad_file_of_keys_ends_the_start(tmp_path: Path) -> None:
    """A wrong key file prevents the start, before it can lock clients out or let all in."""
    settings = make_settings(tmp_path, stream_url="ws://x", rest_url="http://x")
    settings = settings.model_copy(update={"api_keys_file": str(tmp_path / "none.json")})

    with pytest.raises(StartupError, match=r"the file of keys .*none\.json cannot be read"):
        async with running_service(settings):
            pass
    assert not (tmp_path / "service.db").exists()


async def test_the_start_logs_how_callers_are_identified(tmp_path: Path) -> None:
    """The log shows whether access is open, and a key from the file is accepted."""
    add_key(tmp_path / "keys.json", "pt_alice", name="alice", scopes=[Scope.ORDERS_READ])
    settings = make_settings(tmp_path, stream_url="ws://127.0.0.1:9", rest_url="http://127.0.0.1:9")
    keyed = settings.model_copy(update={"api_keys_file": str(tmp_path / "keys.json")})

    with capture_logs() as logs:
        async with running_service(keyed) as url, http_client(base_url=url) as client:
            statuses = [
                (await client.get("/orders")).status_code,
                (await client.get("/orders", headers=authorization("pt_alice"))).status_code,
            ]
        async with running_service(settings):
            pass

    assert statuses == [401, 200]
    assert [log["access"] for log in logs if log["event"] == "service_started"] == [
        "by key; keys: 1, names: 1",
        "open, no keys asked",
    ]


async def test_an_impossible_host_is_named(tmp_path: Path) -> None:
    """A host that cannot be resolved gives an error of one line."""
    settings = make_settings(tmp_path, stream_url="ws://x", rest_url="http://x")
    settings = settings.model_copy(update={"http_host": "no such host"})

    with pytest.raises(StartupError, match="HTTP_HOST=no such host"):
        async with running_service(settings):
            pass


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can do this")
async def test_a_peer_that_never_reads_does_not_keep_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A closed connection ends although its peer never reads."""
    monkeypatch.setattr(composition, "UNREAD_SECONDS_MAX", 1)
    ends: list[Exception | None] = []

    class Farewell(asyncio.Protocol):
        """Sends more than the network buffers hold, and closes."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.write(bytes(32_000_000))
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            ends.append(exc)

    loop = asyncio.get_running_loop()
    with (
        composition._listening_socket("127.0.0.1", 0) as listener,
        socket.socket() as peer,
    ):
        async with await loop.create_server(Farewell, sock=listener):
            peer.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
            await loop.sock_connect(peer, listener.getsockname())

            await eventually(lambda: ends)

    assert isinstance(ends[0], TimeoutError)
