"""The fill rule: one symbol's resting orders against its quotes, in price-time priority.

Per quote and side, for the asks (bids mirrored), and for each owner apart:

1. forget what was taken at prices better than the best ask: those levels have been emptied;
2. what was taken at the best ask can be at most what is displayed there;
3. the rest of what is displayed goes to the resting orders whose limit reaches it, better limit
   first, then earlier acceptance, each at the ask price.

IOC and FOK orders are decided by the first quote they meet: an IOC order keeps what it got there,
a FOK order gets its whole quantity from what is available in its turn, or nothing.

A quote that is old may be so because nothing happened, or because its stream has stalled: a new
order is not filled or decided on it before it was confirmed. Until then nothing is matched, and the
order has not met that quote.

Nothing is given back when an order expires, and a change of size is no reset. Missed quotes only
make the rule stricter; quotes out of order would break it, hence the gate: the largest update id
applied, at or below which no quote counts.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from app.domain.amounts import ZERO
from app.domain.first_quotes import FirstQuotes
from app.domain.liquidity import TakenLevel
from app.domain.order import (
    Arrival,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Symbol,
)
from app.domain.quote import Quote
from app.domain.resting import (
    Closing,
    Resting,
    RestingHeap,
    Step,
    deadline_key_of,
    rank_of,
    unmet_end,
)
from app.domain.side_book import SideBook

QUOTE_AGE_NS_MAX: Final = 5_000_000_000
"""A quote that came or was confirmed longer ago is old."""

NEVER_NS: Final = 2**63
"""After every deadline."""

NO_GATE: Final = 0
"""Below every update id: no quote was applied yet."""


def _is_marketable(order: Order, quote: Quote) -> bool:
    """Whether the quote reaches the order's limit price; an empty side reaches none."""
    if order.side is Side.BUY:
        return bool(quote.ask_quantity) and order.limit_price >= quote.ask_price
    return bool(quote.bid_quantity) and order.limit_price <= quote.bid_price


class SymbolMatcher:
    """One symbol's resting orders against its quotes. No I/O and no clock.

    ``gate`` and ``levels`` are what was stored when the symbol was last fulfilled. The matcher has
    no current quote until the first one above the gate; while it has one, the symbol is live. While
    ``awaits_confirmation``, that quote is too old for an order that came: nothing is matched until
    the next quote or seed is applied, which the caller is to ask for.
    Instants are nanoseconds of one monotonic clock, the quotes' ``received_ns`` included;
    ``first_deadline_ns`` is the earliest deadline of a resting order: call ``expire`` after it.
    """

    def __init__(
        self, symbol: Symbol, *, gate: int = NO_GATE, levels: Iterable[TakenLevel] = ()
    ) -> None:
        self.symbol = symbol
        self.gate = gate
        self.current: Quote | None = None
        self.quotes_applied = 0
        self.quotes_refused = 0
        self.awaits_confirmation = False
        self.first_deadline_ns = NEVER_NS
        self._had_gate = gate != NO_GATE
        self._levels_dropped = 0
        self._is_held = False
        self._resting_by_id: dict[OrderId, Resting] = {}
        self._deadlines = RestingHeap()
        # IOC and FOK orders, which the first quote that they meet decides.
        self._undecided: dict[OrderId, Resting] = {}
        self._first_quotes = FirstQuotes()
        # Only those in which something rests or is remembered: a quote costs nothing for others.
        self._books: dict[tuple[Owner, Side], SideBook] = {}
        by_book: dict[tuple[Owner, Side], list[TakenLevel]] = {}
        for level in levels:
            by_book.setdefault((level.owner, level.side), []).append(level)
        for (owner, side), own in by_book.items():
            self._books[owner, side] = SideBook(owner, side, own)

    @property
    def is_live(self) -> bool:
        """Whether there is a quote of the present connection to fill against."""
        return self.current is not None

    @property
    def resting_total(self) -> int:
        """How many orders rest."""
        return len(self._resting_by_id)

    @property
    def levels_dropped(self) -> int:
        """How many remembered levels were dropped because there were too many."""
        return self._levels_dropped + sum(
            side_book.ledger.levels_dropped for side_book in self._books.values()
        )

    def rest(
        self,
        order: Order,
        *,
        deadline_ns: int,
        now_ns: int | None = None,
        filled_quantity: Decimal = ZERO,
        quote_quantity: Decimal = ZERO,
        splits_total: int = 0,
        arrival: Arrival | None = None,
        quotes_seen: int = 0,
        may_have_met_quotes: bool = False,
    ) -> list[Step]:
        """Take an accepted order; it meets the current quote at once, if there is one.

        One whose time was up when that quote was received does not: it ends here. One that must not
        be filled on so old a quote at ``now_ns`` waits for the next; without an instant, no quote
        is too old.

        The last six arguments carry what an order had when the process before this one ended;
        ``may_have_met_quotes`` says that there was one, so that its count may be short.
        """
        assert order.symbol == self.symbol, "a matcher serves one symbol"
        assert order.order_id not in self._resting_by_id, "an order rests once"
        assert filled_quantity < order.quantity, "a filled order does not rest"
        current = self.current
        is_late = current is not None and deadline_ns < current.received_ns
        must_wait = now_ns is not None and self.must_confirm(order, now_ns)
        met = None if is_late or must_wait else current
        self._learn_gate(arrival)
        has_no_arrival = arrival is None and not may_have_met_quotes
        resting = Resting(
            order=order,
            rank=rank_of(order),
            deadline_key=deadline_key_of(order, deadline_ns),
            filled_quantity=filled_quantity,
            quote_quantity=quote_quantity,
            splits_total=splits_total,
            quotes_base=self.quotes_applied - quotes_seen - (met is not None),
            first_quote=arrival,
            may_have_met_quotes=may_have_met_quotes,
        )
        if is_late:
            # It must not stand in the book: the next order to come would have it matched.
            return [self._end(resting, OrderStatus.EXPIRED, self._reason_to_expire(resting))]
        side_book = self._book_of(order.owner, order.side)
        self._resting_by_id[order.order_id] = resting
        self._deadlines.add(resting.deadline_key, resting)
        self.first_deadline_ns = min(self.first_deadline_ns, deadline_ns)
        side_book.rest(resting)
        if not order.rests:
            self._undecided[order.order_id] = resting
        if has_no_arrival:
            resting.first_quote = (
                self._first_quotes.next(order.side)
                if met is None
                else self._first_quotes.of(met, order.side)
            )
        if met is None:
            self.awaits_confirmation = must_wait
            return []
        if self._is_held or self.awaits_confirmation:
            return []
        return self._settle(side_book.match(met.update_id, self.quotes_applied))

    def arrival(self, order: Order, now_ns: int) -> Arrival | None:
        """Return what a new order meets now; None if it has to wait for a quote."""
        if self.current is None or self.must_confirm(order, now_ns):
            return None
        return self._first_quotes.of(self.current, order.side)

    def must_confirm(self, order: Order, now_ns: int) -> bool:
        """Whether the current quote is too old to fill the order, or to decide it.

        One that may rest and that the quote does not reach is neither filled nor decided.
        """
        quote = self.current
        if quote is None or not self._is_too_old(quote, now_ns):
            return False
        return not order.rests or _is_marketable(order, quote)

    def end_unmet(self, snapshot: OrderSnapshot) -> Closing:
        """End an order that never rests here: its time was over before it could meet a quote."""
        assert snapshot.order.symbol == self.symbol, "a matcher serves one symbol"
        self._learn_gate(snapshot.arrival)
        return unmet_end(snapshot, self.gate)

    def holds(self, order_id: OrderId) -> bool:
        """Whether the order rests."""
        return order_id in self._resting_by_id

    def cancel(self, order_id: OrderId) -> Closing | None:
        """End a resting order for its client; None if no such order rests here any more."""
        resting = self._resting_by_id.get(order_id)
        return None if resting is None else self._cancel(resting)

    def cancel_all(self, owner: Owner) -> list[Closing]:
        """End all resting orders of an owner, in the order of their acceptance."""
        return [self._cancel(resting) for resting in self._resting_of(owner)]

    def resting_of(self, owner: Owner) -> list[OrderId]:
        """Return which orders of an owner rest, in the order of their acceptance."""
        return [resting.order.order_id for resting in self._resting_of(owner)]

    def taken(self, owner: Owner, side: Side) -> Decimal:
        """Return how much of what the touch displays the owner's orders of ``side`` took before.

        Zero while there is no current quote.
        """
        side_book = self._books.get((owner, side))
        return ZERO if self.current is None or side_book is None else side_book.taken()

    def apply_quote(self, quote: Quote) -> list[Step]:
        """Apply a quote of the stream; one at or below the gate changes nothing."""
        assert quote.symbol == self.symbol, "a matcher serves one symbol"
        if quote.update_id <= self.gate:
            self.quotes_refused += 1
            return []
        return self._apply(quote)

    def apply_seed(self, seed: Quote) -> list[Step] | None:
        """Apply a depth snapshot; None if it is stale and must be asked for again.

        A seed at the gate confirms the last quote, one below it is older than what we know.
        """
        assert seed.symbol == self.symbol, "a matcher serves one symbol"
        if seed.update_id < self.gate:
            self.quotes_refused += 1
            return None
        return self._apply(seed)

    def reset_gate(self, seed: Quote) -> list[Step]:
        """Accept that the venue counts anew: the seed's id becomes the gate, the ledger stays."""
        assert seed.symbol == self.symbol, "a matcher serves one symbol"
        return self._apply(seed)

    def interrupt(self) -> None:
        """Forget the current quote: the connection that brought it is gone."""
        self.current = None
        self.awaits_confirmation = False
        for side_book in self._books.values():
            side_book.forget_touch()

    @property
    def is_held(self) -> bool:
        """Whether nothing is filled until ``release``."""
        return self._is_held

    def hold(self) -> None:
        """Fill nothing until ``release``; quotes are still observed, so the ledger stays sound."""
        self._is_held = True

    def release(self, now_ns: int | None = None) -> list[Step]:
        """Fill again; the resting orders meet the current quote in priority order.

        If that is too old by ``now_ns``, they wait for its confirmation.
        """
        self._is_held = False
        if self.current is None or self.awaits_confirmation:
            return []
        if now_ns is not None and self._resting_by_id and self._is_too_old(self.current, now_ns):
            self.awaits_confirmation = True
            return []
        steps: list[Step] = []
        for side_book in self._books.values():
            steps.extend(side_book.match(self.current.update_id, self.quotes_applied))
        return self._settle(steps)

    def expire(self, now_ns: int) -> list[Step]:
        """End the orders whose deadline is before ``now_ns``; at it they may still fill."""
        closings: list[Step] = []
        while self.first_deadline_ns < now_ns:
            first = self._deadlines.first
            assert first is not None, "an order has the first deadline"
            closings.append(self._close(first, OrderStatus.EXPIRED, self._reason_to_expire(first)))
        return closings

    def next_deadline_ns(self) -> int | None:
        """Return the earliest deadline, None if no order rests."""
        return None if self.first_deadline_ns == NEVER_NS else self.first_deadline_ns

    def ledger_levels(self) -> list[TakenLevel]:
        """Return every remembered level of every owner."""
        return [level for side_book in self._books.values() for level in side_book.ledger.levels()]

    def drain_ledger_changes(self) -> list[TakenLevel]:
        """Return the levels changed since the last call, a forgotten one with quantity zero.

        A book in which nothing rests and nothing is remembered any more is forgotten with it.
        """
        changes: list[TakenLevel] = []
        idle: list[tuple[Owner, Side]] = []
        for key, side_book in self._books.items():
            changes += side_book.ledger.drain_changes()
            if side_book.is_idle:
                idle.append(key)
        for key in idle:
            self._levels_dropped += self._books.pop(key).ledger.levels_dropped
        return changes

    def _learn_gate(self, arrival: Arrival | None) -> None:
        """Take what an order met before for the gate, if none was stored.

        One that was stands, even below it: the venue may have begun to count anew.
        """
        if arrival is not None and not self._had_gate and not self.quotes_applied:
            self.gate = max(self.gate, arrival.update_id)

    def _is_too_old(self, quote: Quote, now_ns: int) -> bool:
        return now_ns - quote.received_ns > QUOTE_AGE_NS_MAX

    def _apply(self, quote: Quote) -> list[Step]:
        self.gate = quote.update_id
        self.current = quote
        self.quotes_applied += 1
        is_confirmation = self.awaits_confirmation
        self.awaits_confirmation = False
        if self._first_quotes.awaited:
            self._first_quotes.come(quote)
        steps: list[Step] = []
        for side_book in self._books.values():
            is_news = side_book.observe(quote) or is_confirmation
            if is_news and not self._is_held and side_book.is_reached():
                steps += side_book.match(quote.update_id, self.quotes_applied)
        return self._settle(steps) if steps or self._undecided else steps

    def _settle(self, steps: list[Step]) -> list[Step]:
        """Let go of the orders that these steps closed, and of those that the quote decided."""
        for step in steps:
            if step.closes:
                self._let_go(self._resting_by_id[step.order.order_id])
        if self._undecided and not self._is_held:
            steps.extend(self._decide())
        return steps

    def _let_go(self, resting: Resting) -> None:
        """Forget an order that left its book."""
        order_id = resting.order.order_id
        del self._resting_by_id[order_id]
        self._deadlines.remove(resting.deadline_key)
        first = self._deadlines.first
        self.first_deadline_ns = NEVER_NS if first is None else first.deadline_ns
        if not resting.order.rests:
            self._undecided.pop(order_id, None)

    def _decide(self) -> list[Closing]:
        """End the IOC and FOK orders that met a quote and still have something to fill."""
        closings: list[Closing] = []
        for resting in list(self._undecided.values()):
            self._let_go(resting)
            side_book = self._books[resting.order.owner, resting.order.side]
            closings.append(side_book.decide(resting, self.gate, self.quotes_applied))
        return closings

    def _cancel(self, resting: Resting) -> Closing:
        return self._close(resting, OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT)

    def _close(self, resting: Resting, status: OrderStatus, reason: Reason) -> Closing:
        """End an order that still rests."""
        order = resting.order
        self._books[order.owner, order.side].remove(resting)
        self._let_go(resting)
        return self._end(resting, status, reason)

    def _end(self, resting: Resting, status: OrderStatus, reason: Reason) -> Closing:
        return resting.close(status, reason, quotes_applied=self.quotes_applied, gate=self.gate)

    def _resting_of(self, owner: Owner) -> list[Resting]:
        resting: list[Resting] = []
        for side in Side:
            side_book = self._books.get((owner, side))
            if side_book is not None:
                resting += side_book.resting.all_open()
        resting.sort(key=lambda one: one.order.acceptance_number)
        return resting

    def _book_of(self, owner: Owner, side: Side) -> SideBook:
        side_book = self._books.get((owner, side))
        if side_book is None:
            side_book = self._books[owner, side] = SideBook(owner, side)
            if self.current is not None:
                side_book.observe(self.current)
        return side_book

    def _reason_to_expire(self, resting: Resting) -> Reason:
        has_met_quotes = resting.quotes_base != self.quotes_applied or resting.may_have_met_quotes
        if not has_met_quotes:
            return Reason.NO_MARKET_DATA
        return Reason.TIMEOUT if self.is_live else Reason.TIMEOUT_DURING_OUTAGE
