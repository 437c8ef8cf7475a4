"""What one owner's orders of one side of the book meet, and what they take."""

from collections.abc import Iterable
from decimal import Decimal

from app.domain.amounts import EXACT, ZERO
from app.domain.liquidity import LiquidityLedger, TakenLevel
from app.domain.order import Decision, OrderStatus, Owner, Reason, Side, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Closing, Fill, Resting, RestingHeap, Step


class SideBook:
    """One owner's resting orders of one side, and the ledger they share."""

    def __init__(self, owner: Owner, side: Side, levels: Iterable[TakenLevel] = ()) -> None:
        self.side = side
        self._takes_asks = side is Side.BUY  # asked for each quote, and members of an enum are slow
        self.ledger = LiquidityLedger(owner, side, levels)
        self.resting = RestingHeap()
        self.price = ZERO
        self.displayed = ZERO
        self._is_touch_known = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing rests, and nothing is remembered."""
        return not self.resting and self.ledger.is_empty

    def rest(self, resting: Resting) -> None:
        """Take an order in."""
        self.resting.add(resting.rank, resting)

    def remove(self, resting: Resting) -> None:
        """Let go of an order that ended."""
        self.resting.remove(resting.rank)

    def observe(self, quote: Quote) -> bool:
        """Show the touch to the ledger; False if it is the one already known."""
        if self._takes_asks:
            price, displayed = quote.ask_price, quote.ask_quantity
        else:
            price, displayed = quote.bid_price, quote.bid_quantity
        # The feed gives the same objects for what is the same, and to see that costs less.
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
        """Make the next quote count as a new touch, the same one again included.

        Orders that came while there was no current quote have not met that touch.
        """
        self._is_touch_known = False

    def is_reached(self) -> bool:
        """Whether the touch is one that the first resting order takes (the hot path)."""
        first = self.resting.first
        if first is None or not self.displayed:
            return False
        limit_price = first.order.limit_price
        return limit_price >= self.price if self._takes_asks else limit_price <= self.price

    def match(self, update_id: int, quotes_applied: int) -> list[Step]:
        """Give what is available at the touch to the orders that reach it."""
        available = self.ledger.available(self.price, self.displayed)
        steps: list[Step] = []
        while available and (first := self.resting.first) is not None and self.is_reached():
            if first.order.time_in_force is TimeInForce.FOK and first.remaining > available:
                steps.append(self.decide(first, update_id, quotes_applied))
            else:
                quantity = min(first.remaining, available)
                available = EXACT.subtract(available, quantity)
                steps.append(self._fill(first, quantity, update_id, quotes_applied))
        return steps

    def decide(self, resting: Resting, update_id: int, quotes_applied: int) -> Closing:
        """End an IOC or FOK order that the touch does not fill, in its turn or after all others.

        Whoever is left over after all others met a touch beyond its limit, or one of which nothing
        was left: nobody took from it after his turn. What the order took itself is no part of that.
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
                taken_quantity=EXACT.subtract(self.taken(), resting.filled_quantity),
            ),
        )

    def taken(self) -> Decimal:
        """Return how much of what is displayed at the touch was taken before."""
        if not self.displayed:
            return ZERO
        return EXACT.subtract(self.displayed, self.ledger.available(self.price, self.displayed))

    def _fill(
        self, resting: Resting, quantity: Decimal, update_id: int, quotes_applied: int
    ) -> Fill:
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
