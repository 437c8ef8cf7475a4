"""An account of what was sold of the touch that shares nothing with the matcher but the quotes.

The matcher, when it is derived again, would repeat a mistake of its own. So what its fills took is
counted here once more, per owner and side of the book, by the same rule in other words: a lot is
what stands at a price from when the touch comes to it until the touch has passed it. What was sold
of it is no more than it shows, and no more than that can be sold.
"""

import heapq
from decimal import Decimal

from app.domain.amounts import EXACT, ZERO
from app.domain.order import Owner, Side
from app.domain.quote import Quote


class _Lots:
    """What one owner's orders of one side bought or sold, by price."""

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._sold: dict[Decimal, Decimal] = {}
        self._prices: list[Decimal] = []  # a heap, the best first, of signed prices

    def remember(self, price: Decimal, quantity: Decimal) -> None:
        """Take note of what was sold of a lot before."""
        if price not in self._sold:
            heapq.heappush(self._prices, EXACT.multiply(price, self._sign))
        self._sold[price] = quantity

    def show(self, price: Decimal, displayed: Decimal) -> None:
        """See the touch: the lots it has passed are gone, the one at it may have shrunk."""
        signed = EXACT.multiply(price, self._sign)
        while self._prices and (not displayed or self._prices[0] < signed):
            del self._sold[EXACT.multiply(heapq.heappop(self._prices), self._sign)]
        sold = self._sold.get(price)
        if sold is not None and sold > displayed:
            self._sold[price] = displayed

    def sell(self, price: Decimal, quantity: Decimal, displayed: Decimal) -> Decimal:
        """Take from the lot at the touch; return by how much more than it shows was sold."""
        total = EXACT.add(self._sold.get(price, ZERO), quantity)
        self.remember(price, total)
        return max(ZERO, EXACT.subtract(total, displayed))


class SoldQuantities:
    """The lots of one symbol."""

    def __init__(self) -> None:
        self._lots: dict[tuple[Owner, Side], _Lots] = {}
        self._quote: Quote | None = None

    def remember(self, owner: Owner, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Take note of what was sold before."""
        self._of(owner, side).remember(price, quantity)

    def show(self, quote: Quote) -> None:
        """See a quote."""
        self._quote = quote
        for (_, side), lots in self._lots.items():
            lots.show(*touch(quote, side))

    def sell(self, owner: Owner, side: Side, quantity: Decimal) -> Decimal:
        """Sell at the touch; return by how much more than it shows was sold."""
        assert self._quote is not None, "an order is filled by a quote"
        price, displayed = touch(self._quote, side)
        return self._of(owner, side).sell(price, quantity, displayed)

    def _of(self, owner: Owner, side: Side) -> _Lots:
        lots = self._lots.get((owner, side))
        if lots is None:
            lots = self._lots[owner, side] = _Lots(side)
            if self._quote is not None:
                lots.show(*touch(self._quote, side))
        return lots


def touch(quote: Quote, side: Side) -> tuple[Decimal, Decimal]:
    """Return price and quantity that orders of a side meet."""
    if side is Side.BUY:
        return quote.ask_price, quote.ask_quantity
    return quote.bid_price, quote.bid_quantity
