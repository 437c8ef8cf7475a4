"""The fill rule: one symbol's resting orders against its quotes, in price-time priority.

Each quote runs these steps per side and per owner. They are written for asks; bids are mirrored.

1. Forget the taken quantity at prices better than the best ask: those levels were emptied.
2. Reduce the taken quantity at the best ask to the quantity displayed there.
3. Give the rest of the displayed quantity to the resting orders whose limit reaches the best ask.
   The better limit comes first, then the earlier acceptance. Each order fills at the ask price.

The first quote that an IOC or FOK order meets decides it. An IOC order keeps the quantity that it
got. A FOK order gets its whole quantity from the quantity available in its turn, or nothing.

A quote may be old because nothing happened, or because its stream stalled. A new order is neither
filled nor decided on an old quote before the venue has confirmed it. Until then nothing is matched,
and the order has not met that quote.

The matcher never resets the taken quantity when the displayed quantity changes, and never gives it
back when an order expires. Missed quotes only make the rule stricter. Quotes out of order would
break it, so the gate refuses them: it is the largest update id applied.
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
from app.domain.quote import Quote, is_marketable
from app.domain.resting import Closing, RestingHeap, RestingOrder, Step, deadline_key_of, rank_of
from app.domain.side_book import SideBook

QUOTE_AGE_NS_MAX: Final = 5_000_000_000
"""A quote that was received or confirmed longer ago than this is old."""

NEVER_NS: Final = 2**63
"""An instant later than every deadline."""

NO_GATE: Final = 0
"""The gate before the first quote: it is below every update id."""


class SymbolMatcher:
    """One symbol's resting orders against its quotes. No I/O and no clock.

    All instants, including ``received_ns`` of the quotes, are nanoseconds of one monotonic clock.

    Attributes:
        gate: the largest update id applied; the constructor takes the stored gate and levels.
        current: the quote that orders meet now. None until the first quote above the gate.
        awaits_confirmation: the current quote is too old for an order that came. Nothing is matched
            until the next quote or seed is applied; the caller must request one.
        first_deadline_ns: the earliest deadline of a resting order; call ``expire`` after it.
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
        self._resting_by_id: dict[OrderId, RestingOrder] = {}
        self._deadlines = RestingHeap()
        # IOC and FOK orders that wait for the quote that decides them.
        self._undecided: dict[OrderId, RestingOrder] = {}
        self._first_quotes = FirstQuotes()
        # A book without orders and levels is removed, so that quotes cost nothing for its owner.
        self._books: dict[tuple[Owner, Side], SideBook] = {}
        by_book: dict[tuple[Owner, Side], list[TakenLevel]] = {}
        for level in levels:
            by_book.setdefault((level.owner, level.side), []).append(level)
        for (owner, side), own in by_book.items():
            self._books[owner, side] = SideBook(owner, side, own)

    @property
    def is_live(self) -> bool:
        """Whether the present connection has sent a quote to fill against."""
        return self.current is not None

    @property
    def resting_total(self) -> int:
        """How many orders rest."""
        return len(self._resting_by_id)

    @property
    def levels_dropped(self) -> int:
        """How many remembered levels were dropped because a ledger was full."""
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
        """Add an accepted order. It meets the current quote at once, if there is one.

        Args:
            order: the order.
            deadline_ns: the last instant at which a received quote may fill the order.
            now_ns: the current instant, to detect an old quote; None means that none is too old.
            filled_quantity: the quantity filled before this matcher existed.
            quote_quantity: the sum of price times quantity of those fills.
            splits_total: how many fills those were.
            arrival: the first quote that the order met before, None without one.
            quotes_seen: how many quotes the order is known to have met before.
            may_have_met_quotes: whether ``quotes_seen`` may be too small.
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
        resting = RestingOrder(
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
            # The current quote came after the deadline, so it must not fill the order. In the book
            # the next order would make it match.
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
                self._first_quotes.upcoming(order.side)
                if met is None
                else self._first_quotes.at(met, order.side)
            )
        if met is None:
            # The next quote or seed matches all orders of the book in priority order.
            self.awaits_confirmation = must_wait
            return []
        if self._is_held or self.awaits_confirmation:
            return []
        return self._close_orders(side_book.match(met.update_id, self.quotes_applied))

    def arrival(self, order: Order, now_ns: int) -> Arrival | None:
        """Return the quote that a new order meets now, None if it has to wait for one."""
        if self.current is None or self.must_confirm(order, now_ns):
            return None
        return self._first_quotes.at(self.current, order.side)

    def must_confirm(self, order: Order, now_ns: int) -> bool:
        """Whether the current quote is too old to fill the order, or to decide it."""
        quote = self.current
        if quote is None or not self._is_too_old(quote, now_ns):
            return False
        # A resting order that the quote does not reach is neither filled nor decided by it.
        return not order.rests or is_marketable(order, quote)

    def end_unmet(self, snapshot: OrderSnapshot) -> Closing:
        """Expire an order that never rests here: its time passed before it could meet a quote."""
        assert snapshot.order.symbol == self.symbol, "a matcher serves one symbol"
        self._learn_gate(snapshot.arrival)
        return Closing.of_unmet(snapshot, self.gate)

    def holds(self, order_id: OrderId) -> bool:
        """Whether the order rests."""
        return order_id in self._resting_by_id

    def cancel(self, order_id: OrderId) -> Closing | None:
        """Cancel a resting order. Return None if the order does not rest here."""
        resting = self._resting_by_id.get(order_id)
        return None if resting is None else self._cancel(resting)

    def cancel_all(self, owner: Owner) -> list[Closing]:
        """Cancel all resting orders of an owner, in the order of their acceptance."""
        return [self._cancel(resting) for resting in self._resting_of(owner)]

    def resting_of(self, owner: Owner) -> list[OrderId]:
        """Return the ids of an owner's resting orders, in the order of their acceptance."""
        return [resting.order.order_id for resting in self._resting_of(owner)]

    def taken(self, owner: Owner, side: Side) -> Decimal:
        """Return how much of the displayed touch the owner's orders took; zero without a quote."""
        side_book = self._books.get((owner, side))
        return ZERO if self.current is None or side_book is None else side_book.taken()

    def apply_quote(self, quote: Quote) -> list[Step]:
        """Apply a quote of the stream. A quote at or below the gate changes nothing."""
        assert quote.symbol == self.symbol, "a matcher serves one symbol"
        if quote.update_id <= self.gate:
            self.quotes_refused += 1
            return []
        return self._apply(quote)

    def apply_seed(self, seed: Quote) -> list[Step] | None:
        """Apply a depth snapshot. None if it is stale, so that the caller requests another."""
        assert seed.symbol == self.symbol, "a matcher serves one symbol"
        # A seed at the gate confirms the last quote. A seed below it is older than that quote.
        if seed.update_id < self.gate:
            self.quotes_refused += 1
            return None
        return self._apply(seed)

    def reset_gate(self, seed: Quote) -> list[Step]:
        """Accept that the venue restarted its update ids: the seed's id becomes the gate."""
        assert seed.symbol == self.symbol, "a matcher serves one symbol"
        # The ledger stays, because the venue may still display the taken quantity.
        return self._apply(seed)

    def interrupt(self) -> None:
        """Forget the current quote, because its connection was lost."""
        self.current = None
        self.awaits_confirmation = False
        for side_book in self._books.values():
            side_book.forget_touch()

    @property
    def is_held(self) -> bool:
        """Whether the matcher fills nothing until ``release``."""
        return self._is_held

    def hold(self) -> None:
        """Fill nothing until ``release``. Quotes still update the ledger, so it stays correct."""
        self._is_held = True

    def release(self, now_ns: int | None = None) -> list[Step]:
        """Fill again. The resting orders meet the current quote in priority order.

        If the quote is too old at ``now_ns``, the orders wait for its confirmation.
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
        return self._close_orders(steps)

    def expire(self, now_ns: int) -> list[Step]:
        """Expire the orders whose deadline is before ``now_ns``; at its deadline one may fill."""
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
        """Return the levels changed since the last call, forgotten levels with quantity zero.

        Also remove the books that have no resting order and no level any more.
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
        """Raise the gate to the first quote that an order met before, if no gate was stored."""
        # A stored gate stays even below that quote: the venue may have restarted its update ids.
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
            self._first_quotes.resolve(quote)
        steps: list[Step] = []
        for side_book in self._books.values():
            # An unchanged touch fills nothing new, unless orders waited for its confirmation.
            is_news = side_book.observe(quote) or is_confirmation
            if is_news and not self._is_held and side_book.is_reached():
                steps += side_book.match(quote.update_id, self.quotes_applied)
        return self._close_orders(steps) if steps or self._undecided else steps

    def _close_orders(self, steps: list[Step]) -> list[Step]:
        """Remove the orders that these steps closed, then decide the IOC and FOK orders."""
        for step in steps:
            if step.closes:
                self._forget(self._resting_by_id[step.order.order_id])
        if self._undecided and not self._is_held:
            steps.extend(self._decide())
        return steps

    def _forget(self, resting: RestingOrder) -> None:
        """Forget an order that left its book."""
        order_id = resting.order.order_id
        del self._resting_by_id[order_id]
        self._deadlines.remove(resting.deadline_key)
        first = self._deadlines.first
        self.first_deadline_ns = NEVER_NS if first is None else first.deadline_ns
        if not resting.order.rests:
            self._undecided.pop(order_id, None)

    def _decide(self) -> list[Closing]:
        """End the IOC and FOK orders that met a quote and are not filled."""
        closings: list[Closing] = []
        for resting in list(self._undecided.values()):
            self._forget(resting)
            side_book = self._books[resting.order.owner, resting.order.side]
            closings.append(side_book.decide(resting, self.gate, self.quotes_applied))
        return closings

    def _cancel(self, resting: RestingOrder) -> Closing:
        return self._close(resting, OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT)

    def _close(self, resting: RestingOrder, status: OrderStatus, reason: Reason) -> Closing:
        """End a resting order."""
        order = resting.order
        self._books[order.owner, order.side].remove(resting)
        self._forget(resting)
        return self._end(resting, status, reason)

    def _end(self, resting: RestingOrder, status: OrderStatus, reason: Reason) -> Closing:
        return resting.close(status, reason, quotes_applied=self.quotes_applied, gate=self.gate)

    def _resting_of(self, owner: Owner) -> list[RestingOrder]:
        resting: list[RestingOrder] = []
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

    def _reason_to_expire(self, resting: RestingOrder) -> Reason:
        has_met_quotes = resting.quotes_base != self.quotes_applied or resting.may_have_met_quotes
        if not has_met_quotes:
            return Reason.NO_MARKET_DATA
        return Reason.TIMEOUT if self.is_live else Reason.TIMEOUT_DURING_OUTAGE
