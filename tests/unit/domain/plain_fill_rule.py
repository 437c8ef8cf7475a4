"""The fill rule once more, straight from its wording: lists, dicts and sorting, no structure.

It is slow and short, and shares nothing with the matcher but the values that go in.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.order import Order, OrderId, Owner, Side
from app.domain.quote import Quote
from tests.unit.domain.order_level_book import is_better_touch, reaches, touch_of

Taken = dict[tuple[Owner, Side, Decimal], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFill:
    """What the rule gives to an order."""

    order_id: OrderId
    update_id: int
    price: Decimal
    quantity: Decimal


@dataclass(slots=True, kw_only=True)
class PlainOrder:
    """An order, until when it may fill, and what is left of it."""

    order: Order
    deadline_ns: int
    remaining: Decimal

    @property
    def rank(self) -> tuple[Decimal, int]:
        """Sort by this: better limit first, then earlier acceptance."""
        limit_price = self.order.limit_price
        is_buy = self.order.side is Side.BUY
        return (-limit_price if is_buy else limit_price, self.order.acceptance_number)


@dataclass(slots=True)
class PlainFillRule:
    """One symbol's orders and quotes, by the wording of the rule."""

    gate: int = 0
    current: Quote | None = None
    is_held: bool = False
    taken: Taken = field(default_factory=dict)
    orders: list[PlainOrder] = field(default_factory=list)
    stored_gate: int = 0
    stored_taken: Taken = field(default_factory=dict)

    def place(self, order: Order, *, deadline_ns: int) -> list[PlainFill]:
        """Take an order; it meets the current quote at once."""
        self.orders.append(
            PlainOrder(order=order, deadline_ns=deadline_ns, remaining=order.quantity)
        )
        return self._fill()

    def expire(self, now_ns: int) -> set[OrderId]:
        """Let the orders go whose deadline has passed."""
        gone = {one.order.order_id for one in self.orders if one.deadline_ns < now_ns}
        self.orders = [one for one in self.orders if one.order.order_id not in gone]
        return gone

    def quote(self, quote: Quote) -> list[PlainFill]:
        """Apply a quote above the gate."""
        return self._apply(quote) if quote.update_id > self.gate else []

    def seed(self, quote: Quote) -> list[PlainFill] | None:
        """Apply a seed at or above the gate."""
        return self._apply(quote) if quote.update_id >= self.gate else None

    def release(self) -> list[PlainFill]:
        """Fill again."""
        self.is_held = False
        return self._fill()

    def store(self) -> None:
        """Remember what would be read back after a restart."""
        self.stored_gate = self.gate
        self.stored_taken = dict(self.taken)

    def restart(self) -> None:
        """Go back to what was stored, with no current quote."""
        self.gate = self.stored_gate
        self.taken = dict(self.stored_taken)
        self.current = None
        self.is_held = False

    def _apply(self, quote: Quote) -> list[PlainFill]:
        self.gate = quote.update_id
        self.current = quote
        after: Taken = {}
        for (owner, side, level), quantity in self.taken.items():
            price, displayed = touch_of(quote, side)
            if displayed == 0 or is_better_touch(side, level, price):
                continue
            after[owner, side, level] = min(quantity, displayed) if level == price else quantity
        self.taken = after
        return self._fill()

    def _fill(self) -> list[PlainFill]:
        if self.current is None or self.is_held:
            return []
        fills = []
        spent: dict[tuple[Owner, Side, Decimal], Decimal] = defaultdict(Decimal, self.taken)
        for one in sorted(self.orders, key=lambda one: one.rank):
            order = one.order
            price, displayed = touch_of(self.current, order.side)
            level = (order.owner, order.side, price)
            quantity = min(one.remaining, displayed - spent[level])
            if displayed == 0 or not reaches(order.side, order.limit_price, price) or not quantity:
                continue
            spent[level] += quantity
            self.taken[level] = spent[level]
            one.remaining -= quantity
            fills.append(
                PlainFill(
                    order_id=order.order_id,
                    update_id=self.current.update_id,
                    price=price,
                    quantity=quantity,
                )
            )
        self.orders = [one for one in self.orders if one.remaining]
        return fills
