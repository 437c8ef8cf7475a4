"""Placing an order: once per key, and answered as soon or as late as asked for."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from starlette.types import Message

from app.api import problem_models
from app.api.application import ApiOptions, ApiServices, build_application
from app.api.orders import order_models
from app.domain import errors
from app.domain.order import PUBLIC, OrderId, Owner, Symbol
from tests.support.in_memory import MemoryPorts, ltcbtc_rules, quote
from tests.support.in_process import LOCALHOST, AsgiPeer, client_of, scope_of
from tests.support.sent_orders import (
    AT_ONCE,
    BUY,
    CURL_BODY,
    NO_SUCH_ORDER,
    ORDER_KEYS,
    fill_in_lots,
    place,
    place_at_once,
    post_all,
    until_waiting,
)
from tests.support.waiting import eventually

LONG = {"timeout_seconds": 3_600}


async def test_documented_curl_is_answered_with_its_splits(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """An order sent as a form, like the documented curl command, fills over several quotes."""
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
    assert list(answer) == ["message", *ORDER_KEYS]
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
    order_models.OrderAnswer.model_validate_json(response.content, strict=True)


async def test_order_that_the_market_never_reaches_is_no_error(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """An order that expires without a fill is answered with 200 and EXPIRED."""
    ports.desk.show(quote(1))

    response = await place(client, price="0.0001")

    answer = response.json()
    assert response.status_code == 200
    assert answer["message"] == "Order not fulfilled"
    assert (answer["status"], answer["reason"]) == ("EXPIRED", "TIMEOUT")
    assert answer["average_price"] is None
    assert answer["splits"] == []
    assert answer["closed_at"] >= answer["expires_at"]
    order_models.OrderAnswer.model_validate_json(response.content, strict=True)


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
    client: AsyncClient,
    ports: MemoryPorts,
    changes: dict[str, object],
    expected: dict[str, object],
) -> None:
    """The service accepts every allowed spelling and keeps the exact amounts."""
    symbol = str(expected.get("symbol", "LTCBTC"))
    ports.desk.show(quote(1, symbol=symbol))

    response = await place(client, **changes)

    answer = response.json()
    assert response.status_code == 200
    assert answer["status"] == "FILLED"
    assert expected.items() <= answer.items()


async def test_order_is_answered_202_when_the_service_stops_first(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A stop ends the wait: the answer is 202 with the order's current state and its address."""
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
    order_models.OrderAnswer.model_validate_json(response.content, strict=True)


async def test_finished_order_is_answered_200_although_the_service_stops(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """An order that has ended is answered with 200 during a stop, and without a database read."""
    ports.desk.show(quote(1))
    ports.waiters.stop()
    ports.orders.refusal = errors.DatabaseUnavailableError()

    response = await place(client)

    assert (response.status_code, response.json()["status"]) == (200, "FILLED")


@pytest.mark.parametrize(
    ("refusal", "status", "retry_after"),
    [
        (errors.JournalUnavailableError(), 503, "2"),
        (errors.JournalBacklogError(), 503, "1"),
        (errors.OutcomeUnknownError(OrderId(NO_SUCH_ORDER)), 503, "5"),
        (errors.TooManyOrdersError(7), 429, "5"),
    ],
)
async def test_unavailable_desk_says_when_to_come_back(
    client: AsyncClient,
    ports: MemoryPorts,
    refusal: errors.UnavailableError,
    status: int,
    retry_after: str,
) -> None:
    """A refusal by the desk carries Retry-After, and no waiter remains."""
    ports.desk.refusal = refusal

    response = await place(client)

    assert response.status_code == status
    assert response.headers["retry-after"] == retry_after
    assert response.json()["code"] == refusal.code
    assert ports.waiting_total == 0
    problem_models.Problem.model_validate_json(response.content, strict=True)


async def test_order_without_rules_is_refused_503(client: AsyncClient, ports: MemoryPorts) -> None:
    """The service refuses orders until the trading rules are loaded."""
    ports.rules.by_symbol = None

    response = await place(client)

    assert response.status_code == 503
    assert response.json()["code"] == "rules_not_loaded"
    assert response.headers["retry-after"] == "5"


async def test_all_problems_of_a_body_are_told_at_once(client: AsyncClient) -> None:
    """The answer lists all problems of an order, so a client can correct them together."""
    body = {"symbol": "LTC/BTC", "price": "1e-4", "side": "?", "sise": 1, "client_order_id": "?"}

    response = await client.post("/order/limit", json=body, headers={"Idempotency-Key": "!"})

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_order")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [
        ("order_size", "required"),
        ("symbol", "invalid_symbol"),
        ("price", "invalid_amount"),
        ("side", "invalid_side"),
        ("client_order_id", "invalid_client_order_id"),
        ("Idempotency-Key", "invalid_client_order_id"),
        ("sise", "unknown_field"),
    ]
    assert "did you mean side?" in problem["errors"][-1]["message"]
    problem_models.InputProblem.model_validate_json(response.content, strict=True)


async def test_client_that_goes_away_does_not_disturb_its_order(
    application: FastAPI, ports: MemoryPorts
) -> None:
    """An order fills after its client has disconnected."""
    body = CURL_BODY.replace("}", ', "timeout_seconds": 30}').encode()
    gone = AsgiPeer(
        {"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}
    )

    async def send(_message: Message) -> None:
        raise OSError("the client is gone")

    scope = scope_of("POST", "/order/limit", LOCALHOST)
    connection = asyncio.ensure_future(application(scope, gone.receive, send))
    await until_waiting(ports)
    ports.desk.show(quote(1, bid=("0.000911", "1000")))
    with pytest.raises(OSError, match="gone"):
        await connection

    (snapshot,) = ports.orders.snapshots.values()
    assert snapshot.status == "FILLED"
    assert ports.waiting_total == 0


async def test_exact_amounts_survive_the_way_through(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A number that a binary float cannot hold is returned digit by digit."""
    rules = replace(ltcbtc_rules(), step_size=Decimal(0), tick_size=Decimal(0))
    ports.rules.by_symbol = {rules.symbol: rules}
    body = '{"symbol": "LTCBTC", "order_size": 12345.123456789012, "price": 0.002600000001}'

    answer = (await client.post("/order/limit", content=body)).json()

    assert answer["order_size"] == "12345.123456789012"
    assert answer["price"] == "0.002600000001"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("wait=0", "wait=0"),
        ("respond-async, wait=0", "wait=0"),
        ('handling=lenient, wait="0"; foo=bar', "wait=0"),
    ],
)
async def test_order_is_answered_202_as_soon_as_asked_for(
    client: AsyncClient, ports: MemoryPorts, prefer: str, applied: str
) -> None:
    """The service answers immediately, and the order keeps resting and can be filled later."""
    answer = await place(client, prefer, **LONG)

    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == applied
    order_id = answer.json()["order_id"]
    assert answer.headers["location"] == f"/order/{order_id}"
    assert answer.json()["message"] == "Order accepted, not finished"
    assert ports.orders.snapshots[order_id].status == "NEW"
    assert not ports.waiting_total
    order_models.OrderAnswer.model_validate_json(answer.content, strict=True)
    ports.desk.show(quote(1))
    assert (await client.get(answer.headers["location"])).json()["status"] == "FILLED"


@pytest.mark.parametrize(
    ("prefer", "displayed", "status_code", "status"),
    [("wait=250", "400", 200, "FILLED"), ("wait=1", "30", 202, "PARTIALLY_FILLED")],
)
async def test_order_is_answered_at_its_end_or_after_the_wait(
    client: AsyncClient,
    ports: MemoryPorts,
    *,
    prefer: str,
    displayed: str,
    status_code: int,
    status: str,
) -> None:
    """The end of the order or of the wait gives the answer, which names the preference."""
    placing = asyncio.create_task(place(client, prefer, **LONG))
    await until_waiting(ports)
    ports.desk.show(quote(1, ask=("0.000912", displayed)))

    answer = await placing

    assert (answer.status_code, answer.json()["status"]) == (status_code, status)
    assert answer.headers["preference-applied"] == prefer
    assert ("location" in answer.headers) is (status_code == 202)
    assert len(answer.json()["splits"]) == 1


async def test_wait_is_bounded_with_and_without_a_preference(
    services: ApiServices, options: ApiOptions
) -> None:
    """No request waits longer than the setting, whether or not the client asks for a wait."""
    application = build_application(services, replace(options, wait_seconds_max=0))
    async with client_of(application) as client:
        without = await place(client, **LONG)
        beyond = await place(client, "wait=9", **LONG)

    assert [without.status_code, beyond.status_code] == [202, 202]
    assert without.headers["location"]
    assert "preference-applied" not in without.headers
    assert beyond.headers["preference-applied"] == "wait=0"


@pytest.mark.parametrize(
    ("time_in_force", "asks", "expected"),
    [
        ("IOC", "30", ("EXPIRED", "IOC_REMAINDER", "30")),
        ("ioc", "100", ("FILLED", None, "100")),
        ("FOK", "30", ("EXPIRED", "FOK_UNFILLABLE", "0")),
        ("fok", "100", ("FILLED", None, "100")),
    ],
)
async def test_order_that_does_not_rest_is_decided_by_its_first_quote(
    client: AsyncClient,
    ports: MemoryPorts,
    time_in_force: str,
    asks: str,
    expected: tuple[str, str | None, str],
) -> None:
    """IOC fills what the first quote offers, FOK all or nothing; both wait up to 5 s for it."""
    ports.desk.show(quote(1, ask=("0.000912", asks)))

    answer = await place(client, time_in_force=time_in_force)

    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["reason"], told["filled_quantity"]) == expected
    assert told["time_in_force"] == time_in_force.upper()
    (snapshot,) = ports.orders.snapshots.values()
    assert (snapshot.order.expires_at - snapshot.order.accepted_at).total_seconds() == 5


@pytest.mark.parametrize(
    "again",
    [
        {"json": BUY | {"client_order_id": "k-1"}},
        {"json": BUY, "headers": {"Idempotency-Key": "k-1"}},
        {"json": BUY, "headers": {"idempotency-key": '"k-1"'}},
        {"json": BUY, "headers": {"Idempotency-Key": ' "k-1" ', "Prefer": "respond-async"}},
        {"json": BUY | {"client_order_id": "k-1"}, "headers": {"Idempotency-Key": '"k-1"'}},
        {"json": BUY | {"client_order_id": None}, "headers": {"Idempotency-Key": "k-1"}},
        {"json": BUY | {"client_order_id": "k-1", "order_size": "100.00", "side": "BUY"}},
        {"json": BUY | {"client_order_id": "k-1", "symbol": "ltcbtc", "time_in_force": "gtd"}},
        {"json": BUY | {"client_order_id": "k-1", "timeout_seconds": "0.050", "price": 0.0026}},
    ],
)
async def test_order_sent_again_is_answered_with_the_stored_one(
    client: AsyncClient, ports: MemoryPorts, again: dict[str, object]
) -> None:
    """A second request with the same key and an equal order places nothing and is a replay."""
    ports.desk.show(quote(1))
    first = await place(client, client_order_id="k-1")
    events = len(ports.orders.events)

    second = await client.post("/order/limit", **again)  # type: ignore[arg-type] # its arguments

    assert second.status_code == 200
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert second.json() == first.json()
    assert second.json()["client_order_id"] == "k-1"
    assert len(ports.orders.events) == events
    order_models.OrderAnswer.model_validate_json(second.content, strict=True)


async def test_fifty_at_once_make_one_order(client: AsyncClient, ports: MemoryPorts) -> None:
    """Fifty concurrent requests with one key place one order, and all get the same answer."""
    ports.journal.hold()
    posting = asyncio.create_task(
        post_all(client, 50, json=BUY | {"client_order_id": "k-1"} | LONG)
    )
    await eventually(lambda: ports.journal.waiting_total == 50)
    ports.journal.release()
    await eventually(lambda: ports.orders.snapshots)
    ports.desk.show(quote(1))

    answers = await posting

    assert len(ports.orders.snapshots) == 1
    assert [answer.status_code for answer in answers] == [200] * 50
    assert len({answer.content for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert sorted(replayed, key=str) == [None] + ["true"] * 49
    assert not ports.waiting_total


@pytest.mark.parametrize(
    "change",
    [
        {"order_size": "100.001"},
        {"price": "0.002601"},
        {"side": "SELL"},
        {"symbol": "ETHBTC"},
        {"timeout_seconds": "0.051"},
        {"time_in_force": "IOC"},
    ],
)
async def test_key_with_another_order_is_refused(
    client: AsyncClient, ports: MemoryPorts, change: dict[str, str]
) -> None:
    """A key that belongs to a different order is refused with the id of that order."""
    ports.desk.show(quote(1))
    first = await place(client, client_order_id="k-1")

    answer = await client.post("/order/limit", json=BUY | {"client_order_id": "k-1"} | change)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "idempotency_key_reused")
    assert problem["order_id"] == first.json()["order_id"]
    assert len(ports.orders.snapshots) == 1
    problem_models.OrderProblem.model_validate_json(answer.content, strict=True)


async def test_key_given_by_two_headers_is_refused(client: AsyncClient, ports: MemoryPorts) -> None:
    """Two headers with the same key are refused as duplicates."""
    answer = await client.post(
        "/order/limit", json=BUY, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "duplicate"
    assert not ports.orders.snapshots


async def test_order_that_was_refused_uses_up_no_key(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A refused order does not use its key: a corrected order may be sent with it."""
    key = {"client_order_id": "k-1"}
    ports.desk.show(quote(1))
    refused = await client.post("/order/limit", json=BUY | key | {"price": "0.0000001"})
    ports.desk.refusal = errors.JournalUnavailableError()
    not_now = await place(client, **key)
    ports.desk.refusal = None

    accepted = await place(client, **key)

    assert [refused.status_code, not_now.status_code, accepted.status_code] == [422, 503, 200]
    assert "idempotent-replayed" not in accepted.headers


async def test_replay_of_an_open_order_waits_for_its_end(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A client that lost its connection can wait again for the same order."""
    order_id = await place_at_once(client, client_order_id="k-1")
    waiting = asyncio.create_task(place(client, client_order_id="k-1", **LONG))
    await eventually(lambda: ports.waiting_total == 2)  # the replay and the first request
    ports.desk.show(quote(1))

    answer = await waiting

    assert (answer.status_code, answer.json()["status"]) == (200, "FILLED")
    assert answer.json()["order_id"] == order_id
    assert answer.headers["idempotent-replayed"] == "true"
    assert not ports.waiting_total


async def test_replay_of_an_open_order_waits_as_long_as_asked_for(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A replay honors the preference for an immediate answer."""
    ports.desk.show(quote(1, ask=("0.000912", "30")))
    order_id = await place_at_once(client, client_order_id="k-1")

    answer = await place(client, "respond-async", client_order_id="k-1", **LONG)

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/order/{order_id}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.json()["filled_quantity"] == "30"
    assert answer.json()["splits_total"] == 1


async def test_replay_does_not_ask_for_what_a_new_order_needs(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A replay returns the stored order even when a new order would be refused now."""
    key = {"client_order_id": "k-1"}
    ports.desk.show(quote(1))
    first = await place(client, **key)
    rules = ports.rules.by_symbol or {}
    halted = {name: replace(one, status="BREAK") for name, one in rules.items()}
    answers = []

    for by_symbol, refusal, is_writable in (
        (halted, None, True),
        ({}, None, True),
        (None, None, True),
        (rules, errors.TooManyOrdersError(7), True),
        (rules, errors.JournalBacklogError(), True),
        (rules, None, False),
    ):
        ports.rules.by_symbol = by_symbol
        ports.desk.refusal = refusal
        ports.journal.is_writable = is_writable
        answers.append(await place(client, **key))

    assert [answer.status_code for answer in answers] == [200] * 6
    assert {answer.content for answer in answers} == {first.content}


@pytest.mark.parametrize("refusal", [None, errors.TooManyOrdersError(7)])
async def test_order_whose_key_cannot_be_looked_up_is_503(
    client: AsyncClient, ports: MemoryPorts, refusal: Exception | None
) -> None:
    """If the lookup of a key fails, the answer is 503: an earlier request may have placed it."""
    ports.desk.show(quote(1))
    await place(client, client_order_id="k-1")
    ports.desk.refusal = refusal
    ports.orders.refusal = errors.DatabaseUnavailableError()

    answer = await place(client, client_order_id="k-1")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert not ports.waiting_total


async def test_request_that_is_refused_does_not_deny_an_earlier_one_that_is_under_way(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """While the first request is not durable, a retry gets 503 with the id of its order."""
    ports.journal.hold()
    first = asyncio.create_task(place(client, client_order_id="k-1"))
    await eventually(lambda: ports.journal.order_under_way(PUBLIC, "k-1"))
    order_id = ports.journal.order_under_way(PUBLIC, "k-1")
    ports.desk.refusal = errors.JournalUnavailableError()

    again = await place(client, client_order_id="k-1")

    assert (again.status_code, again.json()["code"]) == (503, "outcome_unknown")
    assert str(order_id) in again.json()["detail"]
    ports.desk.refusal = None
    ports.journal.release()
    assert (await first).json()["order_id"] == order_id


async def test_key_of_an_order_that_is_not_kept_any_more_is_told_as_gone(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """The key of a pruned order is answered with 410, and no order is placed."""
    ports.desk.show(quote(1))
    first = await place(client, client_order_id="k-1")
    ports.orders.prune(OrderId(first.json()["order_id"]))

    answer = await place(client, client_order_id="k-1")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (410, "order_pruned")
    assert problem["order_id"] == first.json()["order_id"]
    assert not ports.orders.snapshots
    problem_models.OrderProblem.model_validate_json(answer.content, strict=True)


async def test_keys_of_two_owners_do_not_meet(client: AsyncClient, ports: MemoryPorts) -> None:
    """Two owners can use the same key for different orders."""
    ports.orders.keys[Owner("somebody"), "k-1"] = OrderId(NO_SUCH_ORDER)
    ports.desk.show(quote(1))

    answer = await place(client, client_order_id="k-1")

    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers


async def test_replay_links_to_splits_beyond_the_first_1000(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A replayed answer holds the first 1,000 splits and links to the others."""
    body = BUY | LONG | {"order_size": "1003", "client_order_id": "k-1"}
    await client.post("/order/limit", json=body, headers=AT_ONCE)
    fill_in_lots(ports, 1_003)

    answer = await client.post("/order/limit", json=body)

    assert answer.json()["splits_total"] == 1_003
    assert len(answer.json()["splits"]) == 1_000
    rest = await client.get(answer.headers["link"].split(";")[0].strip("<>"))
    assert [split["update_id"] for split in rest.json()["splits"]] == [2_002, 2_004, 2_006]


async def test_the_status_of_now_decides(client: AsyncClient, ports: MemoryPorts) -> None:
    """The trading rules may be minutes old, in both directions."""
    order = {"order_size": "1", "price": "0.0001", "timeout_seconds": 3_600}
    ports.rules.status_now = {Symbol("LTCBTC"): "HALT", Symbol("HALTBTC"): "TRADING"}
    later = {"Prefer": "respond-async"}

    halted = await client.post("/order/limit", json=order | {"symbol": "LTCBTC"}, headers=later)
    resumed = await client.post("/order/limit", json=order | {"symbol": "HALTBTC"}, headers=later)
    shown = await client.get("/symbols/LTCBTC")

    assert halted.json()["errors"][0]["code"] == "symbol_not_trading"
    assert resumed.status_code == 202
    assert (shown.json()["status"], shown.json()["live"]) == ("HALT", False)
