"""The real desk, journal and database, with a feed and a clock that the test controls.

The event loop uses the clock of the test, so timers fire only when the test advances it.
"""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from app.domain.errors import ClientOrderIdTakenError
from app.domain.events import StoredEvent
from app.domain.order import PUBLIC, NewOrder, OrderId, Owner
from app.domain.order_counts import OpenOrderLimits
from app.domain.quote import Quote
from app.fulfillment.desk import FulfillmentDesk
from app.notify.announcements import Announcements, FanOut
from app.notify.subscriptions import Subscriptions
from app.ports import EventFilter, EventSubscription
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders
from tests.support.builders import LTCBTC
from tests.support.databases import OWNER, VENUE
from tests.support.hand_driven import HandClock, HandFeed

OWNERS: Final = (PUBLIC, Owner("alice"))
LIMITS: Final = OpenOrderLimits(total=1_000, per_owner=1_000, per_symbol=1_000)
TURNS: Final = 4
"""Turns of the event loop until the outcome of a timer reaches the journal, and some more."""


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop with the time of a clock."""

    def __init__(self, clock: HandClock) -> None:
        self._hand_clock = clock
        super().__init__()

    def time(self) -> float:
        """Return the clock's seconds."""
        return self._hand_clock.monotonic_ns() / 1e9


@dataclass(slots=True, kw_only=True)
class HandDrivenService:
    """One process from its start to its stop or crash; ``told`` are its announced events.

    Every method returns once all its effects are durable.
    """

    feed: HandFeed
    database: Database
    journal: GroupCommitJournal
    orders: StoredOrders
    desk: FulfillmentDesk
    subscriptions: dict[Owner, EventSubscription]
    tasks: set[asyncio.Task[None]]
    resources: ExitStack
    told: list[StoredEvent] = field(default_factory=list)

    @classmethod
    async def start(cls, url: str, clock: HandClock) -> "HandDrivenService":
        """Start on a database, and resume its open orders."""
        database = await Database.open(url, venue=VENUE, owner=OWNER)
        journal = GroupCommitJournal(database)
        orders = StoredOrders(database, journal)
        subscriptions = Subscriptions(head=database.last_position)
        feed, resources = HandFeed(), ExitStack()
        desk = FulfillmentDesk(
            feed=feed,
            journal=journal,
            store=orders,
            bus=FanOut(Announcements(), subscriptions),
            clock=clock,
            is_trading=lambda _: True,
            limits=LIMITS,
        )
        service = cls(
            feed=feed,
            database=database,
            journal=journal,
            orders=orders,
            desk=desk,
            subscriptions={
                owner: resources.enter_context(subscriptions.open(EventFilter(owner=owner)))
                for owner in OWNERS
            },
            tasks={asyncio.create_task(journal.run(desk)), asyncio.create_task(desk.run())},
            resources=resources,
        )
        await desk._recovered.wait()
        await service.settle()
        return service

    @property
    def is_following(self) -> bool:
        """Whether the symbol is subscribed."""
        return LTCBTC in self.feed.listeners

    async def place(self, order_id: OrderId, new_order: NewOrder) -> OrderId:
        """Place an order as the API does; return the id of the order with its key."""
        try:
            await self.desk.place(order_id, new_order)
        except ClientOrderIdTakenError as taken:
            await self.settle()
            return taken.order_id
        await self.settle()
        return order_id

    async def push(self, quote: Quote) -> None:
        """Deliver a frame, if the symbol is subscribed."""
        if self.is_following:
            self.feed.push(quote)
        await self.settle()

    async def seed(self, quote: Quote) -> None:
        """Deliver a depth snapshot, if the symbol is subscribed."""
        if self.is_following:
            self.feed.seed(quote)
        await self.settle()

    async def settle(self) -> None:
        """Wait until symbols are loaded, timers have fired, and all outcomes are written."""
        for symbol in [*self.desk._symbols.values()]:
            await symbol._loaded.wait()
        for _ in range(2):  # a symbol that ends records its ledger first
            for _turn in range(TURNS):
                await asyncio.sleep(0)
            await self.journal.settle()
        await asyncio.sleep(0)
        assert not any(one._has_failed for one in self.desk._symbols.values())

    async def hear(self) -> None:
        """Collect the events of the subscribers, by position."""
        heard: list[StoredEvent] = []
        for subscription in self.subscriptions.values():
            while subscription._wake.is_set():  # type: ignore[attr-defined]  # nothing to await otherwise
                heard += await subscription.next()
        self.told += sorted(heard, key=lambda stored: stored.position)

    async def stop(self) -> None:
        """Stop as the composition root does."""
        self.desk.stop()
        await self.journal.close()
        await self.crash()

    async def crash(self, *, with_quote: Quote | None = None) -> None:
        """End at once, before the journal writes the fills of the given quote."""
        if with_quote is not None and self.is_following:
            self.feed.push(with_quote)
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        self.resources.close()
        await self.database.close()
