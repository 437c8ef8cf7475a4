"""Who may follow events on ``/ws/orders``: keys by header or first message, scopes, revocation."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from app.api.application import ApiOptions, build_application
from app.domain.access import Caller, Scope
from app.domain.errors import UnauthorizedError
from app.domain.order import OrderId, Owner
from tests.support.in_memory import MemoryPorts, quote
from tests.support.sent_orders import place_at_once
from tests.support.serving import serving
from tests.support.stream_client import open_stream

ALL = frozenset(Scope)


class KeyRing:
    """Keys in memory (port ``Access``)."""

    description = "keys of a test"

    def __init__(self) -> None:
        self.callers = {
            "pt_alice": Caller(owner=Owner("alice"), scopes=ALL),
            "pt_bob": Caller(owner=Owner("bob"), scopes=ALL),
            "pt_writer": Caller(owner=Owner("alice"), scopes=frozenset({Scope.ORDERS_WRITE})),
        }

    def identify(self, bearer: str | None) -> Caller:
        """Return whose key it is."""
        caller = self.callers.get(bearer or "")
        if caller is None:
            raise UnauthorizedError
        return caller


@pytest.fixture
def keys() -> KeyRing:
    """Return the keys."""
    return KeyRing()


@pytest.fixture
async def url(ports: MemoryPorts, options: ApiOptions, keys: KeyRing) -> AsyncIterator[str]:
    """Serve the application for those who have keys, and return where."""
    application = build_application(replace(ports.services(), access=keys), options)
    async with serving(application) as url:
        yield url


@pytest.fixture
async def alice(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client with alice's key."""
    async with httpx2.AsyncClient(base_url=url, headers=bearer("pt_alice")) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("is_in_header", [True, False])
async def test_key_opens_the_stream_of_its_owner_and_no_other(
    url: str, alice: httpx2.AsyncClient, *, is_in_header: bool
) -> None:
    """By header, or as a browser has to: by the first message."""
    headers = bearer if is_in_header else _no_header
    async with (
        open_stream(url, headers=headers("pt_alice")) as own,
        open_stream(url, headers=headers("pt_bob")) as other,
    ):
        if not is_in_header:
            for stream, owner in ((own, "alice"), (other, "bob")):
                await stream.send({"type": "authenticate", "key": f"pt_{owner}"})
                assert await stream.receive() == {"type": "authenticated", "owner": owner}
        await own.subscribe()
        await other.subscribe(after="beginning")

        order_id = await place_at_once(alice)

        assert (await own.event())["order_id"] == order_id
        assert await other.nothing_more()


def _no_header(_key: str) -> dict[str, str]:
    return {}


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [("pt_nobody", 401, "unauthorized"), ("pt_writer", 403, "missing_scope")],
)
async def test_handshake_with_a_key_that_is_not_good_is_refused_in_http(
    url: str, key: str, status: int, code: str
) -> None:
    """A wrong key is not overlooked in the hope for a better one."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_stream(url, headers=bearer(key)):
            pass

    assert refused.value.response.status_code == status
    assert f'"{code}"'.encode() in refused.value.response.body


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "subscribe"}, "unauthorized"),
        ({"type": "authenticate", "key": "pt_nobody"}, "unauthorized"),
        ({"type": "authenticate", "key": "pt_writer"}, "missing_scope"),
    ],
)
async def test_message_without_a_good_key_is_refused_by_name(
    url: str, message: dict[str, Any], code: str
) -> None:
    """Nobody subscribes who is not known."""
    async with open_stream(url) as stream:
        await stream.send(message)
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == code
    assert closed.code == 1008


@pytest.mark.parametrize("text", ['{"type": "authenticate"}', '{"type": "authenticate", "key": 1}'])
async def test_authenticate_message_without_a_key_is_malformed(url: str, text: str) -> None:
    """What is wrong is told by field, as with every message."""
    async with open_stream(url) as stream:
        await stream.connection.send(text)
        (error,), closed = await stream.rest()

    assert error["code"] == "invalid_message"
    assert "key" in {one["field"] for one in error["errors"]}
    assert closed.code == 1008


async def test_connection_authenticates_once(url: str) -> None:
    """A second key is no subscription."""
    async with open_stream(url) as stream:
        for _ in range(2):
            await stream.send({"type": "authenticate", "key": "pt_alice"})
        authenticated, error = (await stream.rest())[0]

    assert authenticated["type"] == "authenticated"
    assert error["code"] == "invalid_message"


def _revoke(keys: KeyRing) -> None:
    del keys.callers["pt_alice"]


def _narrow(keys: KeyRing) -> None:
    keys.callers["pt_alice"] = keys.callers["pt_writer"]


@pytest.mark.parametrize(("end", "code"), [(_revoke, "unauthorized"), (_narrow, "missing_scope")])
async def test_revoked_key_hears_no_more(
    url: str,
    alice: httpx2.AsyncClient,
    ports: MemoryPorts,
    keys: KeyRing,
    *,
    end: Callable[[KeyRing], None],
    code: str,
) -> None:
    """A connection does not outlive what its key is good for, by a single event."""
    async with open_stream(url, headers=bearer("pt_alice")) as stream:
        await stream.subscribe()
        order_id = OrderId(await place_at_once(alice))
        await stream.event()

        end(keys)
        ports.desk.show(quote(1))
        (error,), closed = await stream.rest()

    assert ports.orders.snapshots[order_id].status == "FILLED"
    assert error["code"] == closed.reason == code
    assert closed.code == 1008


async def test_key_that_is_revoked_while_its_client_catches_up_hears_no_more(
    url: str, alice: httpx2.AsyncClient, ports: MemoryPorts, keys: KeyRing
) -> None:
    """What is read back is told under the same rule as what happens."""
    await place_at_once(alice)
    read = ports.orders.list_events

    async def revoke_then_read(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        _revoke(keys)
        return await read(*arguments, **named)

    ports.orders.list_events = revoke_then_read  # type: ignore[method-assign] # at the worst moment

    async with open_stream(url, headers=bearer("pt_alice")) as stream:
        await stream.subscribe(after="beginning")
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "unauthorized"
    assert closed.code == 1008


async def test_page_of_another_origin_opens_no_stream(url: str) -> None:
    """A browser lets any page open a WebSocket and read it: the service has to refuse it."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_stream(url, headers=bearer("pt_alice") | {"Origin": "http://example.com"}):
            pass

    assert refused.value.response.status_code == 403
