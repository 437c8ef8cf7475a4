"""One owner's resting orders of one side, matched against the touch of that side."""

from collections.abc import Iterable
from decimal import Decimal

from app.domain.amounts import EXACT, ZERO
from app.domain.liquidity import LiquidityLedger, TakenLevel
from app.domain.order import Decision, OrderStatus, Owner, Reason, Side, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Closing, Fill, RestingHeap, RestingOrder, Step


class SideBook:
    """One owner's resting orders of one side, and the ledger that they share."""

    def __init__(self, owner: Owner, side: Side, levels: Iterable[TakenLevel] = ()) -> None:
        self.side = side
        self._takes_asks = side is Side.BUY  # read for each quote, and enum members are slow
        self.ledger = LiquidityLedger(owner, side, levels)
        self.resting = RestingHeap()
        self.price = ZERO
        self.displayed = ZERO
        self._is_touch_known = False

    @property
    def is_idle(self) -> bool:
        """Whether no order rests and no level is remembered."""
        return not self.resting and self.ledger.is_empty

    def rest(self, resting: RestingOrder) -> None:
        """Add an order."""
        self.resting.add(resting.rank, resting)

    def remove(self, resting: RestingOrder) -> None:
        """Remove an order that ended."""
        self.resting.remove(resting.rank)

    def observe(self, quote: Quote) -> bool:
        """Show the touch to the ledger. False if it is the touch of the previous quote."""
        if self._takes_asks:
            price, displayed = quote.ask_price, quote.ask_quantity
        else:
            price, displayed = quote.bid_price, quote.bid_quantity
        # The feed reuses the object of an unchanged amount, and `is` costs less than `==`.
        is_same_price = price is self.price or price == self.price
        is_same_quantity = displayed is self.displayed or displayed == self.displayed
        if is_same_price and is_same_quantity and self._is_touch_known:
            return False
        self.price = price
        self.displayed = displayed
        self._is_touch_known = True
        self.ledger.observe(price, displayed)
        return True

    def forget_touch(self) -> None:
        """Treat the next touch as new, even if it equals the last one.

        Orders that came while there was no current quote have not met the last touch.
        """
        self._is_touch_known = False

    def is_reached(self) -> bool:
        """Whether the limit of the first resting order reaches the touch (the hot path)."""
        first = self.resting.first
        if first is None or not self.displayed:
            return False
        limit_price = first.order.limit_price
        return limit_price >= self.price if self._takes_asks else limit_price <= self.price

    def match(self, update_id: int, quotes_applied: int) -> list[Step]:
        """Fill the orders whose limit reaches the touch, with the quantity available there."""
        available = self.ledger.available(self.price, self.displayed)
        steps: list[Step] = []
        while available and (first := self.resting.first) is not None and self.is_reached():
            # The first order has the best limit price, then the earliest acceptance.
            if first.order.time_in_force is TimeInForce.FOK and first.remaining > available:
                # A FOK order gets its whole quantity in its turn, or nothing.
                steps.append(self.decide(first, update_id, quotes_applied))
            else:
                quantity = min(first.remaining, available)
                available = EXACT.subtract(available, quantity)
                steps.append(self._fill(first, quantity, update_id, quotes_applied))
        return steps

    def decide(self, resting: RestingOrder, update_id: int, quotes_applied: int) -> Closing:
        """End an IOC or FOK order that the touch does not fill, in its turn or after all others.

        An order that is left after all others met a touch beyond its limit, or a touch with nothing
        left. In both cases no order took from the touch after its turn, so that the ledger still
        shows the state of its turn.
        """
        is_ioc = resting.order.time_in_force is TimeInForce.IOC
        self.remove(resting)
        return resting.close(
            OrderStatus.EXPIRED,
            Reason.IOC_REMAINDER if is_ioc else Reason.FOK_UNFILLABLE,
            quotes_applied=quotes_applied,
            gate=update_id,
            decision=Decision(
                price=self.price,
                displayed_quantity=self.displayed,
                # The order's own fills are not part of the quantity taken before it.
                taken_quantity=EXACT.subtract(self.taken(), resting.filled_quantity),
            ),
        )

    def taken(self) -> Decimal:
        """Return how much of the quantity displayed at the touch is already taken."""
        if not self.displayed:
            return ZERO
        return EXACT.subtract(self.displayed, self.ledger.available(self.price, self.displayed))

    def _fill(
        self, resting: RestingOrder, quantity: Decimal, update_id: int, quotes_applied: int
    ) -> Fill:
        # A fill executes at the displayed price, not at the order's limit.
        self.ledger.take(self.price, quantity)
        order = resting.order
        resting.filled_quantity = EXACT.add(resting.filled_quantity, quantity)
        resting.quote_quantity = EXACT.fma(self.price, quantity, resting.quote_quantity)
        resting.splits_total += 1
        assert resting.filled_quantity <= order.quantity, "no order is overfilled"
        if resting.filled_quantity == order.quantity:
            self.remove(resting)
        return Fill(
            order=order,
            split_number=resting.splits_total,
            update_id=update_id,
            price=self.price,
            quantity=quantity,
            displayed_quantity=self.displayed,
            filled_quantity=resting.filled_quantity,
            quote_quantity=resting.quote_quantity,
            arrival=resting.arrival,
            quotes_seen=quotes_applied - resting.quotes_base,
        )
