"""Small working implementations of the ports in memory, for tests of the API.

The fill rule, the events and the announcements are the real ones. The journal writes at once,
unless a test holds it: waiting events are neither readable nor announced.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.access.key_file import OpenAccess
from app.api.services import ApiServices
from app.domain.errors import (
    ClientOrderIdTakenError,
    JournalUnavailableError,
    RulesNotLoadedError,
    UnavailableError,
)
from app.domain.events import (
    OrderEvent,
    StoredEvent,
    SymbolOutcome,
    acceptance_event,
    snapshot_after,
)
from app.domain.first_quotes import arrival_of
from app.domain.matcher import SymbolMatcher
from app.domain.order import (
    MICROSECOND,
    Arrival,
    NewOrder,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Side,
    Split,
    Symbol,
)
from app.domain.order_counts import OrderCounts
from app.domain.quote import Quote
from app.domain.resting import Step
from app.domain.rules import TradingRules
from app.fulfillment.outcome import step_events
from app.notify.announcements import Announcements, FanOut
from app.notify.subscriptions import WAITING_EVENTS_MAX, Subscriptions
from app.ports import (
    NO_MARKET,
    ClockState,
    DeskState,
    EventBus,
    EventFilter,
    FeedState,
    JournalState,
    MarketView,
    OrderQuery,
    QuoteCounts,
    RulesState,
)
from tests.support.builders import make_quote, order_from
from tests.support.hand_driven import HandFeed

START = datetime(2025, 10, 7, 9, 12, 30, 917204, tzinfo=UTC)
NANOSECONDS_PER_MICROSECOND = 1_000
STREAM_ID = "0f1e2d3c4b5a6978"
FIRST_POSITION = 101


class CountingIds:
    """A source of successive order ids in the form of a UUID."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_order_id(self) -> OrderId:
        """Return the next id."""
        return OrderId(f"01990000-0000-7000-8000-{next(self._numbers):012x}")


class RunningClock:
    """A clock that starts at a known date and runs in real time."""

    def __init__(self) -> None:
        self._started_ns = time.monotonic_ns()

    def now(self) -> datetime:
        """Return the current instant."""
        return START + timedelta(microseconds=(self.monotonic_ns() - self._started_ns) // 1000)

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a monotonic clock."""
        return time.monotonic_ns()


class MemoryOrders:
    """The durable orders and events (ports ``OrderReader`` and ``EventReader``)."""

    def __init__(self) -> None:
        self.refusal: UnavailableError | None = None
        self.snapshots: dict[OrderId, OrderSnapshot] = {}
        self.splits: dict[OrderId, list[Split]] = {}
        self.events: list[StoredEvent] = []
        self.keys: dict[tuple[Owner, str], OrderId] = {}
        self.last_pruned = 0

    @property
    def stream_id(self) -> str:
        """The name of the stream."""
        return STREAM_ID

    @property
    def head(self) -> int:
        """The position of the newest event, 0 without any."""
        return self.events[-1].position if self.events else 0

    def keep(self, events: Sequence[StoredEvent]) -> None:
        """Store events and the new states of their orders."""
        for stored in events:
            event = stored.event
            order = event.order
            self.events.append(stored)
            self.snapshots[order.order_id] = snapshot_after(event)
            splits = self.splits.setdefault(order.order_id, [])
            if event.split is not None:
                splits.append(event.split)
            if order.client_order_id is not None:
                self.keys[order.owner, order.client_order_id] = order.order_id

    def prune(self, order_id: OrderId) -> None:
        """Delete a closed order; its key stays."""
        del self.snapshots[order_id], self.splits[order_id]
        of_order = [one.position for one in self.events if one.event.order.order_id == order_id]
        self.events = [one for one in self.events if one.event.order.order_id != order_id]
        self.last_pruned = max(self.last_pruned, *of_order)

    async def find(self, owner: Owner, order_id: OrderId) -> OrderSnapshot | None:
        """Return an owner's order."""
        self._check_readable()
        snapshot = self.snapshots.get(order_id)
        return snapshot if snapshot is not None and snapshot.order.owner == owner else None

    async def find_many(self, owner: Owner, order_ids: Sequence[OrderId]) -> list[OrderSnapshot]:
        """Return the stored orders, by acceptance number."""
        self._check_readable()
        found = [self.snapshots[one] for one in order_ids if one in self.snapshots]
        own = [snapshot for snapshot in found if snapshot.order.owner == owner]
        return sorted(own, key=lambda snapshot: snapshot.order.acceptance_number)

    async def find_by_key(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the order with this key."""
        self._check_readable()
        return self.keys.get((owner, client_order_id))

    async def list_orders(self, query: OrderQuery) -> list[OrderSnapshot]:
        """Return a page of an owner's orders, newest first."""
        self._check_readable()
        matching = [
            snapshot
            for snapshot in self.snapshots.values()
            if snapshot.order.owner == query.owner
            and query.symbol in {None, snapshot.order.symbol}
            and query.status in {None, snapshot.status}
            and query.client_order_id in {None, snapshot.order.client_order_id}
            and (query.before is None or snapshot.order.acceptance_number < query.before)
        ]
        matching.sort(key=lambda snapshot: -snapshot.order.acceptance_number)
        return matching[: query.limit]

    async def list_splits(self, order_id: OrderId, *, after: int, limit: int) -> list[Split]:
        """Return splits by number."""
        self._check_readable()
        splits = self.splits.get(order_id, [])
        return [split for split in splits if split.split_number > after][:limit]

    async def last_pruned_position(self) -> int:
        """Return the position up to which events may be missing."""
        self._check_readable()
        return self.last_pruned

    async def list_events(
        self, event_filter: EventFilter, *, after: int, until: int, limit: int
    ) -> list[StoredEvent]:
        """Return events by position."""
        self._check_readable()
        found = [
            stored
            for stored in self.events
            if after < stored.position <= until and event_filter.admits(stored.event.order)
        ]
        return found[:limit]

    async def list_order_events(
        self, order_id: OrderId, *, after: int, limit: int
    ) -> list[StoredEvent]:
        """Return an order's events by sequence."""
        self._check_readable()
        found = [
            stored
            for stored in self.events
            if stored.event.order.order_id == order_id and stored.event.sequence > after
        ]
        return found[:limit]

    def _check_readable(self) -> None:
        if self.refusal is not None:
            raise self.refusal


@dataclass(slots=True)
class _Write:
    """Events to write together, and the future of the waiting caller."""

    events: tuple[OrderEvent, ...]
    written: asyncio.Future[None] | None = None


class MemoryJournal:
    """A journal that writes to ``orders`` at once, unless it is held."""

    def __init__(self, orders: MemoryOrders) -> None:
        self.is_writable = True
        self.orders_under_way = OrderCounts()
        self.desk: MemoryDesk | None = None
        self._orders = orders
        self._acceptance_numbers = itertools.count(1)
        self._positions = itertools.count(FIRST_POSITION)
        self._queue: deque[_Write] = deque()
        self._is_held = False
        self._is_writing = False

    def next_acceptance_number(self) -> int:
        """Return the next number."""
        return next(self._acceptance_numbers)

    async def accept(self, order: Order, arrival: Arrival | None) -> None:
        """Return once the order is stored; raise if its key is taken."""
        if not self.is_writable:
            raise JournalUnavailableError
        await self._submit((acceptance_event(order, arrival),))

    def order_under_way(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the queued order with this key."""
        for write in self._queue:
            for event in write.events:
                order = event.order
                if (order.owner, order.client_order_id) == (owner, client_order_id):
                    return order.order_id
        return None

    def record(self, outcome: SymbolOutcome) -> None:
        """Queue an outcome."""
        self._queue.append(_Write(outcome.events))
        self._write()

    def state(self) -> JournalState:
        """Return the state; written events are in ``orders``."""
        return JournalState(
            is_writable=self.is_writable,
            waiting=len(self._queue),
            commits=len(self._orders.events),
            failures=0,
            events=len(self._orders.events),
            refused_parts=0,
        )

    async def settle(self) -> None:
        """Return once everything queued so far is stored."""
        if self._queue:
            await self._submit(())

    def hold(self) -> None:
        """Write nothing until ``release``, like a slow disk."""
        self._is_held = True

    def release(self) -> None:
        """Write the queue, and write at once from now on."""
        self._is_held = False
        self._write()

    @property
    def waiting_total(self) -> int:
        """The number of queued writes."""
        return len(self._queue)

    async def _submit(self, events: tuple[OrderEvent, ...]) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Write(events, written))
        self._write()
        await written

    def _write(self) -> None:
        """Write in the order of the queue; writes that follow from a write are queued last."""
        if self._is_writing:
            return
        self._is_writing = True
        while self._queue and not self._is_held:
            self._write_one(self._queue.popleft())
        self._is_writing = False

    def _write_one(self, write: _Write) -> None:
        taken = self._taken_key(write.events)
        if taken is None and write.events:
            stored = [
                StoredEvent(position=next(self._positions), event=event) for event in write.events
            ]
            self._orders.keep(stored)
            assert self.desk is not None, "a desk listens"
            self.desk.on_durable(stored)
        if write.written is not None and not write.written.done():
            if taken is None:
                write.written.set_result(None)
            else:
                next(self._positions)  # like a database after a rollback: the number is lost
                write.written.set_exception(ClientOrderIdTakenError(taken))

    def _taken_key(self, events: Sequence[OrderEvent]) -> OrderId | None:
        if not events or events[0].status is not OrderStatus.NEW:
            return None
        order = events[0].order
        if order.client_order_id is None:
            return None
        return self._orders.keys.get((order.owner, order.client_order_id))


class MemoryDesk:
    """A desk that fills orders by the real rule from the quotes of the test."""

    def __init__(self, journal: MemoryJournal, bus: EventBus, clock: RunningClock) -> None:
        self.refusal: UnavailableError | Exception | None = None
        self._journal = journal
        self._bus = bus
        self._clock = clock
        self._matchers: dict[Symbol, SymbolMatcher] = {}

    async def place(self, order_id: OrderId, new_order: NewOrder) -> Order:
        """Accept an order, which meets the current quote at once and expires in time."""
        self._check_not_refused()
        number = self._journal.next_acceptance_number()
        order = order_from(
            new_order, order_id=order_id, number=number, accepted_at=self._clock.now()
        )
        current = self.current_quote(order.symbol)
        arrival = None if current is None else arrival_of(current, order.side)
        await self._journal.accept(order, arrival)
        return order

    async def cancel(self, order: Order) -> None:
        """Cancel a resting order."""
        await self._settle_before_a_command()
        matcher = self._matcher(order.symbol)
        closing = matcher.cancel(order.order_id)
        if closing is not None:
            self._record(matcher, [closing])
        await self._journal.settle()

    async def cancel_all(self, owner: Owner, symbol: Symbol) -> list[OrderId]:
        """Cancel an owner's resting orders of a symbol."""
        await self._settle_before_a_command()
        matcher = self._matcher(symbol)
        closings = matcher.cancel_all(owner)
        self._record(matcher, closings)
        await self._journal.settle()
        return [closing.order.order_id for closing in closings]

    def market_view(self, symbol: Symbol, owner: Owner, side: Side) -> MarketView:
        """Return the market that an order meets now."""
        matcher = self._matchers.get(symbol)
        if matcher is None or matcher.current is None:
            return NO_MARKET
        return MarketView(quote=matcher.current, taken_quantity=matcher.taken(owner, side))

    def current_quote(self, symbol: Symbol) -> Quote | None:
        """Return the quote a resting order would meet."""
        matcher = self._matchers.get(symbol)
        return None if matcher is None else matcher.current

    def is_serving(self, symbol: Symbol) -> bool:
        """Return whether the symbol has a matcher."""
        return symbol in self._matchers

    def state(self) -> DeskState:
        """Return the state of the symbols; orders are not counted."""
        current = [one.current for one in self._matchers.values() if one.current is not None]
        received_ns = [quote.received_ns for quote in current]
        return DeskState(
            symbols=len(self._matchers),
            symbols_live=len(current),
            symbols_interrupted=0,
            newest_quote_ns=max(received_ns, default=None),
            oldest_quote_ns=min(received_ns, default=None),
            open_orders=0,
            accepted=0,
            splits=0,
            ended={},
            quotes=QuoteCounts(),
        )

    def show(self, quote: Quote) -> None:
        """Apply a quote to the resting orders."""
        matcher = self._matcher(quote.symbol)
        self._record(matcher, matcher.apply_quote(quote))

    def interrupt(self) -> None:
        """Leave every symbol without a quote, as a lost connection does."""
        for matcher in self._matchers.values():
            matcher.interrupt()

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Publish the events, then rest the accepted orders."""
        self._bus.publish(events)
        for stored in events:
            if stored.event.status is OrderStatus.NEW:
                self._rest(stored.event)

    def _rest(self, event: OrderEvent) -> None:
        order = event.order
        matcher = self._matcher(order.symbol)
        left = (order.expires_at - self._clock.now()) // MICROSECOND
        deadline_ns = self._clock.monotonic_ns() + left * NANOSECONDS_PER_MICROSECOND
        self._record(matcher, matcher.rest(order, deadline_ns=deadline_ns, arrival=event.arrival))
        asyncio.get_running_loop().call_later(
            left / 1_000_000, self._expire, matcher, deadline_ns + 1
        )

    def _expire(self, matcher: SymbolMatcher, now_ns: int) -> None:
        self._record(matcher, matcher.expire(now_ns))

    def _record(self, matcher: SymbolMatcher, steps: Sequence[Step]) -> None:
        if steps:
            events = tuple(step_events(steps, self._clock.now()))
            self._journal.record(
                SymbolOutcome(
                    symbol=matcher.symbol, events=events, ledger_changes=(), gate=matcher.gate
                )
            )

    async def _settle_before_a_command(self) -> None:
        self._check_not_refused()
        if not self._journal.is_writable:
            raise JournalUnavailableError
        await self._journal.settle()

    def _check_not_refused(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def _matcher(self, symbol: Symbol) -> SymbolMatcher:
        return self._matchers.setdefault(symbol, SymbolMatcher(symbol))


class MemoryRules:
    """A book of fixed rules; with None the rules were never loaded.

    Attributes:
        status_now: The statuses at the venue, which the book learns by ``confirm_status``.
    """

    def __init__(self, rules: Sequence[TradingRules] | None) -> None:
        self.by_symbol = None if rules is None else {rule.symbol: rule for rule in rules}
        self.status_now: dict[Symbol, str] = {}

    async def confirm_status(self, symbol: Symbol) -> None:
        """Learn the symbol's status of now."""
        if self.by_symbol is not None and symbol in self.status_now:
            status = self.status_now[symbol]
            self.by_symbol[symbol] = replace(self.by_symbol[symbol], status=status)

    def find(self, symbol: Symbol) -> TradingRules | None:
        """Return a symbol's rules."""
        if self.by_symbol is None:
            raise RulesNotLoadedError
        return self.by_symbol.get(symbol)

    def state(self) -> RulesState:
        """Return the source of the rules."""
        if self.by_symbol is None:
            return RulesState(
                source="none",
                loaded_at=None,
                symbols=0,
                cause="no route to host",
                refreshes=0,
                failures=3,
            )
        return RulesState(
            source="venue",
            loaded_at=START,
            symbols=len(self.by_symbol),
            cause=None,
            refreshes=1,
            failures=0,
        )


class MemoryFeed(HandFeed):
    """A feed without quotes, whose state the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.feed_state = FeedState(
            status="connected", cause=None, since=START, symbols=1, counters={"frames": 12}
        )

    def state(self) -> FeedState:
        """Return the state."""
        return self.feed_state


def ltcbtc_rules() -> TradingRules:
    """Return the venue's rules of LTCBTC."""
    return TradingRules(
        symbol=Symbol("LTCBTC"),
        status="TRADING",
        base_asset="LTC",
        quote_asset="BTC",
        price_min=Decimal("0.000001"),
        price_max=Decimal(100000),
        tick_size=Decimal("0.000001"),
        quantity_min=Decimal("0.001"),
        quantity_max=Decimal(100000),
        step_size=Decimal("0.001"),
        notional_min=Decimal("0.0001"),
        notional_max=Decimal(9000000),
    )


def quote(
    update_id: int,
    *,
    bid: tuple[str, str] = ("0.000911", "400"),
    ask: tuple[str, str] = ("0.000912", "400"),
    symbol: str = "LTCBTC",
) -> Quote:
    """Make a quote that was received now."""
    received_ns = time.monotonic_ns()
    return make_quote(update_id, bid=bid, ask=ask, symbol=Symbol(symbol), received_ns=received_ns)


@dataclass(slots=True)
class MemoryPorts:
    """All ports together, with rules of a few symbols, one of them halted."""

    waiting_events_max: int = WAITING_EVENTS_MAX
    clock: RunningClock = field(default_factory=RunningClock)
    ids: CountingIds = field(default_factory=CountingIds)
    orders: MemoryOrders = field(default_factory=MemoryOrders)
    waiters: Announcements = field(default_factory=Announcements)
    feed: MemoryFeed = field(default_factory=MemoryFeed)
    is_recovered: bool = True
    subscriptions: Subscriptions = field(init=False)
    journal: MemoryJournal = field(init=False)
    rules: MemoryRules = field(init=False)
    desk: MemoryDesk = field(init=False)

    def __post_init__(self) -> None:
        """Build the ports that need other ports."""
        halted = replace(ltcbtc_rules(), symbol=Symbol("HALTBTC"), status="BREAK")
        chinese = replace(ltcbtc_rules(), symbol=Symbol("币安人生USDT"))
        ether = replace(ltcbtc_rules(), symbol=Symbol("ETHBTC"), base_asset="ETH")
        self.rules = MemoryRules([ltcbtc_rules(), halted, chinese, ether])
        self.subscriptions = Subscriptions(
            head=self.orders.head, waiting_events_max=self.waiting_events_max
        )
        self.journal = MemoryJournal(self.orders)
        bus = FanOut(self.waiters, self.subscriptions)
        self.desk = MemoryDesk(self.journal, bus, self.clock)
        self.journal.desk = self.desk

    @property
    def waiting_total(self) -> int:
        """The number of orders with a waiting request."""
        return len(self.waiters._waiters)

    def services(self) -> ApiServices:
        """Return the ports in the form that the API expects."""
        return ApiServices(
            access=OpenAccess(),
            orders=self.orders,
            events=self.orders,
            desk=self.desk,
            waiters=self.waiters,
            subscriptions=self.subscriptions,
            rules=self.rules,
            confirm_status=self.rules.confirm_status,
            feed=self.feed,
            journal=self.journal,
            clock=self.clock,
            ids=self.ids,
            is_recovered=lambda: self.is_recovered,
            clock_state=lambda: ClockState(steps=0, offset_seconds=0.0),
        )
