"""Accepts orders, gives durable ones to their symbols, and recovers open ones after a restart."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final

import structlog

from app.domain.amounts import EXACT
from app.domain.errors import JournalUnavailableError, OutcomeUnknownError
from app.domain.events import StoredEvent, snapshot_after
from app.domain.order import (
    MICROSECONDS_PER_SECOND,
    NewOrder,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Side,
    Symbol,
)
from app.domain.order_counts import OpenOrderLimits, OrderCounts
from app.domain.quote import Quote
from app.fulfillment import interruptions
from app.fulfillment.counters import EventCounter
from app.fulfillment.interruptions import Interruptions
from app.fulfillment.loading import MatcherSource, PlainMatchers, in_batches, retry_until_read
from app.fulfillment.symbol import SymbolFulfillment
from app.ports import (
    NO_MARKET,
    Clock,
    DeskState,
    EventBus,
    Feed,
    Journal,
    MarketView,
    QuoteCounts,
    RecoveryStore,
)

LINGERING_SYMBOLS_MAX: Final = 256
"""Symbols kept subscribed without orders. Beyond it the least recently used symbol ends."""

CANCEL_SECONDS_MAX: Final = 5.0
"""How long a cancel waits for the disk before its outcome counts as unknown."""

_log = structlog.get_logger()


class FulfillmentDesk:
    """All symbols of one process (ports ``OrderDesk`` and ``JournalListener``)."""

    def __init__(
        self,
        *,
        feed: Feed,
        journal: Journal,
        store: RecoveryStore,
        bus: EventBus,
        clock: Clock,
        limits: OpenOrderLimits,
        is_trading: Callable[[Symbol], bool],
        matchers: MatcherSource | None = None,
    ) -> None:
        self._recovered = asyncio.Event()
        self._is_stopping = False
        self._feed = feed
        self._journal = journal
        self._store = store
        self._bus = bus
        self._clock = clock
        self._symbols: dict[Symbol, SymbolFulfillment] = {}
        self._lingering: OrderedDict[Symbol, SymbolFulfillment] = OrderedDict()
        self._tasks: asyncio.TaskGroup | None = None
        self._limits = limits
        self._is_trading = is_trading
        self._matchers = matchers or PlainMatchers()
        self._open_orders = OrderCounts()
        self._event_counter = EventCounter()
        self._interruptions = Interruptions()
        self._quotes_of_ended_symbols = QuoteCounts()
        self._cancels_in_doubt: set[tuple[Owner, Symbol]] = set()

    @property
    def is_recovered(self) -> bool:
        """Whether the orders that an earlier process left open have been read."""
        return self._recovered.is_set()

    async def run(self) -> None:
        """Own the coroutines of the symbols: read the open orders, then serve until canceled."""
        async with asyncio.TaskGroup() as self._tasks:
            await self._recover()
            await self._watch_interruptions()

    def stop(self) -> None:
        """Record every ledger and unsubscribe from the feed; call it before you cancel ``run``.

        Orders that become durable afterwards are still announced. The next start fills them.
        """
        self._is_stopping = True
        for fulfillment in self._symbols.values():
            fulfillment.stop()

    async def place(self, order_id: OrderId, new_order: NewOrder) -> Order:
        """Return once the order is durable.

        ``on_durable`` gives the order to its symbol, so the order continues even if its client has
        stopped waiting.

        Raises:
            TooManyOrdersError: a limit on open orders is reached.

        It also raises the errors of ``Journal.accept``.
        """
        # The recovery reads all open orders. It would find an order accepted before it, and the
        # order would rest twice.
        await self._recovered.wait()
        symbol = new_order.symbol
        self._limits.check_room(
            new_order.owner, symbol, self._open_orders, self._journal.orders_under_way
        )
        accepted_at = self._clock.now()
        order = Order(
            order_id=order_id,
            acceptance_number=self._journal.next_acceptance_number(),
            owner=new_order.owner,
            client_order_id=new_order.client_order_id,
            symbol=symbol,
            side=new_order.side,
            time_in_force=new_order.time_in_force,
            quantity=new_order.quantity,
            limit_price=new_order.limit_price,
            accepted_at=accepted_at,
            expires_at=accepted_at + _duration(new_order.timeout_seconds),
        )
        fulfillment = self._symbols.get(symbol)
        arrival = None if fulfillment is None else fulfillment.arrival(order)
        await self._journal.accept(order, arrival)
        return order

    async def cancel(self, order: Order) -> None:
        """Cancel an order, and wait until its state after the request is durable."""
        try:
            async with self._canceling(order.order_id):
                fulfillment = self._symbols.get(order.symbol)
                if fulfillment is not None:
                    await fulfillment.cancel(order.order_id)
        except JournalUnavailableError:
            fulfillment = self._symbols.get(order.symbol)
            if fulfillment is not None and not fulfillment.holds(order.order_id):
                # The order has ended, perhaps by an earlier request, but its end is not durable
                # yet. "Nothing was executed" would be wrong.
                raise OutcomeUnknownError(order.order_id, doing="canceled") from None
            raise

    async def cancel_all(self, owner: Owner, symbol: Symbol) -> list[OrderId]:
        """Cancel the owner's orders of a symbol, and wait until their ends are durable."""
        canceled: list[OrderId] = []
        try:
            async with self._canceling(None):
                fulfillment = self._symbols.get(symbol)
                if fulfillment is not None:
                    async for ended in fulfillment.cancel_all(owner):
                        canceled += ended
        except (OutcomeUnknownError, JournalUnavailableError) as error:
            if canceled or isinstance(error, OutcomeUnknownError):
                self._cancels_in_doubt.add((owner, symbol))
            if (owner, symbol) in self._cancels_in_doubt:
                # This request or an earlier one may have ended orders, but the ends are not
                # durable yet.
                raise OutcomeUnknownError(None, doing="canceled") from None
            raise
        self._cancels_in_doubt.discard((owner, symbol))
        return canceled

    def market_view(self, symbol: Symbol, owner: Owner, side: Side) -> MarketView:
        """Return the market that an order would meet now."""
        fulfillment = self._symbols.get(symbol)
        view = NO_MARKET if fulfillment is None else fulfillment.view(owner, side)
        return view if self._is_trading(symbol) else replace(view, is_halted=True)

    def current_quote(self, symbol: Symbol) -> Quote | None:
        """Return the quote that a resting order would meet now."""
        fulfillment = self._symbols.get(symbol)
        return None if fulfillment is None else fulfillment.current_quote

    def is_serving(self, symbol: Symbol) -> bool:
        """Whether the symbol has open orders, or lingers after its last order."""
        return symbol in self._symbols

    def state(self) -> DeskState:
        """Return the state of the symbols and their orders."""
        quotes = self._quotes_of_ended_symbols
        for fulfillment in self._symbols.values():
            quotes = quotes.plus(fulfillment.quote_counter.counts)
        current = [one.current_quote for one in self._symbols.values()]
        received_ns = [quote.received_ns for quote in current if quote is not None]
        return DeskState(
            symbols=len(current),
            symbols_live=len(received_ns),
            symbols_interrupted=self._interruptions.total,
            newest_quote_ns=max(received_ns, default=None),
            oldest_quote_ns=min(received_ns, default=None),
            open_orders=self._open_orders.total,
            accepted=self._event_counter.accepted,
            splits=self._event_counter.splits,
            ended=dict(self._event_counter.ended),
            quotes=quotes,
        )

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        """Rest the accepted orders, all orders of a symbol at once, then publish the events."""
        accepted: dict[Symbol, list[OrderSnapshot]] = {}
        for stored in events:
            event = stored.event
            self._event_counter.add(event)
            order = event.order
            if event.status is OrderStatus.NEW:
                self._open_orders.add(order)
                accepted.setdefault(order.symbol, []).append(snapshot_after(event))
            elif event.status.is_terminal:
                self._open_orders.remove(order)
        if not self._is_stopping:  # the next start reads these orders from the database
            for symbol, orders in accepted.items():
                self._fulfillment_of(symbol).rest(orders)
        self._bus.publish(events)

    def on_write_trouble(self) -> None:
        """Fill nothing more. Earlier fills wait, unannounced, until they are durable."""
        self._hold_or_release()

    def on_write_recovery(self) -> None:
        """Fill again. All outcomes that were in doubt are durable now."""
        self._cancels_in_doubt.clear()
        self._hold_or_release()

    def on_rules(self) -> None:
        """Hold the orders of halted symbols, and release them once the venue lifts the halt.

        Depth snapshots still show the book of a halted symbol, although the symbol does not trade.
        """
        self._hold_or_release()

    def on_outcome_refused(self, symbol: Symbol) -> None:
        """Reload the symbol from the database."""
        if not self._is_stopping:
            self._fulfillment_of(symbol).reload()

    @asynccontextmanager
    async def _canceling(self, order_id: OrderId | None) -> AsyncIterator[None]:
        """Wait for the journal before and after a command to a matcher.

        Raises:
            JournalUnavailableError: the command did not run.
            OutcomeUnknownError: the command may have run, but its result is not known to be
                durable.
        """
        was_given = False
        try:
            async with asyncio.timeout(CANCEL_SECONDS_MAX):
                await self._settle_before_command()
                yield
                was_given = True
                await self._journal.settle()
        except (TimeoutError, JournalUnavailableError):
            if was_given:
                raise OutcomeUnknownError(order_id, doing="canceled") from None
            raise JournalUnavailableError from None

    async def _settle_before_command(self) -> None:
        await self._recovered.wait()
        if self._is_stopping or not self._journal.is_writable:
            raise JournalUnavailableError
        # The journal may be writing the acceptance of this order. Once it has settled, the order
        # rests or has ended.
        await self._journal.settle()

    async def _recover(self) -> None:
        """Give each symbol its open orders, one symbol at a time to save memory."""
        read_symbols = self._store.list_unfinished_symbols
        symbols = await retry_until_read(read_symbols, trouble="open_orders_not_loaded")
        total = 0
        for symbol in symbols:
            unfinished = await retry_until_read(
                partial(self._store.load_unfinished, symbol),
                trouble="open_orders_not_loaded",
                symbol=symbol,
            )
            async for batch in in_batches(unfinished, is_start=True):
                for snapshot in batch:
                    self._open_orders.add(snapshot.order)
            self._fulfillment_of(symbol).rest(unfinished, were_open_before=True)
            total += len(unfinished)
        self._recovered.set()
        _log.info("orders_recovered", orders=total, symbols=len(symbols))

    async def _watch_interruptions(self) -> None:
        """Log the symbols that have had no quote for long; never return."""
        while True:
            await asyncio.sleep(interruptions.CHECK_SECONDS)
            is_live = {one.symbol: one.current_quote is not None for one in self._symbols.values()}
            now_ns = self._clock.monotonic_ns()
            interruptions.log_changes(self._interruptions.update(is_live, now_ns=now_ns))

    def _fulfillment_of(self, symbol: Symbol) -> SymbolFulfillment:
        self._lingering.pop(symbol, None)
        fulfillment = self._symbols.get(symbol)
        if fulfillment is None:
            assert self._tasks is not None, "run() owns the coroutines of the symbols"
            fulfillment = SymbolFulfillment(
                symbol,
                feed=self._feed,
                journal=self._journal,
                store=self._store,
                clock=self._clock,
                on_lingering=self._note_lingering,
                matchers=self._matchers,
                may_fill=self._may_fill,
            )
            self._symbols[symbol] = fulfillment
            self._tasks.create_task(self._run_symbol(fulfillment), name=f"fulfillment of {symbol}")
        return fulfillment

    def _may_fill(self, symbol: Symbol) -> bool:
        return self._journal.is_writable and self._is_trading(symbol)

    def _hold_or_release(self) -> None:
        for fulfillment in self._symbols.values():
            fulfillment.hold_or_release()

    async def _run_symbol(self, fulfillment: SymbolFulfillment) -> None:
        await fulfillment.run()
        # No await since run() returned, so no order can have been added.
        self._lingering.pop(fulfillment.symbol, None)
        self._quotes_of_ended_symbols = self._quotes_of_ended_symbols.plus(
            fulfillment.quote_counter.counts
        )
        del self._symbols[fulfillment.symbol]

    def _note_lingering(self, fulfillment: SymbolFulfillment) -> None:
        self._lingering[fulfillment.symbol] = fulfillment
        self._lingering.move_to_end(fulfillment.symbol)
        if len(self._lingering) > LINGERING_SYMBOLS_MAX:
            _, least_recent = self._lingering.popitem(last=False)
            least_recent.end_lingering()


def _duration(seconds: Decimal) -> timedelta:
    return timedelta(microseconds=int(EXACT.multiply(seconds, MICROSECONDS_PER_SECOND)))
