"""Small working implementations of the ports, in memory: a desk that fills, a store that keeps.

Nothing here is durable, so what is done is at once announced. The fill rule is the real one.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.domain.amounts import ZERO
from app.domain.errors import RulesNotLoadedError, UnavailableError
from app.domain.events import SymbolOutcome
from app.domain.matcher import Expiry, Fill, SymbolMatcher
from app.domain.order import (
    NewOrder,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Split,
    Symbol,
)
from app.domain.quote import Quote
from app.domain.rules import TradingRules
from app.ports import FeedState, OrderQuery, QuoteListener, RulesState

START = datetime(2025, 10, 7, 9, 12, 30, 917204, tzinfo=UTC)
NANOSECONDS_PER_SECOND = 1_000_000_000


class CountingIds:
    """Order ids in a row, in the form of a UUID."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_order_id(self) -> OrderId:
        """Return the next one."""
        return OrderId(f"01990000-0000-7000-8000-{next(self._numbers):012x}")


class RunningClock:
    """A clock that starts at a known date and runs with the machine's."""

    def __init__(self) -> None:
        self._started_ns = time.monotonic_ns()

    def now(self) -> datetime:
        """Return the present instant."""
        return START + timedelta(microseconds=(self.monotonic_ns() - self._started_ns) // 1000)

    def monotonic_ns(self) -> int:
        """Return nanoseconds of a clock that never goes back."""
        return time.monotonic_ns()


class MemoryWaiters:
    """Wakes whoever waits for the end of an order."""

    def __init__(self, orders: "MemoryOrders") -> None:
        self._orders = orders
        self._waiting: dict[OrderId, asyncio.Future[bool]] = {}
        self._is_stopped = False

    @property
    def waiting_total(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @contextmanager
    def expect(self, order_id: OrderId) -> Iterator["MemoryWaiter"]:
        """Hand out a waiter for the time of the block."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[order_id] = future
        if self._is_stopped:
            future.set_result(False)
        try:
            yield MemoryWaiter(future, self._orders, order_id)
        finally:
            del self._waiting[order_id]

    def close(self, order_id: OrderId) -> None:
        """Tell that the order has ended."""
        future = self._waiting.get(order_id)
        if future is not None and not future.done():
            future.set_result(True)

    def stop(self) -> None:
        """Tell everybody that the service stops."""
        self._is_stopped = True
        for future in self._waiting.values():
            if not future.done():
                future.set_result(False)


@dataclass(frozen=True, slots=True)
class MemoryWaiter:
    """Waits for one order."""

    future: asyncio.Future[bool]
    orders: "MemoryOrders"
    order_id: OrderId

    @property
    def snapshot(self) -> OrderSnapshot:
        """The order as it stands."""
        return self.orders.snapshots[self.order_id]

    @property
    def splits(self) -> Sequence[Split]:
        """The order's splits."""
        return self.orders.splits[self.order_id]

    async def wait(self) -> bool:
        """Return True at the order's end, False when the service stops first."""
        return await self.future


class MemoryOrders:
    """The orders and their splits."""

    def __init__(self) -> None:
        self.refusal: UnavailableError | None = None
        self.snapshots: dict[OrderId, OrderSnapshot] = {}
        self.splits: dict[OrderId, list[Split]] = {}

    def add(self, order: Order) -> None:
        """Keep an accepted order."""
        self.splits[order.order_id] = []
        self.snapshots[order.order_id] = OrderSnapshot(
            order=order,
            status=OrderStatus.NEW,
            reason=None,
            filled_quantity=ZERO,
            quote_quantity=ZERO,
            splits_total=0,
            last_sequence=1,
            closed_at=None,
        )

    def fill(self, fill: Fill, at: datetime) -> None:
        """Keep a fill."""
        order_id = fill.order.order_id
        self.splits[order_id].append(
            Split(
                order_id=order_id,
                split_number=fill.split_number,
                update_id=fill.update_id,
                price=fill.price,
                quantity=fill.quantity,
                displayed_quantity=fill.displayed_quantity,
                filled_at=at,
            )
        )
        before = self.snapshots[order_id]
        self.snapshots[order_id] = replace(
            before,
            status=OrderStatus.FILLED if fill.completes else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=fill.filled_quantity,
            quote_quantity=fill.quote_quantity,
            splits_total=fill.split_number,
            last_sequence=before.last_sequence + 1,
            closed_at=at if fill.completes else None,
        )

    def expire(self, expiry: Expiry, at: datetime) -> None:
        """Keep the end of an order that was not filled."""
        before = self.snapshots[expiry.order.order_id]
        self.snapshots[expiry.order.order_id] = replace(
            before,
            status=OrderStatus.EXPIRED,
            reason=expiry.reason,
            last_sequence=before.last_sequence + 1,
            closed_at=at,
        )

    async def find(self, owner: Owner, order_id: OrderId) -> OrderSnapshot | None:
        """Return an owner's order."""
        self._check_readable()
        snapshot = self.snapshots.get(order_id)
        return snapshot if snapshot is not None and snapshot.order.owner == owner else None

    async def list_orders(self, query: OrderQuery) -> list[OrderSnapshot]:
        """Return a page of an owner's orders, newest first."""
        self._check_readable()
        matching = [
            snapshot
            for snapshot in self.snapshots.values()
            if snapshot.order.owner == query.owner
            and query.symbol in {None, snapshot.order.symbol}
            and query.status in {None, snapshot.status}
            and (query.before is None or snapshot.order.acceptance_number < query.before)
        ]
        matching.sort(key=lambda snapshot: -snapshot.order.acceptance_number)
        return matching[: query.limit]

    async def list_splits(self, order_id: OrderId, *, after: int, limit: int) -> list[Split]:
        """Return splits by number."""
        self._check_readable()
        splits = self.splits.get(order_id, [])
        return [split for split in splits if split.split_number > after][:limit]

    def _check_readable(self) -> None:
        if self.refusal is not None:
            raise self.refusal


class MemoryDesk:
    """Takes orders and fills them by the real rule from the quotes that it is shown."""

    def __init__(self, orders: MemoryOrders, waiters: MemoryWaiters, clock: RunningClock) -> None:
        self.refusal: UnavailableError | Exception | None = None
        self._orders = orders
        self._waiters = waiters
        self._clock = clock
        self._matchers: dict[Symbol, SymbolMatcher] = {}
        self._acceptance_numbers = itertools.count(1)

    async def place(self, order_id: OrderId, new_order: NewOrder) -> Order:
        """Accept an order; it meets the current quote at once, and expires by itself."""
        if self.refusal is not None:
            raise self.refusal
        now = self._clock.now()
        order = Order(
            order_id=order_id,
            acceptance_number=next(self._acceptance_numbers),
            owner=new_order.owner,
            client_order_id=new_order.client_order_id,
            symbol=new_order.symbol,
            side=new_order.side,
            time_in_force=new_order.time_in_force,
            quantity=new_order.quantity,
            limit_price=new_order.limit_price,
            accepted_at=now,
            expires_at=now + timedelta(microseconds=int(new_order.timeout_seconds * 1_000_000)),
        )
        self._orders.add(order)
        deadline_ns = self._clock.monotonic_ns() + int(
            new_order.timeout_seconds * NANOSECONDS_PER_SECOND
        )
        self._keep(self._matcher(order.symbol).rest(order, deadline_ns=deadline_ns))
        asyncio.get_running_loop().call_later(
            float(new_order.timeout_seconds), self._expire, order.symbol, deadline_ns + 1
        )
        return order

    def current_quote(self, symbol: Symbol) -> Quote | None:
        """Return the quote a resting order would meet."""
        return self._matcher(symbol).current

    def show(self, quote: Quote) -> None:
        """Show a quote to the resting orders."""
        self._keep(self._matcher(quote.symbol).apply_quote(quote))

    def _matcher(self, symbol: Symbol) -> SymbolMatcher:
        return self._matchers.setdefault(symbol, SymbolMatcher(symbol))

    def _keep(self, fills: Sequence[Fill]) -> None:
        for fill in fills:
            self._orders.fill(fill, self._clock.now())
            if fill.completes:
                self._waiters.close(fill.order.order_id)

    def _expire(self, symbol: Symbol, now_ns: int) -> None:
        for expiry in self._matcher(symbol).expire(now_ns):
            self._orders.expire(expiry, self._clock.now())
            self._waiters.close(expiry.order.order_id)


class MemoryRules:
    """A fixed book of rules; None stands for one that was never loaded."""

    def __init__(self, rules: Sequence[TradingRules] | None) -> None:
        self.by_symbol = None if rules is None else {rule.symbol: rule for rule in rules}

    def find(self, symbol: Symbol) -> TradingRules | None:
        """Return a symbol's rules."""
        if self.by_symbol is None:
            raise RulesNotLoadedError
        return self.by_symbol.get(symbol)

    def state(self) -> RulesState:
        """Return where the rules come from."""
        if self.by_symbol is None:
            return RulesState(source="none", loaded_at=None, symbols=0, cause="no route to host")
        return RulesState(source="venue", loaded_at=START, symbols=len(self.by_symbol), cause=None)


class MemoryFeed:
    """A feed without quotes that tells a state."""

    def __init__(self) -> None:
        self.feed_state = FeedState(
            status="connected", cause=None, since=START, symbols=1, counters={"frames": 12}
        )

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Do nothing: the desk is shown its quotes."""

    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Do nothing: the desk is shown its quotes."""

    def state(self) -> FeedState:
        """Return the state that was set."""
        return self.feed_state


class MemoryJournal:
    """A journal that keeps nothing; the desk in memory does not need it."""

    def __init__(self) -> None:
        self.is_writable = True
        self._acceptance_numbers = itertools.count(1)

    def next_acceptance_number(self) -> int:
        """Return the next number."""
        return next(self._acceptance_numbers)

    async def accept(self, order: Order) -> None:
        """Do nothing: the desk keeps its orders."""

    def record(self, outcome: SymbolOutcome) -> None:
        """Do nothing: the desk keeps its fills."""

    async def settle(self) -> None:
        """Return at once: nothing is queued."""


def ltcbtc_rules() -> TradingRules:
    """Return rules as the venue has them for LTCBTC."""
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
    """Return a quote with price and quantity of each side."""
    return Quote(
        symbol=Symbol(symbol),
        update_id=update_id,
        bid_price=Decimal(bid[0]),
        bid_quantity=Decimal(bid[1]),
        ask_price=Decimal(ask[0]),
        ask_quantity=Decimal(ask[1]),
        received_ns=time.monotonic_ns(),
    )


@dataclass(slots=True)
class MemoryPorts:
    """All ports together, as one venue with LTCBTC and a halted pair."""

    clock: RunningClock = field(default_factory=RunningClock)
    ids: CountingIds = field(default_factory=CountingIds)
    orders: MemoryOrders = field(default_factory=MemoryOrders)
    waiters: MemoryWaiters = field(init=False)
    feed: MemoryFeed = field(default_factory=MemoryFeed)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    is_recovered: bool = True
    rules: MemoryRules = field(init=False)
    desk: MemoryDesk = field(init=False)

    def __post_init__(self) -> None:
        """Build what needs the others."""
        halted = replace(ltcbtc_rules(), symbol=Symbol("HALTBTC"), status="BREAK")
        chinese = replace(ltcbtc_rules(), symbol=Symbol("币安人生USDT"))
        self.waiters = MemoryWaiters(self.orders)
        self.rules = MemoryRules([ltcbtc_rules(), halted, chinese])
        self.desk = MemoryDesk(self.orders, self.waiters, self.clock)
