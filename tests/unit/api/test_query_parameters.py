"""Query parameters and cursors."""

import pytest
from httpx2 import AsyncClient

from app.api.cursors import Cursor, write_cursor

ORDER_PATH = "/order/0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"
SPLITS_CURSOR = write_cursor(Cursor.SPLITS, 7)


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=0", "limit", "out_of_range"),
        ("limit=1001", "limit", "out_of_range"),
        ("limit=-1", "limit", "out_of_range"),
        ("limit=", "limit", "out_of_range"),
        ("limit=1.5", "limit", "out_of_range"),
        ("limit=1e2", "limit", "out_of_range"),
        ("limit=%D9%A1", "limit", "out_of_range"),
        (f"limit={'9' * 5_000}", "limit", "out_of_range"),
        ("limit=1&limit=2", "limit", "duplicate"),
        ("symbol=LTC/BTC", "symbol", "invalid_symbol"),
        ("symbol=", "symbol", "invalid_symbol"),
        ("symbol=%00", "symbol", "invalid_symbol"),
        ("symbol=%FF", "symbol", "invalid_symbol"),
        ("symbol=%ED%A0%80", "symbol", "invalid_symbol"),
        ("status=OPEN", "status", "invalid_status"),
        ("status=", "status", "invalid_status"),
        ("cursor=", "cursor", "invalid_cursor"),
        ("cursor=1", "cursor", "invalid_cursor"),
        ("cursor=%F0%9F%92%A9", "cursor", "invalid_cursor"),
        ("cursor=bzQy%0A", "cursor", "invalid_cursor"),
        ("cursor=bzQy!!!!", "cursor", "invalid_cursor"),
        ("cursor=_-_-", "cursor", "invalid_cursor"),
        (f"cursor={SPLITS_CURSOR}", "cursor", "invalid_cursor"),
        (f"cursor={write_cursor(Cursor.ORDERS, 10**18)}", "cursor", "invalid_cursor"),
        (f"cursor={'A' * 5_000}", "cursor", "invalid_cursor"),
        ("Symbol=LTCBTC", "Symbol", "unknown_field"),
        ("=1", "", "unknown_field"),
        ("client_order_id=", "client_order_id", "invalid_client_order_id"),
        ("client_order_id=a b", "client_order_id", "invalid_client_order_id"),
        (f"client_order_id={'a' * 37}", "client_order_id", "invalid_client_order_id"),
    ],
)
async def test_bad_parameter_of_the_listing_is_refused(
    client: AsyncClient, query: str, field: str, code: str
) -> None:
    """An invalid or unknown parameter is an error and never ignored."""
    await assert_refused(client, "GET", f"/orders?{query}", field, code)


@pytest.mark.parametrize(
    ("method", "address", "field", "code"),
    [
        ("GET", f"{ORDER_PATH}?verbose=1", "verbose", "unknown_field"),
        ("GET", f"{ORDER_PATH}/splits?verbose=1", "verbose", "unknown_field"),
        ("GET", f"{ORDER_PATH}/events?verbose=1", "verbose", "unknown_field"),
        ("GET", "/symbols/LTCBTC?verbose=1", "verbose", "unknown_field"),
        ("POST", "/order/limit?side=SELL", "side", "unknown_field"),
        ("GET", f"{ORDER_PATH}/splits?cursor=bzQy", "cursor", "invalid_cursor"),
        ("GET", f"{ORDER_PATH}/splits?limit=0", "limit", "out_of_range"),
        ("GET", f"{ORDER_PATH}/events?cursor={SPLITS_CURSOR}", "cursor", "invalid_cursor"),
    ],
)
async def test_bad_parameter_of_another_route_is_refused(
    client: AsyncClient, method: str, address: str, field: str, code: str
) -> None:
    """Every route refuses parameters that it has not, and cursors of other listings."""
    await assert_refused(client, method, address, field, code)


async def assert_refused(
    client: AsyncClient, method: str, address: str, field: str, code: str
) -> None:
    """Assert that one parameter is refused, in a short answer."""
    response = await client.request(method, address)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_query")
    assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]
    assert len(response.content) < 500


async def test_all_problems_of_a_query_are_told_at_once(client: AsyncClient) -> None:
    """All problems are listed together, so a client can correct them in one attempt."""
    response = await client.get("/orders?limit=0&cursor=x&status=?&page=2")

    fields = [error["field"] for error in response.json()["errors"]]
    assert sorted(fields) == ["cursor", "limit", "page", "status"]
