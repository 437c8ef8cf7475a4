"""The loads of ``bench.memory``: ``python -m bench.memory_loads NAME`` runs one of them.

``LOADS`` has their names. Each load prints its figures as one JSON object.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import random
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.api.fields import read_symbol
from app.api.orders.limit_order import shared_amount
from app.clock import Uuid7Source
from app.domain.matcher import SymbolMatcher
from app.domain.order import NewOrder, Order, Symbol
from app.domain.quote import Quote
from app.fulfillment.desk import FulfillmentDesk
from app.ports import FeedState, QuoteListener
from bench.harness.measuring import measured
from bench.harness.orders import buy_order, new_buy_order
from bench.harness.service_parts import running_desk

OPEN_ORDERS: Final = 100_000
TRACED_ORDERS: Final = OPEN_ORDERS // 4
"""Tracing makes an order several times slower. At a quarter, a power of two, tables are as full."""

PASSING_ORDERS: Final = 1_000_000
LASTING_ORDERS: Final = 10_000
"""Orders that stay open while a million others come and go."""

SYMBOL: Final = "BTCUSDT"
SEED: Final = 20240808
CLIENTS: Final = 500
"""Orders that are on their way to the disk at once."""

ORDERS_PER_QUOTE: Final = 10
"""Orders that have the same first quote."""

WARMING_SHARE: Final = 50
"""One of so many orders is placed before the measurement."""

TIMED_ORDERS: Final = 10_000
TIMED_QUOTES: Final = 50_000


class _Feed:
    """A feed whose quotes the benchmark makes (port ``Feed``)."""

    def __init__(self) -> None:
        self.listener: QuoteListener | None = None
        self._update_id = 0

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        del symbol
        self.listener = listener

    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        del symbol, listener
        self.listener = None

    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Do nothing: no quote gets old here."""

    def state(self) -> FeedState:
        raise NotImplementedError

    def quote(self) -> Quote:
        """Make the next quote, far from every order."""
        self._update_id += 1
        return Quote(
            symbol=Symbol(SYMBOL),
            update_id=self._update_id,
            bid_price=Decimal(f"61999.{self._update_id % 50:02}"),
            bid_quantity=Decimal(f"1.{self._update_id % 7}"),
            ask_price=Decimal(f"62000.{self._update_id % 50:02}"),
            ask_quantity=Decimal(f"1.{self._update_id % 5}"),
            received_ns=time.monotonic_ns(),
        )

    def push(self) -> None:
        """Deliver the next quote to the listener, if there is one."""
        if self.listener is not None:
            self.listener.on_quote(self.quote())


@dataclass(slots=True)
class _Shop:
    desk: FulfillmentDesk
    feed: _Feed
    ids: Uuid7Source
    source: random.Random
    orders_placed: int = 0

    async def place(self, total: int) -> None:
        """Place orders far below the market, a limited number at once."""

        async def client(orders: int) -> None:
            for _ in range(orders):
                await self.desk.place(self.ids.new_order_id(), self._new_order())
                self.orders_placed += 1
                if self.orders_placed % ORDERS_PER_QUOTE == 0:
                    self.feed.push()

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client(total // CLIENTS))

    def _new_order(self) -> NewOrder:
        """Make an order as the API does, with shared amounts."""
        return new_buy_order(
            read_symbol(SYMBOL.lower()),
            quantity=shared_amount(f"{self.source.randrange(1, 1_000) / 1_000:.3f}"),
            limit_price=shared_amount(f"{self.source.randrange(2_000_000, 6_000_000) / 100:.2f}"),
            timeout_seconds=self.source.randrange(40_000, 80_000),
        )

    async def bytes_per_order(self, total: int) -> float:
        """Place orders, and return the memory of one."""
        before = _bytes_used()
        await self.place(total)
        return (_bytes_used() - before) / total

    def quote_seconds(self) -> float:
        """Return the CPU seconds of a quote."""
        assert self.feed.listener is not None, "the symbol is served"
        quotes = [self.feed.quote() for _ in range(TIMED_QUOTES)]
        on_quote = self.feed.listener.on_quote
        with measured(TIMED_QUOTES) as cost:
            for quote in quotes:
                on_quote(quote)
        return cost.cpu_seconds / TIMED_QUOTES

    async def order_seconds(self) -> float:
        """Return the CPU seconds of an order, the writer's thread included."""
        with measured(TIMED_ORDERS) as cost:
            await self.place(TIMED_ORDERS)
        return cost.cpu_seconds / TIMED_ORDERS


@contextlib.asynccontextmanager
async def _open_shop() -> AsyncIterator[_Shop]:
    feed = _Feed()
    async with running_desk(feed) as desk:
        source = random.Random(SEED)  # noqa: S311 - a load, no secret
        yield _Shop(desk=desk, feed=feed, ids=Uuid7Source(), source=source)


async def allocated() -> dict[str, float]:
    """Count the bytes of an open order that Python's allocators gave out, by tracemalloc."""
    for number in range(shared_amount.cache_parameters()["maxsize"] or 0):
        shared_amount(f"{number}")  # else the growth of this cache would count for the orders
    tracemalloc.start()
    async with _open_shop() as shop:
        await shop.place(TRACED_ORDERS // WARMING_SHARE)
        return {"bytes_per_order": await shop.bytes_per_order(TRACED_ORDERS)}


async def open_orders() -> dict[str, float]:
    """Count the resident bytes of an open order, and the cost of quotes and of new orders."""
    async with _open_shop() as shop:
        await shop.place(OPEN_ORDERS // WARMING_SHARE)
        return {
            "quote_few": shop.quote_seconds(),
            "order_few": await shop.order_seconds(),
            "bytes_per_order": await shop.bytes_per_order(OPEN_ORDERS),
            "quote_many": shop.quote_seconds(),
            "order_many": await shop.order_seconds(),
        }


async def waiting_tasks() -> dict[str, float]:
    """Count the bytes of a task that waits for a future with a timeout, one for each order."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def wait() -> None:
        await asyncio.wait_for(loop.create_future(), 80_000)

    async def start(total: int) -> None:
        tasks.extend(loop.create_task(wait()) for _ in range(total))
        await asyncio.sleep(0)

    await start(OPEN_ORDERS // WARMING_SHARE)
    before = _bytes_used()
    await start(OPEN_ORDERS)
    used = _bytes_used() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {"bytes_per_order": used / OPEN_ORDERS}


async def passing_orders(orders_total: int = PASSING_ORDERS) -> dict[str, float]:
    """Count the bytes left of a million orders that came and went beside lasting ones."""
    source = random.Random(SEED)  # noqa: S311 - a load, no secret
    matcher = SymbolMatcher(Symbol(SYMBOL))
    quote = _Feed().quote()
    matcher.apply_quote(quote)
    now_ns = quote.received_ns  # an order with an earlier deadline would not rest at all

    def rest(number: int, lifetime_ns: int) -> Order:
        limit_price = Decimal(source.randrange(2_000_000, 6_000_000)) / 100
        order = buy_order(number, symbol=SYMBOL, limit_price=limit_price)
        matcher.rest(order, deadline_ns=now_ns + lifetime_ns)
        assert matcher.holds(order.order_id), "it rests until it is canceled or expires"
        return order

    for number in range(LASTING_ORDERS):
        rest(number, 10**18)
    before = _bytes_used()
    for number in range(LASTING_ORDERS, LASTING_ORDERS + orders_total):
        now_ns += 200_000
        if number % 2:
            matcher.cancel(rest(number, 10**12).order_id)
        else:
            rest(number, 200_000_000)
        matcher.expire(now_ns)
    matcher.expire(now_ns + 10**12)
    assert matcher.resting_total == LASTING_ORDERS, "the others ended"
    return {"bytes_left": float(_bytes_used() - before)}


def _bytes_used() -> int:
    gc.collect()
    if tracemalloc.is_tracing():
        return tracemalloc.get_traced_memory()[0]
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not report it")


LOADS: Final[dict[str, Callable[[], Coroutine[None, None, dict[str, float]]]]] = {
    "allocated": allocated,
    "open_orders": open_orders,
    "waiting_tasks": waiting_tasks,
    "passing_orders": passing_orders,
}


def main() -> None:
    """Measure one of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("load", choices=LOADS)
    load = parser.parse_args().load
    print(json.dumps(asyncio.run(LOADS[load]())))


if __name__ == "__main__":
    main()
