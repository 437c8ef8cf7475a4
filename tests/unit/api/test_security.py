"""The security of every route: keys, scopes, owners, hosts and origins.

The routes come from the OpenAPI document, which another test compares with the served routes, so
a route that is added without protection fails here.
"""

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.api.application import ApiServices, build_application
from app.domain.caller import Scope
from app.domain.order import OrderId
from tests.support.hand_driven import HandClock
from tests.support.in_memory import MemoryPorts
from tests.support.in_process import LOCALHOST, OPTIONS, client_of, exchange, scope_of
from tests.support.keys import ALICE, BOB, NOBODY, SCOPE_KEYS, authorization
from tests.support.sent_orders import AT_ONCE, BUY
from tests.support.waiting import WAIT_SECONDS_MAX

OPEN_PATHS: Final = {"/healthz", "/readyz"}
"""The documented paths that need no key; the docs page needs none either."""

SAFE_METHODS: Final = {"GET", "HEAD"}
ORDER_ID: Final = OrderId("0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10")


@dataclasses.dataclass(frozen=True)
class DocumentedRoute:
    """A documented method and path, with everything that a valid request needs."""

    method: str
    path: str
    scopes: tuple[str, ...]
    query: str
    body: Any

    def __str__(self) -> str:
        """Return the id of the test case."""
        return f"{self.method} {self.path}"

    def address(self, order_id: str = ORDER_ID) -> str:
        """Return the address of a request."""
        filled = self.path.replace("{order_id}", order_id).replace("{symbol}", "LTCBTC")
        return f"{filled}?{self.query}" if self.query else filled


def documented_routes() -> Iterator[DocumentedRoute]:
    """Yield the documented routes with required parameters and the first example body."""
    document = build_application(MemoryPorts().services(), OPTIONS).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = None
            if "requestBody" in operation:
                media = operation["requestBody"]["content"]["application/json"]
                body = next(iter(media["examples"].values()))["value"]
            required = [
                parameter["name"]
                for parameter in operation.get("parameters", ())
                if parameter["in"] == "query" and parameter["required"]
            ]
            scopes = tuple(scope for key in operation["security"] for scope in key.get("key", ()))
            query = "&".join(f"{name}=LTCBTC" for name in required)
            yield DocumentedRoute(method.upper(), path, scopes, query, body)


ROUTES: Final = tuple(documented_routes())
KEYED: Final = tuple(route for route in ROUTES if route.path not in OPEN_PATHS)
CHANGING: Final = tuple(route for route in ROUTES if route.method not in SAFE_METHODS)
OF_ONE_ORDER: Final = tuple(route for route in ROUTES if "{order_id}" in route.path)
assert len(KEYED) > 4
assert CHANGING
assert OF_ONE_ORDER

each_keyed_route = pytest.mark.parametrize("route", KEYED, ids=str)
each_changing_route = pytest.mark.parametrize("route", CHANGING, ids=str)


@pytest.fixture
def application(keyed_services: ApiServices) -> FastAPI:
    """Return a web application that requires keys."""
    return build_application(keyed_services, OPTIONS)


async def ask(
    client: AsyncClient, route: DocumentedRoute, order_id: str = ORDER_ID, **headers: str
) -> Response:
    """Send a valid request."""
    return await client.request(
        route.method, route.address(order_id), json=route.body, headers=headers
    )


async def place_order(client: AsyncClient, key: str) -> OrderId:
    """Place an order that rests, and return its id."""
    headers = AT_ONCE | authorization(key)
    answer = await client.post("/order/limit", json=BUY | {"timeout_seconds": 60}, headers=headers)
    return OrderId(answer.json()["order_id"])


@each_keyed_route
async def test_no_key_is_unauthorized(client: AsyncClient, route: DocumentedRoute) -> None:
    """A request without a key gets 401 and the scheme for sending one."""
    response = await ask(client, route)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "unauthorized"


@each_keyed_route
@pytest.mark.parametrize(
    "value",
    [f"Bearer {NOBODY}", "Bearer ", f"Basic {ALICE}", ALICE, f"Bearer {ALICE} {BOB}", "Bearer é"],
)
async def test_a_wrong_key_is_unauthorized(
    client: AsyncClient, route: DocumentedRoute, value: str
) -> None:
    """A wrong or malformed key gets 401."""
    response = await client.request(
        route.method,
        route.address(),
        json=route.body,
        headers=[(b"authorization", value.encode("latin-1"))],
    )

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "unauthorized"


@each_keyed_route
async def test_a_key_in_the_address_is_not_looked_at(
    client: AsyncClient, route: DocumentedRoute
) -> None:
    """A key in the URL is ignored, because URLs are kept in histories and logs."""
    separator = "&" if route.query else "?"
    address = f"{route.address()}{separator}key={ALICE}&access_token={ALICE}"

    response = await client.request(route.method, address, json=route.body)

    assert response.status_code == 401


@each_keyed_route
async def test_every_missing_scope_is_forbidden_and_named(
    client: AsyncClient, route: DocumentedRoute, ports: MemoryPorts
) -> None:
    """A key needs the documented scope of the route, and a 403 names it."""
    (wanted,) = route.scopes
    for scope, key in SCOPE_KEYS.items():
        if scope == wanted:
            continue
        response = await ask(client, route, **authorization(key))

        assert response.status_code == 403
        assert response.json()["code"] == "missing_scope"
        assert wanted in response.json()["detail"]
    assert not ports.orders.snapshots


@each_keyed_route
async def test_the_documented_scope_is_enough(client: AsyncClient, route: DocumentedRoute) -> None:
    """With the documented scope, the request passes the check of its key."""
    (wanted,) = route.scopes

    response = await ask(client, route, **authorization(SCOPE_KEYS[Scope(wanted)]))

    assert response.status_code not in {401, 403}


@pytest.mark.parametrize("route", OF_ONE_ORDER, ids=str)
async def test_anothers_order_is_like_none(client: AsyncClient, route: DocumentedRoute) -> None:
    """An order of another owner gets the same 404 as an unknown order."""
    order_id = await place_order(client, ALICE)

    foreign = await ask(client, route, order_id, **authorization(BOB))
    absent = await ask(client, route, **authorization(BOB))
    own = await ask(client, route, order_id, **authorization(ALICE))

    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.json() == absent.json()
    assert own.status_code == 200


async def test_a_listing_holds_ones_own_orders_only(client: AsyncClient) -> None:
    """A listing shows the caller's own orders only."""
    order_ids = [await place_order(client, ALICE), await place_order(client, BOB)]

    answers = [await client.get("/orders", headers=authorization(key)) for key in (ALICE, BOB)]

    listed = [[order["order_id"] for order in one.json()["orders"]] for one in answers]
    assert listed == [[order_id] for order_id in order_ids]


async def test_a_placed_order_is_its_callers(client: AsyncClient, ports: MemoryPorts) -> None:
    """The owner of an order is the owner of the key that placed it."""
    await place_order(client, BOB)
    await place_order(client, SCOPE_KEYS[Scope.ORDERS_WRITE])

    owners = [snapshot.order.owner for snapshot in ports.orders.snapshots.values()]
    assert owners == ["bob", "alice"]


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/docs-assets/swagger-ui.css"]
)
@pytest.mark.parametrize("key", [None, NOBODY, ALICE])
async def test_probes_and_the_docs_page_need_no_key(
    client: AsyncClient, path: str, key: str | None
) -> None:
    """Probes and the docs page need no key and ignore a wrong one."""
    response = await client.get(path, headers=authorization(key) if key else {})

    assert response.status_code in {200, 307}


@pytest.mark.parametrize("path", ["/order", "/nowhere", "/metrics/x"])
async def test_what_is_not_served_needs_no_key_to_be_so(client: AsyncClient, path: str) -> None:
    """Unknown paths give 404 without a key, because the routes are not secret."""
    assert (await client.get(path)).status_code == 404


@each_changing_route
@pytest.mark.parametrize(
    ("header", "value", "refusal"),
    [
        ("Origin", "null", (403, "foreign_origin")),
        ("Origin", "http://example.com", (403, "foreign_origin")),
        ("Origin", "http://localhost:8081", (403, "foreign_origin")),
        ("Origin", "file://localhost:8080", (403, "foreign_origin")),
        ("Host", "example.com", (421, "unknown_host")),
        ("Host", "localhost.example.com:8080", (421, "unknown_host")),
        ("Host", "", (421, "unknown_host")),
    ],
)
async def test_a_foreign_page_or_host_changes_nothing(
    client: AsyncClient,
    route: DocumentedRoute,
    ports: MemoryPorts,
    *,
    header: str,
    value: str,
    refusal: tuple[int, str],
) -> None:
    """A request of another origin or for another host is refused, even with a valid key."""
    response = await ask(client, route, **authorization(ALICE), **{header: value})

    assert (response.status_code, response.json()["code"]) == refusal
    assert not ports.orders.snapshots


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_a_foreign_host_is_refused_wherever_a_key_is_asked(
    client: AsyncClient, route: DocumentedRoute
) -> None:
    """Only the probes accept any host name."""
    response = await ask(client, route, **authorization(ALICE), Host="example.com")

    assert (response.status_code == 421) is (route.path not in OPEN_PATHS)


async def test_requests_over_the_rate_are_told_to_come_back(
    keyed_services: ApiServices,
) -> None:
    """A 429 has Retry-After, and other owners, probes and the docs page are not affected."""
    options = dataclasses.replace(OPTIONS, requests_per_second_max=2)
    # The clock does not advance, so the second never ends.
    services = dataclasses.replace(keyed_services, clock=HandClock())
    async with client_of(build_application(services, options)) as client:
        answers = [
            await client.get("/orders", headers=authorization(ALICE)),
            await client.get("/symbols/LTCBTC", headers=authorization(ALICE)),
            await client.get("/orders", headers=authorization(ALICE)),
            await client.get("/orders", headers=authorization(BOB)),
            *[await client.get(path) for path in ("/healthz", "/readyz", "/docs", "/")],
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 200, 200, 307]
    assert answers[2].headers["retry-after"] == "1"
    assert answers[2].json()["code"] == "rate_limited"


async def test_a_body_over_the_limit_that_was_set_is_refused(keyed_services: ApiServices) -> None:
    """A 413 names the limit."""
    options = dataclasses.replace(OPTIONS, body_bytes_max=1_024)
    async with client_of(build_application(keyed_services, options)) as client:
        response = await client.post(
            "/order/limit", content=b" " * 1_025, headers=authorization(ALICE)
        )

    assert response.status_code == 413
    assert response.json()["detail"] == "the body may have at most 1024 bytes"


async def test_nothing_is_read_of_a_body_before_its_sender_is_known(application: FastAPI) -> None:
    """The body of an unauthenticated request is not read."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        start, _ = await exchange(application, scope_of("POST", "/order/limit", LOCALHOST))

    assert start["status"] == 401
