"""A desk whose feed, journal and clock a test controls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from app.domain.events import OrderEvent
from app.domain.order import (
    PUBLIC,
    NewOrder,
    Order,
    OrderId,
    OrderStatus,
    Owner,
    Side,
    Symbol,
    TimeInForce,
)
from app.domain.order_counts import OpenOrderLimits
from app.fulfillment import loading
from app.fulfillment.desk import FulfillmentDesk
from app.notify.announcements import Announcements
from tests.support.builders import LTCBTC, make_quote
from tests.support.hand_driven import HandClock, HandFeed, HandJournal
from tests.support.waiting import eventually

NO_LIMITS = OpenOrderLimits(total=10_000, per_owner=10_000, per_symbol=10_000)


@dataclass
class Shop:
    """A desk and its collaborators."""

    feed: HandFeed = field(default_factory=HandFeed)
    journal: HandJournal = field(default_factory=HandJournal)
    clock: HandClock = field(default_factory=HandClock)
    announcements: Announcements = field(default_factory=Announcements)
    limits: OpenOrderLimits = NO_LIMITS
    orders_made: int = 0
    halted: set[Symbol] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Make the desk."""
        self.desk = self.new_desk()

    def new_desk(self) -> FulfillmentDesk:
        """Make a desk on the same journal, as a restart does."""
        desk = FulfillmentDesk(
            feed=self.feed,
            journal=self.journal,
            store=self.journal,
            bus=self.announcements,
            clock=self.clock,
            is_trading=lambda symbol: symbol not in self.halted,
            limits=self.limits,
        )
        self.journal.listener = desk
        return desk

    async def accept(
        self,
        quantity: int = 5,
        *,
        limit_price: int = 100,
        side: Side = Side.BUY,
        symbol: Symbol = LTCBTC,
        owner: Owner = PUBLIC,
        time_in_force: TimeInForce = TimeInForce.GTD,
        timeout_seconds: Decimal = Decimal(30),
    ) -> Order:
        """Place an order."""
        self.orders_made += 1
        return await self.desk.place(
            OrderId(f"order-{self.orders_made}"),
            NewOrder(
                owner=owner,
                client_order_id=None,
                symbol=symbol,
                side=side,
                time_in_force=time_in_force,
                quantity=Decimal(quantity),
                limit_price=Decimal(limit_price),
                timeout_seconds=timeout_seconds,
            ),
        )

    async def place(self, quantity: int = 5, **asked: Any) -> Order:  # noqa: ANN401 - as accept's
        """Place an order and wait until its symbol is subscribed."""
        order = await self.accept(quantity, **asked)
        await eventually(lambda: order.symbol in self.feed.listeners)
        return order

    def halt(self, *symbols: Symbol) -> None:
        """Halt exactly these symbols at the venue."""
        self.halted = set(symbols)
        self.desk.on_rules()

    async def place_and_fill(
        self,
        quantity: int = 5,
        displayed: int = 5,
        **asked: Any,  # noqa: ANN401 - as accept's
    ) -> Order:
        """Place an order, and wait until the first quote filled it or a part of it."""
        order = await self.place(quantity, **asked)
        self.feed.push(make_quote(1, ask=("99.99", displayed), symbol=order.symbol))
        await eventually(lambda: len(self.journal.events_of(order)) == 2)
        return order

    async def reload(self) -> None:
        """Let the symbol drop its matcher, and wait until it is subscribed again."""
        self.feed.subscriptions.clear()
        self.desk.on_outcome_refused(LTCBTC)
        await eventually(lambda: self.feed.subscriptions == [f"-{LTCBTC}", f"+{LTCBTC}"])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the desk until the context ends."""
        running = asyncio.create_task(self.desk.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})

    def restart(self, *, is_clean: bool = True) -> None:
        """Stop or drop the desk, and make another one on the same journal."""
        if is_clean:
            self.desk.stop()
        self.feed.listeners.clear()
        self.desk = self.new_desk()

    @asynccontextmanager
    async def restarted(self, *, is_clean: bool = True) -> AsyncIterator[None]:
        """Restart the desk, and run it until the context ends."""
        self.restart(is_clean=is_clean)
        async with self.running():
            await eventually(lambda: self.desk.is_recovered)
            yield

    def last(self, order: Order) -> OrderEvent:
        """Return an order's newest durable event."""
        return self.journal.events_of(order)[-1]

    def statuses(self, order: Order) -> list[OrderStatus]:
        """Return an order's durable statuses in order."""
        return [event.status for event in self.journal.events_of(order)]

    async def has_status(self, order: Order, status: OrderStatus) -> None:
        """Wait until the order's newest durable status is this one."""
        await eventually(lambda: self.statuses(order)[-1] is status)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "RELOAD_SECONDS", 0.01)


@pytest.fixture
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Run a desk, with limits if the test parametrizes them."""
    shop = Shop(limits=getattr(request, "param", NO_LIMITS))
    async with shop.running():
        await eventually(lambda: shop.desk.is_recovered)
        yield shop
