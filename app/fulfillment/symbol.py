"""One symbol's fulfillment: load the ledger, subscribe, match, expire, linger, end.

Quotes, timers and new orders arrive as plain calls on the event loop, so the matcher needs no lock
and no queue. The journal gets the matcher's steps in the order in which they happened. A failure in
this module is our bug: the symbol stops filling and reloads from the database. Other symbols
continue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from app.domain.errors import JournalUnavailableError
from app.domain.events import OrderEvent, SymbolOutcome
from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, Order, OrderId, OrderSnapshot, Owner, Side, Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
from app.fulfillment import loading
from app.fulfillment.counters import QuoteCounter, StaleSeedCounter
from app.fulfillment.loading import (
    ORDERS_PER_BATCH,
    DurableOrder,
    MatcherSource,
    in_batches,
    rest_orders,
    retry_until_read,
)
from app.fulfillment.outcome import outcome_parts, step_events
from app.fulfillment.timers import DeadlineTimer, LingerTimer
from app.ports import NO_MARKET, Clock, Feed, Journal, MarketView, RecoveryStore, StoredLedger

_Result = TypeVar("_Result")

_log = structlog.get_logger()


class SymbolFulfillment:
    """One symbol from its first open order until it has lingered (port ``QuoteListener``)."""

    def __init__(
        self,
        symbol: Symbol,
        *,
        feed: Feed,
        journal: Journal,
        store: RecoveryStore,
        clock: Clock,
        on_lingering: Callable[["SymbolFulfillment"], None],
        matchers: MatcherSource,
        may_fill: Callable[[Symbol], bool],
    ) -> None:
        self.symbol = symbol
        self.quote_counter = QuoteCounter()
        self._feed = feed
        self._journal = journal
        self._store = store
        self._clock = clock
        self._on_lingering = on_lingering
        self._matchers = matchers
        self._may_fill = may_fill
        self._matcher: SymbolMatcher | None = None
        self._loading_matcher: SymbolMatcher | None = None
        self._waiting: dict[OrderId, DurableOrder] = {}
        # Orders that a reload read from the database before it learned that they are durable.
        self._unannounced: set[OrderId] = set()
        self._stale_seeds = StaleSeedCounter()
        self._has_failed = False
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()
        self._deadline = DeadlineTimer(clock, self._on_deadline)
        self._linger = LingerTimer(on_over=self._wake.set)

    @property
    def current_quote(self) -> Quote | None:
        """The quote that a resting order would meet now."""
        return None if self._matcher is None else self._matcher.current

    @property
    def is_idle(self) -> bool:
        """Whether no order rests or waits here."""
        return not self._waiting and self._matcher is not None and not self._matcher.resting_total

    def rest(self, orders: Sequence[OrderSnapshot], *, were_open_before: bool = False) -> None:
        """Take durable open orders. They wait while the ledger is being loaded.

        ``were_open_before`` says that an earlier process held the orders. They may have met quotes
        that are not stored.
        """
        if self._unannounced:
            # A reload has read these orders already; an order must not rest twice.
            known = self._unannounced.intersection(snapshot.order.order_id for snapshot in orders)
            self._unannounced -= known
            orders = [snapshot for snapshot in orders if snapshot.order.order_id not in known]
        durable = [DurableOrder(snapshot, were_open_before) for snapshot in orders]
        if self._matcher is None:
            self._waiting.update((one.snapshot.order.order_id, one) for one in durable)
        else:
            self._guarded(partial(self._rest_orders, self._matcher, durable))
        self._wake.set()

    def on_quote(self, quote: Quote) -> None:
        """Apply a frame of the stream (the hot path)."""
        matcher = self._matcher
        if matcher is None:
            return
        try:
            # The timer may be late. A quote received after a deadline must not fill that order.
            is_late = matcher.first_deadline_ns < quote.received_ns
            expired = matcher.expire(quote.received_ns) if is_late else ()
            steps = matcher.apply_quote(quote)
            if expired or steps:
                self._record_steps(matcher, (*expired, *steps))
        except Exception:  # noqa: BLE001 - our bug stops this symbol alone, see _fail
            self._fail()

    def on_seed(self, seed: Quote) -> bool:
        """Apply a depth snapshot. False asks the feed for a newer one."""
        matcher = self._matcher
        if matcher is None:
            return True
        return self._guarded(partial(self._apply_seed, matcher, seed)) is not False

    def on_interrupted(self) -> None:
        """Fill nothing until the next connection has sent a quote."""
        self._stale_seeds.clear()
        if self._matcher is not None:
            self._matcher.interrupt()

    def hold_or_release(self) -> None:
        """Hold the matcher while ``may_fill`` is false. Release it when ``may_fill`` is true."""
        matcher = self._matcher
        if matcher is None or matcher.is_held is not self._may_fill(self.symbol):
            return
        if matcher.is_held:
            self._guarded(partial(self._release, matcher))
        else:
            matcher.hold()

    async def cancel(self, order_id: OrderId) -> None:
        """Cancel a resting order once the symbol is loaded. Ignore an order that does not rest."""
        matcher = await self._loaded_matcher()
        closing = matcher.cancel(order_id)
        if closing is not None:
            self._guarded(partial(self._record_steps, matcher, [closing]))

    def holds(self, order_id: OrderId) -> bool:
        """Whether the order may still be open. True while the symbol is not loaded."""
        return self._matcher is None or self._matcher.holds(order_id) or order_id in self._waiting

    async def cancel_all(self, owner: Owner) -> AsyncIterator[list[OrderId]]:
        """Cancel the owner's resting orders, and yield the ids of each canceled batch.

        Between two batches a quote may fill the remaining orders. Orders that arrive there are
        not canceled.
        """
        matcher = await self._loaded_matcher()
        requested = matcher.resting_of(owner)
        for start in range(0, len(requested), ORDERS_PER_BATCH):
            if start:
                await asyncio.sleep(0)
                # A reload during the sleep replaces the matcher.
                matcher = await self._loaded_matcher()
            if len(requested) <= ORDERS_PER_BATCH:
                closings = matcher.cancel_all(owner)
            else:
                batch = requested[start : start + ORDERS_PER_BATCH]
                closings = [one for one in map(matcher.cancel, batch) if one is not None]
            self._guarded(partial(self._record_steps, matcher, closings))
            yield [closing.order.order_id for closing in closings]

    def view(self, owner: Owner, side: Side) -> MarketView:
        """Return the market that an order would meet here now."""
        matcher = self._matcher
        if matcher is None or matcher.current is None:
            return NO_MARKET
        return MarketView(
            quote=matcher.current,
            taken_quantity=matcher.taken(owner, side),
            awaits_confirmation=matcher.awaits_confirmation,
        )

    def arrival(self, order: Order) -> Arrival | None:
        """Return the quote that a new order meets now, None if it has to wait for one."""
        matcher = self._matcher
        return None if matcher is None else matcher.arrival(order, self._clock.monotonic_ns())

    def reload(self) -> None:
        """Drop the matcher, which differs from the database, and load the symbol again."""
        self._has_failed = True
        self.quote_counter.detach()
        self._detach("failed")
        self._wake.set()

    def end_lingering(self) -> None:
        """End the symbol now, unless an order rests."""
        self._linger.end()

    def stop(self) -> None:
        """Record the ledger a last time and unsubscribe: the process is about to exit."""
        if self._matcher is not None:
            self._record(self._matcher, ())
        self._detach("stopped")

    async def run(self) -> None:
        """Serve the symbol until it has lingered without orders and its ledger is durable."""
        while True:
            await self._load()
            await self._await_announcements()
            while not self._has_failed:
                self._wake.clear()
                if self._linger.is_over and self.is_idle and await self._try_to_end():
                    return
                await self._wake.wait()
            await asyncio.sleep(loading.RELOAD_SECONDS)

    async def _load(self) -> None:
        """Read the ledger, rest the waiting orders in batches, and only then subscribe."""
        is_reload = self._has_failed
        stored, unfinished = await retry_until_read(
            partial(self._read, with_orders=is_reload),
            trouble="symbol_not_loaded",
            symbol=self.symbol,
        )
        self._has_failed = False
        for snapshot in unfinished:
            order_id = snapshot.order.order_id
            if order_id not in self._waiting:  # a waiting order is new, so it has missed no quote
                self._unannounced.add(order_id)
                self._waiting[order_id] = DurableOrder(snapshot, was_open_before=True)
        # `_matcher` stays None until all orders rest. Otherwise a quote between two batches might
        # fill an order before another one with a better limit.
        matcher = self._loading_matcher = self._matchers.begin(self.symbol, stored)
        durable, self._waiting = list(self._waiting.values()), {}
        steps: list[Step] = []
        is_start = not is_reload and any(one.was_open_before for one in durable)
        async for batch in in_batches(durable, is_start=is_start):
            steps += self._guarded(partial(rest_orders, matcher, batch, self._clock)) or []
            if self._loading_matcher is not matcher:
                return  # it failed, or the service stops
        self._loading_matcher = None
        self._matcher = matcher
        self.quote_counter.attach(matcher)
        self._guarded(partial(self._start, matcher, steps))
        self._loaded.set()

    async def _await_announcements(self) -> None:
        """Wait until the orders that a reload read have been announced, then forget their ids.

        After the journal has settled, no acceptance that was committed before the read is still to
        be announced.
        """
        if self._unannounced:
            with contextlib.suppress(JournalUnavailableError):
                await self._journal.settle()
                self._unannounced.clear()

    async def _loaded_matcher(self) -> SymbolMatcher:
        """Wait until the symbol is loaded. It stays loaded until the caller's next await."""
        while self._matcher is None:
            self._loaded.clear()
            await self._loaded.wait()
        return self._matcher

    async def _read(self, *, with_orders: bool) -> tuple[StoredLedger, list[OrderSnapshot]]:
        await self._journal.settle()  # the stored ledger must include all earlier outcomes
        stored = await self._store.load_ledger(self.symbol)
        return stored, await self._store.load_unfinished(self.symbol) if with_orders else []

    def _start(self, matcher: SymbolMatcher, steps: list[Step]) -> None:
        """Subscribe once all orders rest, including the orders that arrived meanwhile."""
        if not self._may_fill(self.symbol):
            matcher.hold()
        steps += rest_orders(matcher, self._waiting.values(), self._clock)
        self._waiting.clear()
        # An order whose time passed while the service was down ends before the first quote.
        self._record_steps(matcher, steps + matcher.expire(self._clock.monotonic_ns()))
        self._update_lingering(matcher)
        self._feed.subscribe(self.symbol, self)
        _log.info(
            "symbol_started", symbol=self.symbol, resting=matcher.resting_total, gate=matcher.gate
        )

    async def _try_to_end(self) -> bool:
        """Record the ledger and wait until it is durable; False if an order came meanwhile."""
        assert self._matcher is not None, "only a loaded symbol is idle"
        self._record(self._matcher, ())
        await self._journal.settle()
        if self._has_failed or not self._linger.is_over or not self.is_idle:
            return False
        _log.info(
            "symbol_ended",
            symbol=self.symbol,
            quotes_applied=self._matcher.quotes_applied,
            quotes_refused=self._matcher.quotes_refused,
            levels_dropped=self._matcher.levels_dropped,
            gate_resets=self.quote_counter.gate_resets,
        )
        self._detach("ended")
        return True

    def _rest_orders(self, matcher: SymbolMatcher, orders: Sequence[DurableOrder]) -> None:
        steps = rest_orders(matcher, orders, self._clock)
        self._update_lingering(matcher)
        self._record_steps(matcher, steps)
        self._request_confirmation(matcher)

    def _apply_seed(self, matcher: SymbolMatcher, seed: Quote) -> bool:
        steps = matcher.expire(seed.received_ns)
        was_live = matcher.is_live
        seed_steps = matcher.apply_seed(seed)
        # A stale seed does no harm if a frame of this connection came and needs no confirmation.
        is_needed = not was_live or matcher.awaits_confirmation
        if seed_steps is not None:
            self._stale_seeds.clear()
        elif is_needed and self._stale_seeds.shows_a_reset(seed.received_ns, gate=matcher.gate):
            # Three lower seeds over 10 s on a new connection: the venue restarted its update ids.
            self.quote_counter.gate_resets += 1
            _log.warning("update_ids_reset", symbol=self.symbol, update_id=seed.update_id)
            seed_steps = matcher.reset_gate(seed)
        self._record_steps(matcher, steps + (seed_steps or []))
        return seed_steps is not None or not is_needed

    def _release(self, matcher: SymbolMatcher) -> None:
        # The current quote may have been received after an order's deadline: expire that order
        # first, so that the quote cannot fill it.
        steps = matcher.expire(matcher.current.received_ns) if matcher.current else []
        self._record_steps(matcher, steps + matcher.release(self._clock.monotonic_ns()))
        self._request_confirmation(matcher)

    def _request_confirmation(self, matcher: SymbolMatcher) -> None:
        """Ask the feed to confirm the current quote, if an order waits for that."""
        if matcher.awaits_confirmation:
            self._feed.confirm(self.symbol, self)

    def _expire(self, matcher: SymbolMatcher) -> None:
        self._record_steps(matcher, matcher.expire(self._clock.monotonic_ns()))

    def _record_steps(self, matcher: SymbolMatcher, steps: Sequence[Step]) -> None:
        """Record the steps, then update the timers."""
        if steps:
            self._record(matcher, tuple(step_events(steps, self._clock.now())))
            self._update_lingering(matcher)
        self._deadline.arm(matcher.next_deadline_ns())

    def _record(self, matcher: SymbolMatcher, events: tuple[OrderEvent, ...]) -> None:
        """Pass events and ledger to the journal, in parts that fit into a transaction."""
        outcome = SymbolOutcome(
            symbol=self.symbol,
            events=events,
            ledger_changes=tuple(matcher.drain_ledger_changes()),
            gate=matcher.gate,
        )
        for part in outcome_parts(outcome):
            self._journal.record(part)

    def _on_deadline(self) -> None:
        if self._matcher is not None:
            self._guarded(partial(self._expire, self._matcher))

    def _update_lingering(self, matcher: SymbolMatcher) -> None:
        """Start to linger if no order rests, else stop."""
        if matcher.resting_total:
            self._linger.reset()
        else:
            self._linger.restart()
            self._on_lingering(self)

    def _guarded(self, call: Callable[[], _Result]) -> _Result | None:
        """Return ``call()``. If it raises, stop the symbol and return None."""
        try:
            return call()
        except Exception:  # noqa: BLE001 - our bug stops this symbol alone, see _fail
            self._fail()
            return None

    def _fail(self) -> None:
        """Stop filling after a mistake of ours. ``run`` then reloads from the database."""
        _log.exception("symbol_failed", symbol=self.symbol)
        self.reload()

    def _detach(self, how: str) -> None:
        """Unsubscribe, cancel the timers, and drop the matcher; see ``MatcherSource.end``."""
        self._feed.unsubscribe(self.symbol, self)
        for matcher in (self._matcher, self._loading_matcher):
            if matcher is not None:
                self._matchers.end(matcher, how)
        self._matcher = self._loading_matcher = None
        self._stale_seeds.clear()
        self._deadline.disarm()
        self._linger.cancel()
