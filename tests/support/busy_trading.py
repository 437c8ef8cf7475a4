"""Places orders of every kind on a moving market."""

import asyncio
import random
from decimal import Decimal
from typing import Any, Final

import httpx2

from tests.support.connections import http_client
from tests.support.keys import ALICE, BOB, authorization
from tests.support.sent_orders import AT_ONCE

QUANTITIES_LEAST: Final = {"BTCUSDT": "0.01", "ETHUSDT": "0.1", "LTCBTC": "1"}
"""The traded symbols, and the smallest quantity of an order in each."""

KINDS: Final = ("GTD", "GTD", "GTD", "IOC", "FOK")
AT_A_TIME: Final = 4
TIMEOUTS_SECONDS: Final = ("0.2", "1", "3", "600")


class Trader:
    """Places and cancels random orders near the best prices, for two owners.

    ``placed`` and ``canceled`` count them.
    """

    def __init__(self, seed: int, venue_rest_url: str) -> None:
        self.placed = 0
        self.canceled = 0
        self._random = random.Random(seed)
        self._venue_rest_url = venue_rest_url
        self._open: list[tuple[str, str]] = []

    async def place(self, client: httpx2.AsyncClient, orders: int) -> None:
        """Place orders, a few at a time, and cancel some of them."""
        touches = await self._touches()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(self._place(client, orders // AT_A_TIME, touches))

    async def _place(
        self, client: httpx2.AsyncClient, orders: int, touches: dict[str, Any]
    ) -> None:
        for _ in range(orders):
            key = self._random.choice((ALICE, BOB))
            answer = await client.post(
                "/order/limit", json=self._body(touches), headers=AT_ONCE | authorization(key)
            )
            assert answer.is_success, answer.text
            self.placed += 1
            self._open.append((key, answer.json()["order_id"]))
            await self._interfere(client)

    async def _interfere(self, client: httpx2.AsyncClient) -> None:
        what = self._random.random()
        key, order_id = self._random.choice(self._open)
        if what < 0.15:
            answer = await client.delete(f"/order/{order_id}", headers=authorization(key))
            assert answer.status_code in {200, 409}, answer.text
            self.canceled += answer.is_success
        elif what < 0.17:
            symbol = self._random.choice(list(QUANTITIES_LEAST))
            answer = await client.delete(
                "/orders", params={"symbol": symbol}, headers=authorization(key)
            )
            assert answer.is_success, answer.text
        elif what < 0.5:
            await asyncio.sleep(0.01)

    def _body(self, touches: dict[str, Any]) -> dict[str, Any]:
        symbol = self._random.choice(list(QUANTITIES_LEAST))
        touch = touches[symbol]
        side = self._random.choice(("BUY", "SELL"))
        time_in_force = self._random.choice(KINDS)
        displayed = Decimal(touch["askQty" if side == "BUY" else "bidQty"])
        quantity = max(Decimal(QUANTITIES_LEAST[symbol]), displayed) * self._random.randint(1, 3)
        body = {
            "symbol": symbol,
            "side": side,
            "order_size": f"{quantity:f}",
            "price": touch["askPrice" if side == "BUY" else "bidPrice"],
            "time_in_force": time_in_force,
        }
        if time_in_force == "GTD":
            body["timeout_seconds"] = self._random.choice(TIMEOUTS_SECONDS)
        return body

    async def _touches(self) -> dict[str, Any]:
        async with http_client(base_url=self._venue_rest_url) as client:
            return {
                symbol: (
                    await client.get("/api/v3/ticker/bookTicker", params={"symbol": symbol})
                ).json()
                for symbol in QUANTITIES_LEAST
            }
