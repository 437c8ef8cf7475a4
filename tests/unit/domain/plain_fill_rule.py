"""The fill rule again, directly from its wording: lists, dicts and sorting, no structure.

It is slow and short, and shares no code with the matcher except its input values.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.order import Arrival, Decision, Order, OrderId, Owner, Reason, Side, TimeInForce
from app.domain.quote import Quote
from tests.unit.domain.order_level_book import is_better_touch, rank_of, reaches, touch_of

Taken = dict[tuple[Owner, Side, Decimal], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFill:
    """A fill that the rule gives to an order."""

    order_id: OrderId
    update_id: int
    price: Decimal
    quantity: Decimal
    arrival: Arrival | None
    quotes_seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainEnd:
    """An order that ends without being filled."""

    order_id: OrderId
    reason: Reason
    arrival: Arrival | None
    quotes_seen: int
    decision: Decision | None


PlainStep = PlainFill | PlainEnd


@dataclass(slots=True, kw_only=True)
class PlainOrder:
    """An order with its deadline, its remaining quantity, and the quotes that it met."""

    order: Order
    deadline_ns: int
    remaining: Decimal
    arrival: Arrival | None = None
    quotes_seen: int = 0
    stored_arrival: Arrival | None = None
    stored_quotes_seen: int = 0
    was_open_before: bool = False
    met_in_its_turn: Decision | None = None

    def meet(self, quote: Quote) -> None:
        """Count the quote. The first one is the arrival, if it is known to be the first."""
        self.quotes_seen += 1
        if self.arrival is None and not self.was_open_before:
            price, _displayed = touch_of(quote, self.order.side)
            self.arrival = Arrival(update_id=quote.update_id, price=price)

    def end(self, reason: Reason, decision: Decision | None = None) -> PlainEnd:
        """Return the end of the order."""
        return PlainEnd(
            order_id=self.order.order_id,
            reason=reason,
            arrival=self.arrival,
            quotes_seen=self.quotes_seen,
            decision=decision,
        )


@dataclass(slots=True)
class PlainFillRule:
    """One symbol's orders and quotes, by the wording of the rule."""

    gate: int = 0
    current: Quote | None = None
    is_held: bool = False
    is_doubted: bool = False
    taken: Taken = field(default_factory=dict)
    orders: list[PlainOrder] = field(default_factory=list)
    stored_gate: int = 0
    stored_taken: Taken = field(default_factory=dict)

    def place(
        self, order: Order, *, deadline_ns: int, is_quote_old: bool = False
    ) -> list[PlainStep]:
        """Add an order. It meets the current quote at once, unless the quote needs confirmation."""
        one = PlainOrder(order=order, deadline_ns=deadline_ns, remaining=order.quantity)
        if is_quote_old and self._would_act_on(order):
            self.is_doubted = True
        elif self.current is not None:
            one.meet(self.current)
            one.stored_arrival = one.arrival
        self.orders.append(one)
        return self._fill()

    def expire(self, now_ns: int) -> list[PlainStep]:
        """End the orders whose deadline has passed."""
        gone = [one for one in self.orders if one.deadline_ns < now_ns]
        self.orders = [one for one in self.orders if one not in gone]
        return [one.end(self._reason_to_expire(one)) for one in gone]

    def cancel(self, order_ids: set[OrderId]) -> list[PlainStep]:
        """Cancel the orders that are still open. Their taken quantity stays taken."""
        gone = [one for one in self.orders if one.order.order_id in order_ids]
        self.orders = [one for one in self.orders if one not in gone]
        return [one.end(Reason.CANCELED_BY_CLIENT) for one in gone]

    def quote(self, quote: Quote) -> list[PlainStep]:
        """Apply a quote above the gate."""
        return self._apply(quote) if quote.update_id > self.gate else []

    def seed(self, quote: Quote) -> list[PlainStep] | None:
        """Apply a seed at or above the gate."""
        return self._apply(quote) if quote.update_id >= self.gate else None

    def release(self) -> list[PlainStep]:
        """Fill again."""
        self.is_held = False
        return self._fill()

    def store(self) -> None:
        """Remember the state that a restart would read."""
        self.stored_gate = self.gate
        self.stored_taken = dict(self.taken)

    def restart(self) -> None:
        """Return to the stored state, with no current quote and only orders that rest."""
        self.orders = [one for one in self.orders if one.order.time_in_force is TimeInForce.GTD]
        for one in self.orders:
            one.arrival, one.quotes_seen = one.stored_arrival, one.stored_quotes_seen
            one.was_open_before = True
        met_before = [one.arrival.update_id for one in self.orders if one.arrival is not None]
        self.gate = self.stored_gate or max(met_before, default=0)
        self.taken = dict(self.stored_taken)
        self.interrupt()
        self.is_held = False

    def interrupt(self) -> None:
        """Forget the current quote."""
        self.current = None
        self.is_doubted = False

    def _would_act_on(self, order: Order) -> bool:
        """Whether the current quote fills or decides the order."""
        if self.current is None:
            return False
        price, displayed = touch_of(self.current, order.side)
        is_decided = order.time_in_force is not TimeInForce.GTD
        return is_decided or (displayed > 0 and reaches(order.side, order.limit_price, price))

    def _apply(self, quote: Quote) -> list[PlainStep]:
        self.gate = quote.update_id
        self.current = quote
        self.is_doubted = False
        for one in self.orders:
            one.meet(quote)
        after: Taken = {}
        for (owner, side, level), quantity in self.taken.items():
            price, displayed = touch_of(quote, side)
            if displayed == 0 or is_better_touch(side, level, price):
                continue
            after[owner, side, level] = min(quantity, displayed) if level == price else quantity
        self.taken = after
        return self._fill()

    def _fill(self) -> list[PlainStep]:
        if self.current is None or self.is_held or self.is_doubted:
            return []
        steps: list[PlainStep] = []
        spent: dict[tuple[Owner, Side, Decimal], Decimal] = defaultdict(Decimal, self.taken)
        for one in sorted(self.orders, key=lambda one: rank_of(one.order)):
            order = one.order
            price, displayed = touch_of(self.current, order.side)
            level = (order.owner, order.side, price)
            quantity = min(one.remaining, displayed - spent[level])
            one.met_in_its_turn = Decision(
                price=price, displayed_quantity=displayed, taken_quantity=spent[level]
            )
            if displayed == 0 or not reaches(order.side, order.limit_price, price) or not quantity:
                continue
            if order.time_in_force is TimeInForce.FOK and quantity < order.quantity:
                continue
            spent[level] += quantity
            self.taken[level] = spent[level]
            one.remaining -= quantity
            one.stored_arrival, one.stored_quotes_seen = one.arrival, one.quotes_seen
            steps.append(
                PlainFill(
                    order_id=order.order_id,
                    update_id=self.current.update_id,
                    price=price,
                    quantity=quantity,
                    arrival=one.arrival,
                    quotes_seen=one.quotes_seen,
                )
            )
        self.orders = [one for one in self.orders if one.remaining]
        return steps + self._decide()

    def _decide(self) -> list[PlainStep]:
        """End the orders that may not wait for another quote."""
        reasons = {TimeInForce.IOC: Reason.IOC_REMAINDER, TimeInForce.FOK: Reason.FOK_UNFILLABLE}
        decided = [one for one in self.orders if one.order.time_in_force in reasons]
        self.orders = [one for one in self.orders if one not in decided]
        return [one.end(reasons[one.order.time_in_force], one.met_in_its_turn) for one in decided]

    def _reason_to_expire(self, one: PlainOrder) -> Reason:
        if not one.quotes_seen and not one.was_open_before:
            return Reason.NO_MARKET_DATA
        return Reason.TIMEOUT if self.current is not None else Reason.TIMEOUT_DURING_OUTAGE
