"""The routes of orders over a desk in memory."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.api import shapes
from app.domain.errors import (
    DatabaseUnavailableError,
    JournalBacklogError,
    JournalUnavailableError,
    OutcomeUnknownError,
    TooManyOrdersError,
    UnavailableError,
)
from app.domain.order import OrderId, Owner
from tests.support.in_memory import MemoryPorts, MemoryRules, quote
from tests.support.waiting import eventually

CURL_BODY = '{"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}'
BUY = {"symbol": "LTCBTC", "order_size": "100", "price": "0.0026"}
NO_SUCH_ORDER = "0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"

SECTION_4_KEYS = [
    "message",
    "order_id",
    "client_order_id",
    "symbol",
    "side",
    "time_in_force",
    "order_size",
    "price",
    "status",
    "reason",
    "filled_quantity",
    "remaining_quantity",
    "quote_quantity",
    "average_price",
    "accepted_at",
    "expires_at",
    "closed_at",
    "splits",
    "splits_total",
]


async def until_waiting(ports: MemoryPorts) -> None:
    """Return once a request waits for its order."""
    await eventually(lambda: ports.orders.snapshots and ports.waiting_total)


async def test_documented_curl_is_answered_with_its_splits(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """The printed command, which sends a form's content type, sells quote by quote."""
    ports.desk.show(quote(1, bid=("0.000911", "400")))
    request = asyncio.create_task(
        client.post(
            "/order/limit",
            content=CURL_BODY.replace("}", ', "timeout_seconds": 30}'),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    )
    await until_waiting(ports)
    ports.desk.show(quote(2, bid=("0.000911", "500")))
    ports.desk.show(quote(3, bid=("0.00091", "700")))

    response = await request

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == SECTION_4_KEYS
    assert [list(split) for split in answer["splits"]] == [
        ["update_id", "price", "quantity", "filled_at"]
    ] * 3
    times = ("accepted_at", "expires_at", "closed_at", "splits")
    assert {key: value for key, value in answer.items() if key not in times} == {
        "message": "Order successfully fulfilled",
        "order_id": "01990000-0000-7000-8000-000000000001",
        "client_order_id": None,
        "symbol": "LTCBTC",
        "side": "SELL",
        "time_in_force": "GTD",
        "order_size": "1000",
        "price": "0.0001",
        "status": "FILLED",
        "reason": None,
        "filled_quantity": "1000",
        "remaining_quantity": "0",
        "quote_quantity": "0.9105",
        "average_price": "0.0009105",
        "splits_total": 3,
    }
    assert [(split["update_id"], split["price"], split["quantity"]) for split in answer["splits"]]
    assert [split["quantity"] for split in answer["splits"]] == ["400", "100", "500"]
    shapes.OrderAnswer.model_validate_json(response.content, strict=True)


async def test_order_that_the_market_never_reaches_is_no_error(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Without a fill until its time is up, the order is answered as not fulfilled, with 200."""
    ports.desk.show(quote(1))

    response = await client.post("/order/limit", json=BUY | {"price": "0.0001"})

    answer = response.json()
    assert response.status_code == 200
    assert answer["message"] == "Order not fulfilled"
    assert (answer["status"], answer["reason"]) == ("EXPIRED", "TIMEOUT")
    assert answer["average_price"] is None
    assert answer["splits"] == []
    assert answer["closed_at"] >= answer["expires_at"]
    shapes.OrderAnswer.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"symbol": "ltcbtc"}, {"symbol": "LTCBTC", "side": "BUY"}),
        ({"symbol": "币安人生usdt"}, {"symbol": "币安人生USDT"}),
        ({"side": "buy"}, {"side": "BUY"}),
        ({"time_in_force": "gtd"}, {"time_in_force": "GTD"}),
        ({"order_size": 100}, {"order_size": "100"}),
        ({"order_size": "100.000"}, {"order_size": "100"}),
        ({"price": 0.0026}, {"price": "0.0026"}),
        ({"timeout_seconds": 0.001}, {}),
        ({"timeout_seconds": "86400"}, {}),
    ],
)
async def test_sound_order_is_read_exactly(
    client: httpx2.AsyncClient,
    ports: MemoryPorts,
    changes: dict[str, object],
    expected: dict[str, object],
) -> None:
    """Accepted spellings lead to the same exact order."""
    symbol = str(expected.get("symbol", "LTCBTC"))
    ports.desk.show(quote(1, symbol=symbol))

    response = await client.post("/order/limit", json=BUY | changes)

    answer = response.json()
    assert response.status_code == 200
    assert answer["status"] == "FILLED"
    assert expected.items() <= answer.items()


async def test_order_is_answered_202_when_the_service_stops_first(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """A stop answers whoever waits with where the order can be read, as it stands."""
    ports.desk.show(quote(1, bid=("0.000911", "400")))
    request = asyncio.create_task(
        client.post("/order/limit", content=CURL_BODY.replace("}", ', "timeout_seconds": 30}'))
    )
    await until_waiting(ports)

    ports.waiters.stop()
    response = await request

    answer = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/order/{answer['order_id']}"
    assert answer["message"] == "Order accepted, not finished"
    assert (answer["status"], answer["closed_at"]) == ("PARTIALLY_FILLED", None)
    assert answer["splits_total"] == len(answer["splits"]) == 1
    shapes.OrderAnswer.model_validate_json(response.content, strict=True)


async def test_finished_order_is_answered_200_although_the_service_stops(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """What is durable decides the answer, not who woke it."""
    ports.desk.show(quote(1))
    ports.waiters.stop()

    response = await client.post("/order/limit", json=BUY)

    assert response.status_code == 200
    assert response.json()["status"] == "FILLED"


@pytest.mark.parametrize(
    ("refusal", "status", "retry_after"),
    [
        (JournalUnavailableError(), 503, "2"),
        (JournalBacklogError(), 503, "1"),
        (OutcomeUnknownError(OrderId(NO_SUCH_ORDER)), 503, "5"),
        (TooManyOrdersError(7), 429, "5"),
    ],
)
async def test_unavailable_desk_says_when_to_come_back(
    client: httpx2.AsyncClient,
    ports: MemoryPorts,
    refusal: UnavailableError,
    status: int,
    retry_after: str,
) -> None:
    """What the desk cannot take is refused with Retry-After, and nobody is left waiting."""
    ports.desk.refusal = refusal

    response = await client.post("/order/limit", json=BUY)

    assert response.status_code == status
    assert response.headers["retry-after"] == retry_after
    assert response.json()["code"] == refusal.code
    assert ports.waiting_total == 0
    shapes.Problem.model_validate_json(response.content, strict=True)


async def test_an_answer_needs_no_read(client: httpx2.AsyncClient, ports: MemoryPorts) -> None:
    """What was announced is durable: an order's answer does not depend on reads that fail."""
    ports.desk.show(quote(1))
    ports.orders.refusal = DatabaseUnavailableError()

    response = await client.post("/order/limit", json=BUY)

    assert response.status_code == 200
    assert response.json()["status"] == "FILLED"


@pytest.mark.parametrize("path", [f"/order/{NO_SUCH_ORDER}", "/orders"])
async def test_database_that_does_not_answer_is_503(
    client: httpx2.AsyncClient, ports: MemoryPorts, path: str
) -> None:
    """An order that cannot be read is not said to be missing."""
    ports.orders.refusal = DatabaseUnavailableError()

    response = await client.get(path)

    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"


async def test_order_without_rules_is_refused_503(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """While the trading rules were never loaded, no order can be judged."""
    ports.rules.by_symbol = None

    response = await client.post("/order/limit", json=BUY)

    assert response.status_code == 503
    assert response.json()["code"] == "rules_not_loaded"
    assert response.headers["retry-after"] == "5"


async def test_all_problems_of_a_body_are_told_at_once(client: httpx2.AsyncClient) -> None:
    """A client mends its order in one round, not in five."""
    body = {"symbol": "LTC/BTC", "price": "1e-4", "side": "?", "sise": 1, "client_order_id": "a"}

    response = await client.post("/order/limit", json=body, headers={"Idempotency-Key": "k"})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_order")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [
        ("order_size", "required"),
        ("symbol", "invalid_symbol"),
        ("price", "invalid_amount"),
        ("side", "invalid_side"),
        ("client_order_id", "not_supported"),
        ("Idempotency-Key", "not_supported"),
        ("sise", "unknown_field"),
    ]
    assert "did you mean side?" in problem["errors"][-1]["message"]
    shapes.InputProblem.model_validate_json(response.content, strict=True)


async def test_idempotency_key_is_refused_not_ignored(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Whoever relies on a key that is not honored would send an order twice."""
    response = await client.post("/order/limit", json=BUY, headers={"idempotency-key": ""})

    assert response.status_code == 422
    assert response.json()["code"] == "not_supported"
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not ports.orders.snapshots


async def test_preference_of_a_request_may_be_ignored(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Prefer is a wish (RFC 7240): the answer is as without it, and claims no preference."""
    ports.desk.show(quote(1))

    response = await client.post("/order/limit", json=BUY, headers={"Prefer": "respond-async"})

    assert response.status_code == 200
    assert "preference-applied" not in response.headers


async def test_client_that_goes_away_does_not_disturb_its_order(
    application: FastAPI, ports: MemoryPorts
) -> None:
    """An order that nobody waits for any more fills all the same."""
    body = CURL_BODY.replace("}", ', "timeout_seconds": 30}').encode()
    messages: list[Message] = [
        {"type": "http.request", "body": body, "more_body": False},
        {"type": "http.disconnect"},
    ]
    received = iter(messages)

    async def receive() -> Message:
        return next(received)

    async def send(_message: Message) -> None:
        raise OSError("the client is gone")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/order/limit",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    connection = asyncio.ensure_future(application(scope, receive, send))
    await until_waiting(ports)
    ports.desk.show(quote(1, bid=("0.000911", "1000")))
    with pytest.raises(OSError, match="gone"):
        await connection

    (snapshot,) = ports.orders.snapshots.values()
    assert snapshot.status == "FILLED"
    assert ports.waiting_total == 0


async def test_placed_order_can_be_read_by_its_id(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Reading an order gives what its placing was answered, without the message."""
    ports.desk.show(quote(1))
    placed = (await client.post("/order/limit", json=BUY)).json()

    response = await client.get(f"/order/{placed['order_id'].upper()}")

    assert response.status_code == 200
    placed.pop("message")
    assert response.json() == placed
    assert list(response.json()) == SECTION_4_KEYS[1:]
    shapes.Order.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize(
    "order_id",
    [NO_SUCH_ORDER, "1", "limits", "%00", "..%2forders", "%F0%9F%92%A9", "x" * 5_000, "'--"],
)
@pytest.mark.parametrize("suffix", ["", "/splits"])
async def test_unknown_order_is_404(client: httpx2.AsyncClient, order_id: str, suffix: str) -> None:
    """Whatever stands for an id, an order that is not there is not found, without an echo."""
    response = await client.get(f"/order/{order_id}{suffix}")

    assert response.status_code == 404
    assert response.json()["code"] in {"order_not_found", "not_found"}
    assert len(response.content) < 300


async def test_order_of_another_owner_is_404(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Somebody else's order looks like none."""
    ports.desk.show(quote(1))
    order_id = (await client.post("/order/limit", json=BUY)).json()["order_id"]
    snapshot = ports.orders.snapshots[order_id]
    theirs = replace(snapshot, order=replace(snapshot.order, owner=Owner("somebody")))
    ports.orders.snapshots[order_id] = theirs

    answers = [await client.get(f"/order/{order_id}{suffix}") for suffix in ("", "/splits")]

    assert [answer.status_code for answer in answers] == [404, 404]


async def test_splits_beyond_1000_are_read_page_by_page(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """An answer holds the first 1,000 splits and links to the rest, without gap or repeat."""
    request = asyncio.create_task(
        client.post("/order/limit", json=BUY | {"order_size": "1203", "timeout_seconds": 30})
    )
    await until_waiting(ports)
    for number in range(1, 1_204):
        ports.desk.show(quote(2 * number, ask=("0.000912", "1")))
        ports.desk.show(quote(2 * number + 1, ask=("0.01", "1")))
    placed = await request

    answer = placed.json()
    assert answer["splits_total"] == 1_203
    assert len(answer["splits"]) == 1_000
    link, relation = placed.headers["link"].split("; ")
    assert relation == 'rel="next"'
    rest = (await client.get(link.strip("<>"))).json()
    assert [split["update_id"] for split in answer["splits"] + rest["splits"]] == [
        2 * number for number in range(1, 1_204)
    ]
    assert rest["next_cursor"] is None
    paged: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/order/{answer['order_id']}/splits?limit=500{cursor and f'&cursor={cursor}'}"
        response = await client.get(path)
        page = shapes.SplitsPage.model_validate_json(response.content, strict=True)
        assert page.splits_total == 1_203
        paged += response.json()["splits"]
        cursor = page.next_cursor
    assert paged == answer["splits"] + rest["splits"]


async def test_splits_of_an_open_order_agree_with_the_order(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """An answer never shows splits that its own sum does not count."""
    ports.desk.show(quote(1, ask=("0.000912", "60")))
    request = asyncio.create_task(client.post("/order/limit", json=BUY | {"timeout_seconds": 30}))
    await until_waiting(ports)
    (order_id,) = ports.orders.snapshots
    before = ports.orders.snapshots[order_id]
    ports.desk.show(quote(2, ask=("0.000912", "70")))
    ports.orders.snapshots[order_id] = before

    shown = (await client.get(f"/order/{order_id}")).json()

    assert [split["quantity"] for split in shown["splits"]] == ["60"]
    assert shown["filled_quantity"] == "60"
    request.cancel()


async def test_orders_are_listed_newest_first_with_a_cursor_that_stays_good(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Orders placed while somebody pages do not shift the pages."""
    ports.desk.show(quote(1, ask=("0.000912", "100000")))
    placed = [(await client.post("/order/limit", json=BUY)).json()["order_id"] for _ in range(5)]
    first = (await client.get("/orders?limit=2")).json()
    await client.post("/order/limit", json=BUY)

    second = (
        await client.get("/orders", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    third = await client.get("/orders", params={"limit": 2, "cursor": second["next_cursor"]})

    pages = [first, second, third.json()]
    listed = [order["order_id"] for page in pages for order in page["orders"]]
    assert listed == placed[::-1]
    assert third.json()["next_cursor"] is None
    assert list(first["orders"][0]) == [key for key in SECTION_4_KEYS[1:] if key != "splits"]
    shapes.OrdersPage.model_validate_json(third.content, strict=True)


async def test_orders_are_filtered_by_symbol_and_status(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """A filter shows what it names, in any case of letters, and nothing else."""
    ports.desk.show(quote(1))
    filled = (await client.post("/order/limit", json=BUY)).json()["order_id"]
    expired = (await client.post("/order/limit", json=BUY | {"price": "0.0001"})).json()["order_id"]

    async def listed(query: str) -> list[str]:
        response = await client.get(f"/orders?{query}")
        return [order["order_id"] for order in response.json()["orders"]]

    assert await listed("status=filled") == [filled]
    assert await listed("status=EXPIRED&symbol=ltcbtc") == [expired]
    assert await listed("status=NEW") == []
    assert await listed("symbol=ETHBTC") == []
    assert await listed("") == [expired, filled]


async def test_exact_amounts_survive_the_way_through(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """A number that no binary fraction holds comes back digit by digit."""
    ports.rules.by_symbol = MemoryRules(
        [
            replace(rules, step_size=Decimal(0), tick_size=Decimal(0))
            for rules in (ports.rules.by_symbol or {}).values()
        ]
    ).by_symbol
    body = '{"symbol": "LTCBTC", "order_size": 12345.123456789012, "price": 0.002600000001}'

    answer = (await client.post("/order/limit", content=body)).json()

    assert answer["order_size"] == "12345.123456789012"
    assert answer["price"] == "0.002600000001"


async def test_order_route_called_with_get_says_what_it_takes(client: httpx2.AsyncClient) -> None:
    """Opening the path in a browser is told apart from an order that is not there."""
    response = await client.get("/order/limit")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
