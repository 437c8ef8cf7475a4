"""One symbol's fulfillment: load its ledger, subscribe, match, expire, linger, end.

Quotes, timers and new orders come in as plain calls on the event loop, so the matcher needs no lock
and no queue. What it does goes to the journal in the order in which it happened. If anything here
fails, it is our bug: the symbol stops filling and starts anew from the database, the others go on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog

from app.domain.errors import JournalUnavailableError
from app.domain.events import OrderEvent, SymbolOutcome
from app.domain.matcher import SymbolMatcher
from app.domain.order import (
    Arrival,
    Order,
    OrderId,
    OrderSnapshot,
    Owner,
    Side,
    Symbol,
)
from app.domain.quote import Quote
from app.domain.resting import Step
from app.fulfillment import reading
from app.fulfillment.counters import QuoteTally
from app.fulfillment.deadline_timer import DeadlineTimer
from app.fulfillment.incoming import Incoming, rest_all
from app.fulfillment.matchers import MatcherSource
from app.fulfillment.outcome import outcome_parts, step_events
from app.fulfillment.pieces import PIECE, pieces
from app.fulfillment.reading import read_until_answered
from app.fulfillment.stale_seeds import StaleSeeds
from app.ports import NO_MARKET, Clock, Feed, Journal, MarketView, RecoveryStore, StoredLedger

LINGER_SECONDS: Final = 60.0
"""How long a symbol stays subscribed without orders, so that the next one costs no message."""

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
        self.tally = QuoteTally()
        self._feed = feed
        self._journal = journal
        self._store = store
        self._clock = clock
        self._on_lingering = on_lingering
        self._matchers = matchers
        self._may_fill = may_fill
        self._matcher: SymbolMatcher | None = None
        self._incomplete: SymbolMatcher | None = None
        self._waiting: dict[OrderId, Incoming] = {}
        self._read_back: set[OrderId] = set()
        self._stale_seeds = StaleSeeds()
        self._timer = DeadlineTimer(clock, self._on_deadline)
        self._linger: asyncio.TimerHandle | None = None
        self._linger_is_over = False
        self._has_failed = False
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()

    @property
    def current_quote(self) -> Quote | None:
        """The quote a resting order would meet now."""
        return None if self._matcher is None else self._matcher.current

    @property
    def is_idle(self) -> bool:
        """Whether no order rests or waits here."""
        return not self._waiting and self._matcher is not None and not self._matcher.resting_total

    def rest(self, orders: Sequence[OrderSnapshot], *, were_open_before: bool = False) -> None:
        """Take durable open orders; they wait while the ledger is being read.

        ``were_open_before`` says that an earlier process held them, which met quotes we do not
        know of.
        """
        if self._read_back:
            # A reload found some in the database before their acceptance was announced.
            known = self._read_back.intersection(snapshot.order.order_id for snapshot in orders)
            self._read_back -= known
            orders = [snapshot for snapshot in orders if snapshot.order.order_id not in known]
        arrivals = [Incoming(snapshot, were_open_before) for snapshot in orders]
        if self._matcher is None:
            self._waiting.update((one.snapshot.order.order_id, one) for one in arrivals)
        else:
            self._guard(partial(self._rest_all, self._matcher, arrivals))
        self._wake.set()

    def on_quote(self, quote: Quote) -> None:
        """Apply a frame of the stream (the hot path)."""
        matcher = self._matcher
        if matcher is None:
            return
        try:
            is_late = matcher.first_deadline_ns < quote.received_ns
            expired = matcher.expire(quote.received_ns) if is_late else ()
            steps = matcher.apply_quote(quote)
            if expired or steps:
                self._conclude(matcher, (*expired, *steps))
        except Exception:  # noqa: BLE001 - our bug stops this symbol alone, see _fail
            self._fail()

    def on_seed(self, seed: Quote) -> bool:
        """Apply a depth snapshot; False asks the feed for a newer one."""
        matcher = self._matcher
        if matcher is None:
            return True
        return self._guard(partial(self._apply_seed, matcher, seed)) is not False

    def on_interrupted(self) -> None:
        """Fill nothing until the next connection has quoted."""
        self._stale_seeds.clear()
        if self._matcher is not None:
            self._matcher.interrupt()

    def hold_or_release(self) -> None:
        """Fill nothing while ``may_fill`` forbids it; then the orders meet the quote of now."""
        matcher = self._matcher
        if matcher is None or matcher.is_held is not self._may_fill(self.symbol):
            return
        if matcher.is_held:
            self._guard(partial(self._release, matcher))
        else:
            matcher.hold()

    async def cancel(self, order_id: OrderId) -> None:
        """End a resting order for its client, once the symbol is loaded; others are left alone."""
        matcher = await self._loaded_matcher()
        closing = matcher.cancel(order_id)
        if closing is not None:
            self._guard(partial(self._conclude, matcher, [closing]))

    def holds(self, order_id: OrderId) -> bool:
        """Whether the order has not ended here, as far as is known."""
        return self._matcher is None or self._matcher.holds(order_id) or order_id in self._waiting

    async def cancel_all(self, owner: Owner) -> AsyncIterator[list[OrderId]]:
        """End the orders of an owner that rest now, and yield which.

        Few end at once. Of many a piece ends at a time, by acceptance: in between a quote may fill
        what is left of them, and what comes meanwhile is not meant.
        """
        matcher = await self._loaded_matcher()
        asked = matcher.resting_of(owner)
        for start in range(0, len(asked), PIECE):
            if start:
                await asyncio.sleep(0)
                matcher = await self._loaded_matcher()
            if len(asked) <= PIECE:
                closings = matcher.cancel_all(owner)
            else:
                ended = map(matcher.cancel, asked[start : start + PIECE])
                closings = [closing for closing in ended if closing is not None]
            self._guard(partial(self._conclude, matcher, closings))
            yield [closing.order.order_id for closing in closings]

    def view(self, owner: Owner, side: Side) -> MarketView:
        """Return what an order meets here now."""
        matcher = self._matcher
        if matcher is None or matcher.current is None:
            return NO_MARKET
        return MarketView(
            quote=matcher.current,
            taken_quantity=matcher.taken(owner, side),
            awaits_confirmation=matcher.awaits_confirmation,
        )

    def arrival(self, order: Order) -> Arrival | None:
        """Return what a new order meets here now; None if it has to wait for a quote."""
        matcher = self._matcher
        return None if matcher is None else matcher.arrival(order, self._clock.monotonic_ns())

    def reload(self) -> None:
        """Start anew from the database: what the matcher holds is not what could be written."""
        self._has_failed = True
        self.tally.drop()
        self._let_go("failed")
        self._wake.set()

    def end_lingering(self) -> None:
        """End now, if no order rests."""
        self._linger_is_over = True
        self._wake.set()

    def stop(self) -> None:
        """Record the ledger a last time and let go of the feed: the process is about to end."""
        if self._matcher is not None:
            self._record(self._matcher, ())
        self._let_go("stopped")

    async def run(self) -> None:
        """Serve the symbol until it has lingered without orders and its ledger is durable."""
        while True:
            await self._load()
            await self._forget_what_was_read_back()
            while not self._has_failed:
                self._wake.clear()
                if self._linger_is_over and self.is_idle and await self._end():
                    return
                await self._wake.wait()
            await asyncio.sleep(reading.RELOAD_SECONDS)

    async def _load(self) -> None:
        """Read the ledger, rest what waits, and only then subscribe.

        Many orders are rested in pieces; nobody sees the matcher before it has all of them, or a
        quote might fill one that comes after another in priority.
        Orders whose time passed while nobody served them end before the first quote arrives.
        """
        is_anew = self._has_failed
        stored, unfinished = await read_until_answered(
            partial(self._read, with_orders=is_anew),
            trouble="symbol_not_loaded",
            symbol=self.symbol,
        )
        self._has_failed = False
        for snapshot in unfinished:
            order_id = snapshot.order.order_id
            if order_id not in self._waiting:  # else it came meanwhile, and has missed no quote
                self._read_back.add(order_id)
                self._waiting[order_id] = Incoming(snapshot, were_open_before=True)
        matcher = self._incomplete = self._matchers.begin(self.symbol, stored)
        arrivals, self._waiting = list(self._waiting.values()), {}
        steps: list[Step] = []
        is_start = not is_anew and any(one.were_open_before for one in arrivals)
        async for piece in pieces(arrivals, is_start=is_start):
            steps += self._guard(partial(rest_all, matcher, piece, self._clock)) or []
            if self._incomplete is not matcher:
                return  # it failed, or the service stops
        self._incomplete = None
        self._matcher = matcher
        self.tally.follow(matcher)
        self._guard(partial(self._start, matcher, steps))
        self._loaded.set()

    async def _forget_what_was_read_back(self) -> None:
        """Wait for the announcements of what was committed before the database was read.

        Whatever was read back and not announced until then was announced long before.
        """
        if self._read_back:
            with contextlib.suppress(JournalUnavailableError):
                await self._journal.settle()
                self._read_back.clear()

    async def _loaded_matcher(self) -> SymbolMatcher:
        """Wait until the symbol is loaded; from then on until the next await it stays so."""
        while self._matcher is None:
            self._loaded.clear()
            await self._loaded.wait()
        return self._matcher

    async def _read(self, *, with_orders: bool) -> tuple[StoredLedger, list[OrderSnapshot]]:
        await self._journal.settle()
        stored = await self._store.load_ledger(self.symbol)
        return stored, await self._store.load_unfinished(self.symbol) if with_orders else []

    def _start(self, matcher: SymbolMatcher, steps: list[Step]) -> None:
        """Subscribe, once all orders rest, those that came meanwhile included."""
        if not self._may_fill(self.symbol):
            matcher.hold()
        steps += rest_all(matcher, self._waiting.values(), self._clock)
        self._waiting.clear()
        self._conclude(matcher, steps + matcher.expire(self._clock.monotonic_ns()))
        self._note_use(matcher)
        self._feed.subscribe(self.symbol, self)
        _log.info(
            "symbol_started", symbol=self.symbol, resting=matcher.resting_total, gate=matcher.gate
        )

    async def _end(self) -> bool:
        """Record the ledger and wait until it is durable; False if an order came meanwhile."""
        assert self._matcher is not None, "only a symbol that was loaded is idle"
        self._record(self._matcher, ())
        await self._journal.settle()
        if self._has_failed or not self._linger_is_over or not self.is_idle:
            return False
        _log.info(
            "symbol_ended",
            symbol=self.symbol,
            quotes_applied=self._matcher.quotes_applied,
            quotes_refused=self._matcher.quotes_refused,
            levels_dropped=self._matcher.levels_dropped,
            gate_resets=self.tally.gate_resets,
        )
        self._let_go("ended")
        return True

    def _rest_all(self, matcher: SymbolMatcher, arrivals: Sequence[Incoming]) -> None:
        steps = rest_all(matcher, arrivals, self._clock)
        self._note_use(matcher)
        self._conclude(matcher, steps)
        self._confirm(matcher)

    def _apply_seed(self, matcher: SymbolMatcher, seed: Quote) -> bool:
        steps = matcher.expire(seed.received_ns)
        was_live = matcher.is_live
        met = matcher.apply_seed(seed)
        is_needed = not was_live or matcher.awaits_confirmation
        if met is not None:
            self._stale_seeds.clear()
        elif is_needed and self._stale_seeds.shows_a_reset(seed.received_ns, gate=matcher.gate):
            self.tally.gate_resets += 1
            _log.warning("update_ids_reset", symbol=self.symbol, update_id=seed.update_id)
            met = matcher.reset_gate(seed)
        self._conclude(matcher, steps + (met or []))
        # A stale seed is no matter if a frame of this connection came, and need not be confirmed.
        return met is not None or not is_needed

    def _release(self, matcher: SymbolMatcher) -> None:
        # The current quote may have come after an order's time was up.
        steps = matcher.expire(matcher.current.received_ns) if matcher.current else []
        self._conclude(matcher, steps + matcher.release(self._clock.monotonic_ns()))
        self._confirm(matcher)

    def _confirm(self, matcher: SymbolMatcher) -> None:
        """Have the current quote confirmed, if an order waits for that."""
        if matcher.awaits_confirmation:
            self._feed.confirm(self.symbol, self)

    def _expire(self, matcher: SymbolMatcher) -> None:
        self._conclude(matcher, matcher.expire(self._clock.monotonic_ns()))

    def _conclude(self, matcher: SymbolMatcher, steps: Sequence[Step]) -> None:
        """Record what happened, then see to the next deadline and to lingering."""
        if steps:
            self._record(matcher, tuple(step_events(steps, self._clock.now())))
            self._note_use(matcher)
        self._timer.arm(matcher.next_deadline_ns())

    def _record(self, matcher: SymbolMatcher, events: tuple[OrderEvent, ...]) -> None:
        """Hand on what happened, in parts that a transaction has room for."""
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
            self._guard(partial(self._expire, self._matcher))

    def _note_use(self, matcher: SymbolMatcher) -> None:
        """Begin to linger if nothing rests any more, from the last order on; else stop it."""
        self._linger_is_over = False
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not matcher.resting_total:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(LINGER_SECONDS, self.end_lingering)
            self._on_lingering(self)

    def _guard(self, act: Callable[[], _Result]) -> _Result | None:
        """Do ``act``; if it fails, stop the symbol and return None."""
        try:
            return act()
        except Exception:  # noqa: BLE001 - our bug stops this symbol alone, see _fail
            self._fail()
            return None

    def _fail(self) -> None:
        """Stop filling after a mistake of ours; ``run`` then starts anew from the database."""
        _log.exception("symbol_failed", symbol=self.symbol)
        self.reload()

    def _let_go(self, how: str) -> None:
        """Let go of the feed, the timers and the matcher, which ended as ``MatcherSource`` says."""
        self._feed.unsubscribe(self.symbol, self)
        for matcher in (self._matcher, self._incomplete):
            if matcher is not None:
                self._matchers.end(matcher, how)
        self._matcher = self._incomplete = None
        self._stale_seeds.clear()
        self._timer.disarm()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
