"""The journal and the desk of the service in this process, composed as the service does it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from app.clock import SystemClock
from app.domain.events import StoredEvent
from app.domain.order import Symbol
from app.domain.order_counts import OpenOrderLimits
from app.fulfillment.desk import FulfillmentDesk
from app.fulfillment.loading import MatcherSource
from app.notify.announcements import Announcements, FanOut
from app.notify.subscriptions import Subscriptions
from app.ports import Feed
from app.settings import Venue
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.queries import StoredOrders

UNLIMITED: Final = OpenOrderLimits(total=10**9, per_owner=10**9, per_symbol=10**9)


class SilentListener:
    """A listener of the journal that ignores what is written (port ``JournalListener``)."""

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Ignore the events."""

    def on_write_trouble(self) -> None:
        """Fail: the figures would mean nothing."""
        raise AssertionError("a write failed")

    def on_write_recovery(self) -> None:
        """Ignore the recovery, which follows trouble."""

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """Fail: this is our mistake."""
        raise AssertionError(symbol)


async def _opened(url: str) -> Database:
    return await Database.open(url, venue=Venue.SIMULATOR, owner="the benchmark")


@asynccontextmanager
async def running_journal(url: str) -> AsyncIterator[GroupCommitJournal]:
    """Run a journal that only writes; every entry is durable at the end."""
    database = await _opened(url)
    journal = GroupCommitJournal(database)
    running = asyncio.create_task(journal.run(SilentListener()))
    try:
        yield journal
    finally:
        await journal.close()
        await running
        await database.close()


@asynccontextmanager
async def running_desk(
    feed: Feed, matchers: MatcherSource | None = None
) -> AsyncIterator[FulfillmentDesk]:
    """Run a desk on a database of its own, without limits and without recording."""
    with tempfile.TemporaryDirectory() as folder:
        database = await _opened(f"sqlite+aiosqlite:///{folder}/bench.db")
        journal = GroupCommitJournal(database)
        desk = FulfillmentDesk(
            feed=feed,
            journal=journal,
            store=StoredOrders(database, journal),
            bus=FanOut(Announcements(), Subscriptions(head=database.last_position)),
            clock=SystemClock(),
            limits=UNLIMITED,
            is_trading=lambda _: True,
            matchers=matchers,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(journal.run(desk))
                running = tasks.create_task(desk.run())
                yield desk
                desk.stop()
                running.cancel()
                await journal.close()
        finally:
            await database.close()
