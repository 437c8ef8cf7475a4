"""A feed, a journal and a clock that a test controls."""

import asyncio
from collections import deque
from datetime import datetime, timedelta

from app.domain.errors import JournalUnavailableError
from app.domain.events import (
    OrderEvent,
    StoredEvent,
    SymbolOutcome,
    acceptance_event,
    snapshot_after,
)
from app.domain.liquidity import TakenLevel  # noqa: TC001 - beside the other imports of the domain
from app.domain.order import Arrival, Order, OrderId, OrderSnapshot, Owner, Symbol
from app.domain.order_counts import OrderCounts
from app.domain.quote import Quote
from app.ports import FeedState, JournalListener, JournalState, QuoteListener, StoredLedger
from tests.support.builders import ACCEPTED_AT


class HandClock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self._now = ACCEPTED_AT
        self._monotonic_ns = 1_000_000_000

    def now(self) -> datetime:
        """Return the current instant."""
        return self._now

    def monotonic_ns(self) -> int:
        """Return nanoseconds that advance with ``now``."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Advance both times."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_ns += round(seconds * 1e9)


class HandFeed:
    """A feed (port ``Feed``) whose quotes are pushed by the test."""

    def __init__(self) -> None:
        self.listeners: dict[Symbol, QuoteListener] = {}
        self.subscriptions: list[str] = []
        self.confirmations: list[Symbol] = []

    def subscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Add the listener."""
        assert symbol not in self.listeners, "one listener a symbol is all that the desk needs"
        self.listeners[symbol] = listener
        self.subscriptions.append(f"+{symbol}")

    def unsubscribe(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Remove the listener, if it is subscribed."""
        if self.listeners.get(symbol) is listener:
            del self.listeners[symbol]
            self.subscriptions.append(f"-{symbol}")

    def confirm(self, symbol: Symbol, listener: QuoteListener) -> None:
        """Record the request; the test answers with a seed."""
        assert self.listeners.get(symbol) is listener, "only a subscribed listener may ask"
        self.confirmations.append(symbol)

    def state(self) -> FeedState:
        """Return a connected state."""
        return FeedState(
            status="connected",
            cause=None,
            since=ACCEPTED_AT,
            symbols=len(self.listeners),
            counters={},
        )

    def push(self, quote: Quote) -> None:
        """Deliver a frame of the stream."""
        self.listeners[quote.symbol].on_quote(quote)

    def seed(self, quote: Quote) -> bool:
        """Deliver a depth snapshot."""
        return self.listeners[quote.symbol].on_seed(quote)

    def interrupt(self) -> None:
        """Lose the connection."""
        for listener in self.listeners.values():
            listener.on_interrupted()


class HandJournal:
    """A journal and its store in memory (ports ``Journal`` and ``RecoveryStore``).

    It writes at once while ``is_writable``; otherwise outcomes wait for ``recover``.
    """

    def __init__(self) -> None:
        self.listener: JournalListener | None = None
        self.is_writable = True
        self.refused_symbol: Symbol | None = None
        self.fails_at_the_next_record = False
        self.accept_delay: asyncio.Event | None = None
        self.orders_under_way = OrderCounts()
        self.waiting_to_accept = 0
        self.settle_delay: asyncio.Event | None = None
        self.settle_delay_after_load: asyncio.Event | None = None
        self.load_failures_left = 0
        self.events: list[OrderEvent] = []
        self.outcomes: list[SymbolOutcome] = []
        self._queued: deque[SymbolOutcome] = deque()
        self._acceptance_number = 0
        self._ledgers: dict[Symbol, dict[tuple[str, str, str], TakenLevel]] = {}
        self._gates: dict[Symbol, int] = {}
        self._snapshots: dict[OrderId, OrderSnapshot] = {}

    def next_acceptance_number(self) -> int:
        """Return the next number."""
        self._acceptance_number += 1
        return self._acceptance_number

    async def accept(self, order: Order, arrival: Arrival | None) -> None:
        """Store the order and announce it to the listener."""
        self.waiting_to_accept += 1
        self.orders_under_way.add(order)
        try:
            await (asyncio.sleep(0) if self.accept_delay is None else self.accept_delay.wait())
        finally:
            self.orders_under_way.remove(order)
            self.waiting_to_accept -= 1
        if not self.is_writable:
            raise JournalUnavailableError
        self._tell([acceptance_event(order, arrival)])

    def order_under_way(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return nothing: the desk does not ask."""

    def record(self, outcome: SymbolOutcome) -> None:
        """Queue the outcome, which is written in the next turn of the loop."""
        self._queued.append(outcome)
        self.outcomes.append(outcome)
        if self.fails_at_the_next_record:
            self.fails_at_the_next_record = False
            self.fail()
        if self.is_writable:
            asyncio.get_running_loop().call_soon(self._write)

    def state(self) -> JournalState:
        """Return the state."""
        return JournalState(
            is_writable=self.is_writable,
            waiting=len(self._queued),
            commits=len(self.outcomes),
            failures=0,
            events=len(self.events),
            refused_parts=0,
        )

    async def settle(self) -> None:
        """Return once the queue is empty."""
        if self.settle_delay is not None:
            await self.settle_delay.wait()
        while self._queued:  # noqa: ASYNC110 - its turns are the loop's
            await asyncio.sleep(0)

    async def list_unfinished_symbols(self) -> list[Symbol]:
        """Return the symbols with open orders."""
        self._fail_if_told()
        unfinished = (one for one in self._snapshots.values() if not one.status.is_terminal)
        return list(dict.fromkeys(one.order.symbol for one in unfinished))

    async def load_unfinished(self, symbol: Symbol) -> list[OrderSnapshot]:
        """Return the open orders of the symbol."""
        self._fail_if_told()
        self.settle_delay = self.settle_delay_after_load
        return [
            snapshot
            for snapshot in self._snapshots.values()
            if not snapshot.status.is_terminal and symbol == snapshot.order.symbol
        ]

    async def load_ledger(self, symbol: Symbol) -> StoredLedger:
        """Return the stored ledger of the symbol."""
        self._fail_if_told()
        return StoredLedger(
            gate=self._gates.get(symbol, 0), levels=tuple(self._ledgers.get(symbol, {}).values())
        )

    def fail(self) -> None:
        """Stop writing."""
        assert self.listener is not None
        self.is_writable = False
        self.listener.on_write_trouble()

    def recover(self) -> None:
        """Write the queue, and continue writing."""
        assert self.listener is not None
        self.is_writable = True
        self._write()
        self.listener.on_write_recovery()

    def events_of(self, order: Order) -> list[OrderEvent]:
        """Return an order's durable events."""
        return [event for event in self.events if event.order.order_id == order.order_id]

    def _write(self) -> None:
        while self._queued and self.is_writable:
            outcome = self._queued.popleft()
            if outcome.symbol == self.refused_symbol:
                self._refuse(outcome.symbol)
                continue
            if outcome.gate:
                self._gates[outcome.symbol] = outcome.gate
            levels = self._ledgers.setdefault(outcome.symbol, {})
            for level in outcome.ledger_changes:
                key = (level.owner, level.side, str(level.price))
                levels[key] = level
                if not level.quantity:
                    del levels[key]
            self._tell(list(outcome.events))

    def _refuse(self, symbol: Symbol) -> None:
        assert self.listener is not None
        self.refused_symbol = None
        self._queued = deque(one for one in self._queued if one.symbol != symbol)
        self.listener.on_outcome_refused(symbol)

    def _tell(self, events: list[OrderEvent]) -> None:
        assert self.listener is not None
        for event in events:
            before = self._snapshots.get(event.order.order_id)
            assert event.sequence == (1 if before is None else before.last_sequence + 1)
            self._snapshots[event.order.order_id] = snapshot_after(event)
        first = len(self.events) + 1
        self.events.extend(events)
        self.listener.on_durable(
            [
                StoredEvent(position=position, event=event)
                for position, event in enumerate(events, first)
            ]
        )

    def _fail_if_told(self) -> None:
        if self.load_failures_left:
            self.load_failures_left -= 1
            raise OSError("the disk does not answer")
