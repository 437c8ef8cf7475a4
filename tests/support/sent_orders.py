"""Orders as clients send them."""

import asyncio
from typing import Any, Final

import httpx2

from tests.support.in_memory import MemoryPorts, quote
from tests.support.waiting import eventually

CURL_BODY: Final = '{"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}'
BUY: Final = {"symbol": "LTCBTC", "order_size": "100", "price": "0.0026"}
NO_SUCH_ORDER: Final = "0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"
AT_ONCE: Final = {"Prefer": "respond-async"}

ORDER_KEYS: Final = [
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
"""The keys of an order in answers, in their order."""


async def until_waiting(ports: MemoryPorts) -> None:
    """Return once a request waits for its order."""
    await eventually(lambda: ports.orders.snapshots and ports.waiting_total)


async def place(
    client: httpx2.AsyncClient,
    prefer: str | None = None,
    /,
    **changes: Any,  # noqa: ANN401 - any JSON
) -> httpx2.Response:
    """Send an order, and return the answer that comes as early as ``prefer`` asks for."""
    headers = {} if prefer is None else {"Prefer": prefer}
    return await client.post("/order/limit", json=BUY | changes, headers=headers)


def fill_in_lots(ports: MemoryPorts, lots: int) -> None:
    """Show so many quotes, each of which fills one unit of a resting BUY."""
    for number in range(1, lots + 1):
        ports.desk.show(quote(2 * number, ask=("0.000912", "1")))
        ports.desk.show(quote(2 * number + 1, ask=("0.01", "1")))


async def place_at_once(client: httpx2.AsyncClient, **changes: Any) -> str:  # noqa: ANN401 - any JSON
    """Place an order with a long time, and return its id without waiting for its end."""
    answer = await place(client, "respond-async", **{"timeout_seconds": 3_600} | changes)
    assert answer.is_success, answer.text
    return str(answer.json()["order_id"])


async def post_all(
    client: httpx2.AsyncClient,
    number: int,
    **request: Any,  # noqa: ANN401 - passed on
) -> list[httpx2.Response]:
    """Send the same order this number of times at once."""
    requests = [client.post("/order/limit", **request) for _ in range(number)]
    return list(await asyncio.gather(*requests))
