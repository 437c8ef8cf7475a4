"""A model of orders by the plain fill rule, without tasks, tables and event loop."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.order import (
    NewOrder,
    Order,
    OrderId,
    OrderStatus,
    Owner,
    Reason,
    Side,
    TimeInForce,
)
from app.domain.quote import Quote
from tests.support.builders import order_from
from tests.unit.domain.plain_fill_rule import PlainFill, PlainFillRule, PlainStep

NS_PER_SECOND: Final = 1_000_000_000
LINGER_NS: Final = 60 * NS_PER_SECOND
OLD_QUOTE_NS: Final = 5 * NS_PER_SECOND
"""A new order waits for the confirmation of an older quote."""


@dataclass(slots=True)
class ModelOrder:
    """An order and its outcome; an event is the status and the quantity filled so far."""

    order: Order
    sent: NewOrder
    status: OrderStatus = OrderStatus.NEW
    reason: Reason | None = None
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    splits: list[tuple[int, Decimal, Decimal]] = field(default_factory=list)
    events: list[tuple[OrderStatus, Decimal]] = field(
        default_factory=lambda: [(OrderStatus.NEW, Decimal(0))]
    )

    @property
    def is_open(self) -> bool:
        """Whether the order may still be filled."""
        return self.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}

    def take(self, step: PlainStep) -> None:
        """Apply a fill or the end."""
        assert self.is_open, "a closed order does not change"
        if isinstance(step, PlainFill):
            self.filled += step.quantity
            self.cost += step.quantity * step.price
            self.splits.append((step.update_id, step.price, step.quantity))
            is_full = self.filled == self.order.quantity
            self.status = OrderStatus.FILLED if is_full else OrderStatus.PARTIALLY_FILLED
        else:
            is_canceled = step.reason is Reason.CANCELED_BY_CLIENT
            self.status = OrderStatus.CANCELED if is_canceled else OrderStatus.EXPIRED
            self.reason = step.reason
        self.events.append((self.status, self.filled))


@dataclass(slots=True)
class OrderModel:
    """The orders of one symbol; ``now`` and ``now_ns`` are the same instant on two clocks."""

    now: datetime
    now_ns: int
    rule: PlainFillRule = field(default_factory=PlainFillRule)
    orders: dict[OrderId, ModelOrder] = field(default_factory=dict)
    keys: dict[tuple[Owner, str], OrderId] = field(default_factory=dict)
    is_following: bool = False
    used_ns: int = 0

    @property
    def open_orders(self) -> list[ModelOrder]:
        """The open orders."""
        return [one for one in self.orders.values() if one.is_open]

    def order_with_key(self, new_order: NewOrder) -> OrderId | None:
        """Return the earlier order with the key of this one."""
        key = new_order.client_order_id
        return None if key is None else self.keys.get((new_order.owner, key))

    def place(self, order_id: OrderId, new_order: NewOrder) -> None:
        """Accept an order."""
        seconds = int(new_order.timeout_seconds)
        number = len(self.orders) + 1
        order = order_from(new_order, order_id=order_id, number=number, accepted_at=self.now)
        self.orders[order_id] = ModelOrder(order, new_order)
        if new_order.client_order_id is not None:
            self.keys[new_order.owner, new_order.client_order_id] = order_id
        self.is_following, self.used_ns = True, self.now_ns
        deadline_ns = self.now_ns + seconds * NS_PER_SECOND
        current = self.rule.current
        is_old = current is not None and self.now_ns - current.received_ns > OLD_QUOTE_NS
        self._take(self.rule.place(order, deadline_ns=deadline_ns, is_quote_old=is_old))

    def quote(self, quote: Quote) -> None:
        """Apply a quote, if the symbol is subscribed."""
        if self.is_following:
            self._take(self.rule.quote(quote))

    def seed(self, quote: Quote) -> None:
        """Apply a depth snapshot, if the symbol is subscribed."""
        if self.is_following:
            self._take(self.rule.seed(quote) or [])

    def interrupt(self) -> None:
        """Lose the connection."""
        self.rule.interrupt()

    def cancel(self, order_ids: Iterable[OrderId]) -> None:
        """Cancel the open ones of these orders."""
        self._take(self.rule.cancel(set(order_ids)))

    def open_order_ids(self, owner: Owner) -> list[OrderId]:
        """Return an owner's open orders, by acceptance."""
        return [one.order.order_id for one in self.open_orders if one.order.owner == owner]

    def pass_time(self, seconds: int) -> None:
        """Let orders expire, and end the symbol after lingering for a minute."""
        self.now += timedelta(seconds=seconds)
        self.now_ns += seconds * NS_PER_SECOND
        self._take(self.rule.expire(self.now_ns))
        has_lingered = not self.open_orders and self.used_ns + LINGER_NS <= self.now_ns
        if self.is_following and has_lingered:
            self.rule.store()
            self.rule.interrupt()
            self.is_following = False

    def restart(self, *, is_clean: bool, seconds: int) -> None:
        """Stop or crash, and start again after ``seconds``."""
        if is_clean and self.is_following:
            self.rule.store()
        self.now += timedelta(seconds=seconds)
        self.now_ns += seconds * NS_PER_SECOND
        self.is_following, self.used_ns = bool(self.open_orders), self.now_ns
        self.rule.restart()
        for one in self.open_orders:
            if one.order.time_in_force is not TimeInForce.GTD:
                one.status, one.reason = OrderStatus.EXPIRED, Reason.TIMEOUT_DURING_OUTAGE
                one.events.append((one.status, one.filled))
        self._take(self.rule.expire(self.now_ns))

    def stored_ledger(self) -> tuple[int, dict[tuple[Owner, Side, Decimal], Decimal]]:
        """Return the stored gate and levels."""
        return self.rule.stored_gate, self.rule.stored_taken

    def _take(self, steps: list[PlainStep]) -> None:
        for step in steps:
            self.orders[step.order_id].take(step)
        if steps:
            self.rule.store()
            self.used_ns = self.now_ns
