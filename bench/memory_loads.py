"""What ``bench.memory`` measures, each in a process of its own: ``python -m bench.memory_loads``.

Names and what they print as one JSON object: see ``LOADS``.
"""

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import random
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from app.api.fields import read_symbol
from app.api.orders.limit_order import shared_amount
from app.clock import SystemClock, Uuid7Source
from app.domain.errors import OutcomeUnknownError
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, NewOrder, Order, OrderId, Side, Symbol, TimeInForce
from app.domain.order_counts import OpenOrderLimits
from app.domain.quote import Quote
from app.fulfillment.desk import FulfillmentDesk
from app.notify.announcements import Announcements, FanOut
from app.notify.subscriptions import Subscriptions
from app.ports import FeedState, QuoteListener
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders

OPEN_ORDERS: Final = 100_000
TRACED_ORDERS: Final = OPEN_ORDERS // 4
"""Tracing makes an order several times slower. At a quarter, a power of two, tables are as full."""

PASSING_ORDERS: Final = 1_000_000
LASTING_ORDERS: Final = 10_000
"""Orders that stay open while a million others come and go."""

SYMBOL: Final = "BTCUSDT"
SEED: Final = 20240808
PRICE_STRIDE: Final = 2_654_435_761
"""Prime to the four million prices between which orders stand, so it meets each once, unsorted."""

CLIENTS: Final = 500
"""Orders that are on their way to the disk at once."""

ORDERS_PER_QUOTE: Final = 10
"""So many orders have the same first quote."""

WARMING_SHARE: Final = 50
"""One order for so many is placed before anything is measured."""

TIMED_ORDERS: Final = 10_000
TIMED_QUOTES: Final = 50_000
UNLIMITED: Final = OpenOrderLimits(total=10**9, per_owner=10**9, per_symbol=10**9)


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
        """No quote gets old here."""

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
        """Deliver it, if somebody listens."""
        if self.listener is not None:
            self.listener.on_quote(self.quote())


@dataclass(slots=True)
class _Shop:
    desk: FulfillmentDesk
    feed: _Feed
    ids: Uuid7Source
    chance: random.Random
    is_distinct: bool
    orders_placed: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def place(self, total: int) -> None:
        """Place orders far below the market, some at a time."""

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
        number = next(self._numbers)
        if self.is_distinct:
            quantity, price = number, 2_000_000 + number * PRICE_STRIDE % 4_000_000
        else:
            quantity = self.chance.randrange(1, 1_000)
            price = self.chance.randrange(2_000_000, 6_000_000)
        return NewOrder(
            owner=PUBLIC,
            client_order_id=f"00000000-0000-4000-8000-{number:012d}" if self.is_distinct else None,
            symbol=read_symbol(SYMBOL.lower()),
            side=Side.BUY,
            time_in_force=TimeInForce.GTD,
            quantity=shared_amount(f"{quantity / 1_000:.3f}"),
            limit_price=shared_amount(f"{price / 100:.2f}"),
            timeout_seconds=Decimal(self.chance.randrange(40_000, 80_000)),
        )


@contextlib.asynccontextmanager
async def _open_shop(*, is_distinct: bool = False) -> AsyncIterator[_Shop]:
    """Run a desk on a journal on SQLite, as the service does, with nothing recorded."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/bench.db"
        database = await Database.open(url, venue="simulator", owner="bench")
        journal = GroupCommitJournal(database)
        feed = _Feed()
        desk = FulfillmentDesk(
            feed=feed,
            journal=journal,
            store=StoredOrders(database, journal),
            bus=FanOut(Announcements(), Subscriptions(head=database.last_position)),
            clock=clock,
            limits=UNLIMITED,
            is_trading=lambda _: True,
        )
        running = [asyncio.create_task(journal.run(desk)), asyncio.create_task(desk.run())]
        chance = random.Random(SEED)  # noqa: S311 - a load, no secret
        try:
            yield _Shop(
                desk=desk, feed=feed, ids=Uuid7Source(), chance=chance, is_distinct=is_distinct
            )
        finally:
            desk.stop()
            running[1].cancel()
            await journal.close()
            await asyncio.wait(running)
            await database.close()


async def allocated(*, is_distinct: bool = False) -> dict[str, float]:
    """Bytes of an open order that Python's allocators handed out, by tracemalloc."""
    for number in range(shared_amount.cache_parameters()["maxsize"] or 0):
        shared_amount(f"{number}")  # or the cache of amounts would grow on the orders' account
    tracemalloc.start()
    async with _open_shop(is_distinct=is_distinct) as shop:
        await shop.place(TRACED_ORDERS // WARMING_SHARE)
        return {"bytes_per_order": await _bytes_per_order(shop, TRACED_ORDERS)}


async def allocated_distinct() -> dict[str, float]:
    """Bytes of an open order whose quantity and price are its own, and that has a client's id."""
    return await allocated(is_distinct=True)


async def open_orders() -> dict[str, float]:
    """Bytes that an open order has resident; what quotes, new orders and a cancel of all cost."""
    async with _open_shop() as shop:
        await shop.place(OPEN_ORDERS // WARMING_SHARE)
        few = {"quote_few": _quote_seconds(shop), "order_few": await _order_seconds(shop)}
        return {
            "bytes_per_order": await _bytes_per_order(shop, OPEN_ORDERS),
            "quote_many": _quote_seconds(shop),
            "order_many": await _order_seconds(shop),
            "loop_held_seconds": await _cancel_all(shop),
            **few,
        }


async def _bytes_per_order(shop: _Shop, orders_total: int) -> float:
    before = _bytes_used()
    await shop.place(orders_total)
    return (_bytes_used() - before) / orders_total


async def _cancel_all(shop: _Shop) -> float:
    """Cancel every order; return the CPU seconds of the longest turn of the loop."""
    longest = 0.0
    is_over = False

    async def watch() -> None:
        nonlocal longest
        while not is_over:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    while shop.desk.state().open_orders:
        with contextlib.suppress(OutcomeUnknownError):  # the disk may take longer than it waits
            await shop.desk.cancel_all(PUBLIC, Symbol(SYMBOL))
    is_over = True
    await watching
    return longest


def _quote_seconds(shop: _Shop) -> float:
    assert shop.feed.listener is not None, "the symbol is served"
    quotes = [shop.feed.quote() for _ in range(TIMED_QUOTES)]
    on_quote = shop.feed.listener.on_quote
    started = time.process_time()
    for quote in quotes:
        on_quote(quote)
    return (time.process_time() - started) / TIMED_QUOTES


async def _order_seconds(shop: _Shop) -> float:
    """Return the CPU seconds of an order, the writer's thread included."""
    started = time.process_time()
    await shop.place(TIMED_ORDERS)
    return (time.process_time() - started) / TIMED_ORDERS


async def waiting_tasks() -> dict[str, float]:
    """Bytes of a task that waits for a future with a timeout, one for each order."""
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
    """Bytes and CPU seconds after a million orders came and went beside those that stay open."""
    chance = random.Random(SEED)  # noqa: S311 - a load, no secret
    matcher = SymbolMatcher(Symbol(SYMBOL))
    quote = _Feed().quote()
    matcher.apply_quote(quote)
    now_ns = quote.received_ns  # an order whose deadline is before it would not rest at all

    def rest(number: int, lifetime_ns: int) -> Order:
        order = _far_order(number, chance)
        matcher.rest(order, deadline_ns=now_ns + lifetime_ns)
        assert matcher.holds(order.order_id), "it rests until it is canceled or expires"
        return order

    for number in range(LASTING_ORDERS):
        rest(number, 10**18)
    before = _bytes_used()
    started = time.process_time()
    for number in range(LASTING_ORDERS, LASTING_ORDERS + orders_total):
        now_ns += 200_000
        if number % 2:
            matcher.cancel(rest(number, 10**12).order_id)
        else:
            rest(number, 200_000_000)
        matcher.expire(now_ns)
    seconds = time.process_time() - started
    matcher.expire(now_ns + 10**12)
    assert matcher.resting_total == LASTING_ORDERS, "the others ended"
    return {
        "bytes_left": float(_bytes_used() - before),
        "seconds_per_order": seconds / orders_total,
    }


def _far_order(number: int, chance: random.Random) -> Order:
    accepted_at = datetime(2024, 8, 8, tzinfo=UTC) + timedelta(microseconds=number)
    return Order(
        order_id=OrderId(f"00000000-0000-7000-8000-{number:012d}"),
        acceptance_number=number,
        owner=PUBLIC,
        client_order_id=None,
        symbol=Symbol(SYMBOL),
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1),
        limit_price=Decimal(chance.randrange(2_000_000, 6_000_000)) / 100,
        accepted_at=accepted_at,
        expires_at=accepted_at,
    )


def _bytes_used() -> int:
    gc.collect()
    if tracemalloc.is_tracing():
        return tracemalloc.get_traced_memory()[0]
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not tell")


LOADS: Final[dict[str, Callable[[], Coroutine[None, None, dict[str, float]]]]] = {
    "allocated": allocated,
    "allocated_distinct": allocated_distinct,
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
