"""An old quote is confirmed before an order fills on it, on a real feed and a simulated venue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app.clock import SystemClock
from app.domain.order import PUBLIC, NewOrder, Order, OrderId, OrderStatus, Side, TimeInForce
from app.domain.order_counts import OpenOrderLimits
from app.fulfillment.desk import FulfillmentDesk
from app.market.feed import BookTickerFeed
from app.market.timing import FeedTiming
from app.notify.announcements import Announcements
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.hand_driven import HandJournal
from tests.support.market import LTCBTC, feed_on
from tests.support.waiting import eventually

TIMING = FeedTiming(stall_seconds=0.2, confirmation_seconds=0.1, pause_seconds_first=0.02)


class SkippingClock(SystemClock):
    """The system clock with a method that skips time."""

    def __init__(self) -> None:
        self._skipped_seconds = 0

    def skip(self, seconds: int) -> None:
        """Advance the clock by this number of seconds."""
        self._skipped_seconds += seconds

    def now(self) -> datetime:
        """Return the current time including the skipped seconds."""
        return super().now() + timedelta(seconds=self._skipped_seconds)

    def monotonic_ns(self) -> int:
        """Return the monotonic time including the skipped seconds."""
        return super().monotonic_ns() + self._skipped_seconds * 1_000_000_000


@dataclass
class Trade:
    """A desk and a feed on a venue whose quotes the test pushes."""

    market: ScriptedMarket
    venue: SimulatedVenue
    feed: BookTickerFeed
    journal: HandJournal
    desk: FulfillmentDesk
    clock: SkippingClock

    async def place(self, limit_price: int) -> Order:
        """Place an order of five."""
        return await self.desk.place(
            OrderId(f"order-{limit_price}"),
            NewOrder(
                owner=PUBLIC,
                client_order_id=None,
                symbol=LTCBTC,
                side=Side.BUY,
                time_in_force=TimeInForce.GTD,
                quantity=Decimal(5),
                limit_price=Decimal(limit_price),
                timeout_seconds=Decimal(600),
            ),
        )

    def status(self, order: Order) -> OrderStatus:
        """Return the newest durable status of an order."""
        return self.journal.events_of(order)[-1].status

    def count(self, name: str) -> int:
        """Return a counter of the feed."""
        return self.feed.state().counters.get(name, 0)

    async def quote_long_ago(self) -> None:
        """Give the symbol a quote that is six seconds old."""
        await self.place(1)
        await eventually(lambda: self.desk.current_quote(LTCBTC))
        self.market.push(LTCBTC, bid=("99", "1"), ask=("100", "5"), update_id=2_000)
        await eventually(lambda: self.count("quotes") == 1)
        self.clock.skip(6)


@asynccontextmanager
async def trading() -> AsyncIterator[Trade]:
    """Run a venue with a feed and a desk."""
    market, clock, journal = ScriptedMarket([LTCBTC]), SkippingClock(), HandJournal()
    venue = SimulatedVenue(market, clock=SystemClock())
    async with venue.serve() as running, feed_on(running, timing=TIMING, clock=clock) as feed:
        desk = FulfillmentDesk(
            feed=feed,
            journal=journal,
            store=journal,
            bus=Announcements(),
            clock=clock,
            is_trading=lambda _: True,
            limits=OpenOrderLimits(total=100, per_owner=100, per_symbol=100),
        )
        journal.listener = desk
        task = asyncio.create_task(desk.run())
        try:
            yield Trade(market, venue, feed, journal, desk, clock)
        finally:
            desk.stop()
            task.cancel()
            await asyncio.wait({task})


async def test_quiet_symbol_fills_once_depth_has_confirmed_its_quote() -> None:
    """One depth request confirms the old quote, and the order fills."""
    async with trading() as trade:
        await trade.quote_long_ago()
        asked = len(trade.venue.observations.depth_requests)

        order = await trade.place(100)
        before = trade.status(order)
        await eventually(lambda: trade.status(order) is OrderStatus.FILLED)

        assert before is OrderStatus.NEW
        assert len(trade.venue.observations.depth_requests) == asked + 1
        assert trade.journal.events_of(order)[0].arrival is None
        assert trade.count("reconnects") == 0


async def test_stalled_stream_fills_nothing_on_what_is_gone_and_is_replaced() -> None:
    """If depth shows another quote, nothing fills on the old one, and the feed reconnects."""
    async with trading() as trade:
        await trade.quote_long_ago()
        trade.venue.mute(LTCBTC)
        trade.market.push(LTCBTC, bid=("99", "1"), ask=("101", "5"))

        order = await trade.place(100)
        await eventually(lambda: trade.count("lost_stalled"))
        trade.venue.mute(LTCBTC, on=False)
        await eventually(lambda: trade.desk.current_quote(LTCBTC))
        while_stalled = trade.status(order)
        trade.market.push(LTCBTC, bid=("99", "1"), ask=("100", "5"))
        await eventually(lambda: trade.status(order) is OrderStatus.FILLED)

        assert while_stalled is OrderStatus.NEW
        split = trade.journal.events_of(order)[-1].split
        assert split is not None
        assert split.update_id == 2_002
        assert trade.count("reconnects") == 1
