"""Access to ``/ws/orders``: keys by header or first message, scopes, revocation."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from httpx2 import AsyncClient
from websockets.exceptions import InvalidStatus

from app.api.application import ApiOptions, build_application
from app.api.stream.connection_slots import UNAUTHENTICATED_MAX
from app.domain.caller import Caller, Scope
from app.domain.errors import UnauthorizedError
from app.domain.order import OrderId, Owner
from tests.support.connections import http_client
from tests.support.in_memory import MemoryPorts, quote
from tests.support.sent_orders import place_at_once
from tests.support.serving import serving
from tests.support.stream_client import open_stream, read_contract

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
        """Return the caller that the key belongs to."""
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
    """Serve the application with keys and return its address."""
    application = build_application(replace(ports.services(), access=keys), options)
    async with serving(application) as url:
        yield url


@pytest.fixture
async def alice(url: str) -> AsyncIterator[AsyncClient]:
    """Return a client with alice's key."""
    async with http_client(base_url=url, headers=bearer("pt_alice")) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("is_in_header", [True, False])
async def test_key_opens_the_stream_of_its_owner_and_no_other(
    url: str, alice: AsyncClient, *, is_in_header: bool
) -> None:
    """A key sent by header or first message opens its owner's stream only."""
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
    """An invalid key in the header ends the handshake; the client cannot send a second key."""
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
    """A client without a valid key cannot subscribe."""
    async with open_stream(url) as stream:
        await stream.send(message)
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == code
    assert closed.code == 1008


@pytest.mark.parametrize("text", ['{"type": "authenticate"}', '{"type": "authenticate", "key": 1}'])
async def test_authenticate_message_without_a_key_is_malformed(url: str, text: str) -> None:
    """The error names the field, as for every message."""
    async with open_stream(url) as stream:
        await stream.connection.send(text)
        (error,), closed = await stream.rest()

    assert error["code"] == "invalid_message"
    assert "key" in {one["field"] for one in error["errors"]}
    assert closed.code == 1008


async def test_connection_authenticates_once(url: str) -> None:
    """A second authenticate message is an error."""
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


def _give_to_bob(keys: KeyRing) -> None:
    keys.callers["pt_alice"] = keys.callers["pt_bob"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_revoke, "unauthorized"),
        (_narrow, "missing_scope"),
        (_give_to_bob, "unauthorized"),
    ],
)
async def test_revoked_key_hears_no_more(
    url: str,
    alice: AsyncClient,
    ports: MemoryPorts,
    keys: KeyRing,
    *,
    end: Callable[[KeyRing], None],
    code: str,
) -> None:
    """A connection receives no event after its key was revoked, narrowed or reassigned."""
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
    url: str, alice: AsyncClient, ports: MemoryPorts, keys: KeyRing
) -> None:
    """A client whose key was revoked receives no stored events either."""
    await place_at_once(alice)
    read = ports.orders.list_events

    async def revoke_then_read(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        _revoke(keys)
        return await read(*arguments, **named)

    ports.orders.list_events = revoke_then_read  # type: ignore[method-assign] # revoke before the read

    async with open_stream(url, headers=bearer("pt_alice")) as stream:
        await stream.subscribe(after="beginning")
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "unauthorized"
    assert closed.code == 1008


async def test_page_of_another_origin_opens_no_stream(url: str) -> None:
    """The service refuses pages of other origins, because browsers allow them any WebSocket."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_stream(url, headers=bearer("pt_alice") | {"Origin": "http://example.com"}):
            pass

    assert refused.value.response.status_code == 403


async def refused_code(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Return the status and code of a refused handshake, after checking its Retry-After."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_stream(url, headers=headers):
            pass
    response = refused.value.response
    assert response.headers["retry-after"] == "5"
    return response.status_code, json.loads(response.body)["code"]


async def test_clients_without_a_key_keep_nobody_out_who_has_one(
    ports: MemoryPorts, options: ApiOptions, keys: KeyRing
) -> None:
    """Unauthenticated clients have their own quota, so they cannot starve authenticated ones."""
    application = build_application(
        replace(ports.services(), access=keys), replace(options, websockets_max=1)
    )
    async with serving(application) as url, AsyncExitStack() as strangers:
        contract = await read_contract(url)
        for _ in range(UNAUTHENTICATED_MAX):
            await strangers.enter_async_context(open_stream(url, contract=contract))
        assert await refused_code(url, {}) == (429, "too_many_websockets")

        async with open_stream(url, headers=bearer("pt_alice")) as stream:
            await stream.subscribe()


async def test_one_owner_does_not_take_the_places_of_others(
    ports: MemoryPorts, options: ApiOptions, keys: KeyRing
) -> None:
    """The limit per owner is refused in the handshake or in the answer to the key message."""
    application = build_application(
        replace(ports.services(), access=keys), replace(options, websockets_per_owner_max=1)
    )
    async with serving(application) as url, open_stream(url) as own:
        await own.send({"type": "authenticate", "key": "pt_alice"})
        assert (await own.receive())["type"] == "authenticated"

        assert await refused_code(url, bearer("pt_alice")) == (429, "too_many_websockets")
        async with open_stream(url) as another:
            await another.send({"type": "authenticate", "key": "pt_alice"})
            (error,), closed = await another.rest()
        assert error["code"] == closed.reason == "too_many_websockets"
        assert closed.code == 1013
        async with open_stream(url, headers=bearer("pt_bob")) as other:
            await other.subscribe()


async def test_in_open_access_one_owner_is_everybody(
    ports: MemoryPorts, options: ApiOptions
) -> None:
    """In open access, only the total number of connections is limited."""
    application = build_application(
        ports.services(), replace(options, websockets_per_owner_max=1, websockets_max=2)
    )
    async with serving(application) as url, open_stream(url) as first, open_stream(url) as second:
        await first.subscribe()
        await second.subscribe()

        assert await refused_code(url, {}) == (429, "too_many_websockets")
