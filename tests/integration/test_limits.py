"""Every limit that is a setting, reached in a running service."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.support.connections import connect
from tests.support.sent_orders import AT_ONCE
from tests.support.services import ServiceUnderTest, service_under_test

SYMBOLS = ("LTCBTC", "ETHBTC")


def buy(**changes: object) -> dict[str, Any]:
    """Return the body of an order that rests."""
    body = {"symbol": "LTCBTC", "order_size": "1", "price": "0.0001", "timeout_seconds": 3_600}
    return body | changes


async def place(service: ServiceUnderTest, orders: Iterable[dict[str, Any]]) -> list[int]:
    """Place orders one after another and return the statuses of the answers."""
    return [
        (await service.client.post("/order/limit", json=body, headers=AT_ONCE)).status_code
        for body in orders
    ]


@pytest.mark.parametrize(
    ("setting", "whose"),
    [
        ("open_orders_max", "the service"),
        ("open_orders_per_owner_max", "an owner"),
        ("open_orders_per_symbol_max", "the symbol LTCBTC"),
    ],
)
async def test_one_open_order_too_many_is_429(tmp_path: Path, setting: str, whose: str) -> None:
    """The error names the limit, and a closed order makes room for another."""
    async with service_under_test(tmp_path, symbols=SYMBOLS, limits={setting: 2}) as service:
        assert await place(service, [buy(), buy()]) == [202, 202]

        refused = await service.client.post("/order/limit", json=buy(), headers=AT_ONCE)

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open_orders")
        assert f"{whose} may have at most 2 open orders" in refused.json()["detail"]
        assert refused.headers["Retry-After"] == "5"
        other = await place(service, [buy(symbol="ETHBTC")])
        assert other == [202 if setting == "open_orders_per_symbol_max" else 429]
        canceled = await service.client.delete("/orders?symbol=LTCBTC")
        assert canceled.json()["canceled_total"] == 2
        assert await place(service, [buy()]) == [202]


async def test_a_wait_beyond_the_longest_ends_with_202(tmp_path: Path) -> None:
    """No request waits longer than the limit, with or without a preference."""
    async with service_under_test(tmp_path, limits={"wait_seconds_max": 0}) as service:
        without = await service.client.post("/order/limit", json=buy())
        asked = await service.client.post(
            "/order/limit", json=buy(), headers={"Prefer": "wait=100"}
        )

    assert [answer.status_code for answer in (without, asked)] == [202, 202]
    assert "Preference-Applied" not in without.headers
    assert asked.headers["Preference-Applied"] == "wait=0"


async def test_a_time_beyond_the_longest_is_422(tmp_path: Path) -> None:
    """The error names the field and its maximum."""
    async with service_under_test(tmp_path) as service:
        refused = await service.client.post("/order/limit", json=buy(timeout_seconds=86_401))

    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"field": "timeout_seconds", "code": "out_of_range", "message": "must be at most 86400"}
    ]


async def test_requests_that_come_too_fast_are_429(tmp_path: Path) -> None:
    """Requests over the rate get 429, while probes and documents are still answered."""
    async with service_under_test(tmp_path, limits={"requests_per_second_max": 1}) as service:
        answers = await asyncio.gather(*(service.client.get("/orders") for _ in range(50)))
        limited = [answer for answer in answers if answer.status_code == 429]

        assert limited
        assert {answer.json()["code"] for answer in limited} == {"rate_limited"}
        assert {answer.headers["Retry-After"] for answer in limited} == {"1"}
        probes = [await service.client.get(path) for path in ("/healthz", "/readyz", "/docs")]
        assert [probe.status_code for probe in probes] == [200, 200, 200]


async def test_a_body_that_is_too_long_is_413(tmp_path: Path) -> None:
    """The limit is the setting, and the error names it."""
    async with service_under_test(tmp_path, limits={"body_bytes_max": 1_024}) as service:
        refused = await service.client.post("/order/limit", content=b" " * 1_025)
        read = await service.client.post("/order/limit", content=b" " * 1_024)

    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert "1024 bytes" in refused.json()["detail"]
    assert (read.status_code, read.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("places", [0, 2])
async def test_one_websocket_too_many_is_429(tmp_path: Path, places: int) -> None:
    """The handshake is refused with 429 and Retry-After."""
    async with service_under_test(tmp_path, limits={"websockets_max": places}) as service:
        address = f"{service.url}/ws/orders".replace("http", "ws", 1)
        sockets = [await connect(address) for _ in range(places)]

        with pytest.raises(InvalidStatus) as refused:
            await connect(address)

        response = refused.value.response
        assert response.status_code == httpx2.codes.TOO_MANY_REQUESTS
        assert json.loads(response.body or b"{}")["code"] == "too_many_websockets"
        assert response.headers["Retry-After"] == "5"
        await asyncio.gather(*(socket.close() for socket in sockets))


async def test_more_writes_than_may_wait_are_503(tmp_path: Path) -> None:
    """Writes beyond the limit get 503, and exactly the accepted orders are stored."""
    async with service_under_test(tmp_path, limits={"journal_backlog_max": 1}) as service:
        bodies = [buy(client_order_id=f"order-{number}") for number in range(40)]
        answers = await asyncio.gather(
            *(service.client.post("/order/limit", json=one, headers=AT_ONCE) for one in bodies)
        )
        stored = (await service.client.get("/orders?limit=1000")).json()["orders"]

    told = {
        one["client_order_id"]: (answer.status_code, answer.json().get("code"))
        for one, answer in zip(bodies, answers, strict=True)
    }
    assert set(told.values()) == {(202, None), (503, "journal_backlog")}
    accepted = {key for key, (status, _) in told.items() if status == 202}
    assert {order["client_order_id"] for order in stored} == accepted
