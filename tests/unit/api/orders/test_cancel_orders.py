"""The routes that cancel orders, over a desk in memory."""

import asyncio

import pytest
from httpx2 import AsyncClient

from app.api import problem_models
from app.api.orders import order_models
from app.domain import errors
from app.domain.order import OrderId
from tests.support.in_memory import MemoryPorts, quote
from tests.support.sent_orders import BUY, NO_SUCH_ORDER, ORDER_KEYS, place_at_once, until_waiting
from tests.support.waiting import eventually


async def test_cancel_is_answered_with_the_canceled_order_also_when_repeated(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A cancel keeps earlier fills, and a second cancel returns the same answer."""
    ports.desk.show(quote(1, ask=("0.000912", "30")))
    order_id = await place_at_once(client)

    first = await client.delete(f"/order/{order_id}")
    again = await client.delete(f"/order/{order_id.upper()}")

    told = first.json()
    assert first.status_code == again.status_code == 200
    assert list(told) == ORDER_KEYS
    assert (told["status"], told["reason"]) == ("CANCELED", "CANCELED_BY_CLIENT")
    assert (told["filled_quantity"], told["splits_total"]) == ("30", 1)
    assert told["closed_at"] is not None
    assert again.content == first.content
    assert len(ports.orders.events) == 3
    order_models.Order.model_validate_json(first.content, strict=True)


async def test_canceled_order_is_filled_no_more(client: AsyncClient, ports: MemoryPorts) -> None:
    """A quote after the cancel fills nothing, and the waiting request is answered."""
    waiting = asyncio.create_task(
        client.post("/order/limit", json=BUY | {"timeout_seconds": 3_600})
    )
    await until_waiting(ports)
    (order_id,) = ports.orders.snapshots

    await client.delete(f"/order/{order_id}")
    ports.desk.show(quote(1))

    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELED")
    assert answer.json()["message"] == "Order not fulfilled"
    assert ports.orders.snapshots[order_id].filled_quantity == 0


@pytest.mark.parametrize(("price", "status"), [("0.0026", "FILLED"), ("0.0001", "EXPIRED")])
async def test_order_that_ended_otherwise_is_not_canceled(
    client: AsyncClient, ports: MemoryPorts, price: str, status: str
) -> None:
    """The cancel of a closed order is answered with 409 and the order with its splits."""
    ports.desk.show(quote(1))
    placed = (await client.post("/order/limit", json=BUY | {"price": price})).json()

    answer = await client.delete(f"/order/{placed['order_id']}")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "order_closed")
    assert problem["order"] == {key: placed[key] for key in ORDER_KEYS}
    assert problem["order"]["status"] == status
    problem_models.ClosedOrderProblem.model_validate_json(answer.content, strict=True)


async def test_order_that_is_filled_before_its_cancel_is_durable_is_told_so(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A fill queued before the cancel wins, so the cancel is answered with 409."""
    order_id = await place_at_once(client)
    ports.journal.hold()
    ports.desk.show(quote(1))
    canceling = asyncio.create_task(client.delete(f"/order/{order_id}"))
    await eventually(lambda: ports.journal.waiting_total == 2)

    ports.journal.release()

    answer = await canceling
    assert (answer.status_code, answer.json()["order"]["status"]) == (409, "FILLED")


@pytest.mark.parametrize(
    "refusal",
    [
        errors.JournalUnavailableError(),
        errors.OutcomeUnknownError(OrderId(NO_SUCH_ORDER), doing="canceled"),
    ],
)
@pytest.mark.parametrize("is_for_all", [False, True])
async def test_cancel_that_cannot_be_stored_is_503(
    client: AsyncClient,
    ports: MemoryPorts,
    refusal: errors.JournalUnavailableError | errors.OutcomeUnknownError,
    *,
    is_for_all: bool,
) -> None:
    """A cancel that is not durable is never answered as a success."""
    order_id = await place_at_once(client)
    ports.desk.refusal = refusal

    answer = await client.delete("/orders?symbol=LTCBTC" if is_for_all else f"/order/{order_id}")

    assert (answer.status_code, answer.json()["code"]) == (503, refusal.code)
    assert answer.headers["retry-after"]
    assert ports.orders.snapshots[OrderId(order_id)].status == "NEW"


async def test_cancel_that_cannot_be_read_back_is_503(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A failing database is reported as 503 and not as a missing order."""
    order_id = await place_at_once(client)
    ports.orders.refusal = errors.DatabaseUnavailableError()

    for path in (f"/order/{order_id}", "/orders?symbol=LTCBTC"):
        assert (await client.delete(path)).json()["code"] == "database_unavailable"


async def test_all_open_orders_of_a_symbol_are_canceled_and_no_other(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """The answer lists the canceled orders in the order of their acceptance."""
    ports.desk.show(quote(1, ask=("0.000912", "130")))
    filled = await place_at_once(client)
    partial = await place_at_once(client)
    resting = await place_at_once(client, price="0.0001")
    elsewhere = await place_at_once(client, symbol="ETHBTC")

    first = await client.delete("/orders?symbol=ltcbtc")
    again = await client.delete("/orders?symbol=LTCBTC")

    told = first.json()
    assert first.status_code == 200
    assert list(told) == ["symbol", "canceled_total", "orders"]
    assert (told["symbol"], told["canceled_total"]) == ("LTCBTC", 2)
    assert [(one["order_id"], one["filled_quantity"]) for one in told["orders"]] == [
        (partial, "30"),
        (resting, "0"),
    ]
    assert {one["status"] for one in told["orders"]} == {"CANCELED"}
    assert list(told["orders"][0]) == [key for key in ORDER_KEYS if key != "splits"]
    assert again.json() == {"symbol": "LTCBTC", "canceled_total": 0, "orders": []}
    statuses = {one: ports.orders.snapshots[OrderId(one)].status for one in (filled, elsewhere)}
    assert statuses == {filled: "FILLED", elsewhere: "NEW"}
    order_models.CanceledOrders.model_validate_json(first.content, strict=True)


async def test_more_than_1000_orders_are_canceled_at_once_and_the_first_told(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """All orders are canceled and counted, but the answer lists only the first 1,000."""
    placed = [await place_at_once(client) for _ in range(1_003)]

    told = (await client.delete("/orders?symbol=LTCBTC")).json()

    assert told["canceled_total"] == 1_003
    assert [one["order_id"] for one in told["orders"]] == placed[:1_000]
    assert {snapshot.status for snapshot in ports.orders.snapshots.values()} == {"CANCELED"}


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("", "symbol", "required"),
        ("symbol=", "symbol", "invalid_symbol"),
        ("symbol=LTCBTC&symbol=ETHBTC", "symbol", "duplicate"),
        ("symbol=LTCBTC&status=NEW", "status", "unknown_field"),
    ],
)
async def test_cancel_of_all_needs_one_symbol(
    client: AsyncClient, ports: MemoryPorts, query: str, field: str, code: str
) -> None:
    """A missing, invalid or unknown parameter cancels nothing."""
    order_id = OrderId(await place_at_once(client))

    answer = await client.delete(f"/orders?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_query")
    assert (field, code) in [(one["field"], one["code"]) for one in answer.json()["errors"]]
    assert ports.orders.snapshots[order_id].status == "NEW"
