"""Check, without the matcher, that no displayed quantity was sold twice.

A replayed matcher would repeat its own bug. This module therefore counts the fills once more, from
the quotes alone, per owner and side of the book. A price keeps what was sold at it until the best
price has moved past it. The sum sold at one price may never exceed the displayed quantity.
"""

import heapq
from decimal import Decimal

from app.domain.amounts import EXACT, ZERO
from app.domain.order import Owner, Side
from app.domain.quote import Quote


class _SoldByPrice:
    """The quantity that the orders of one owner and side have taken, by price."""

    def __init__(self, side: Side) -> None:
        self._sign = 1 if side is Side.BUY else -1
        self._sold: dict[Decimal, Decimal] = {}
        self._prices: list[Decimal] = []  # a heap of signed prices, the best first

    def set(self, price: Decimal, quantity: Decimal) -> None:
        """Set the quantity sold at a price."""
        if price not in self._sold:
            heapq.heappush(self._prices, EXACT.multiply(price, self._sign))
        self._sold[price] = quantity

    def observe(self, price: Decimal, displayed: Decimal) -> None:
        """Forget the prices that a new best price has moved past; cap the quantity sold at it."""
        signed = EXACT.multiply(price, self._sign)
        # A quantity of zero means an empty side: the best price has moved past every price.
        while self._prices and (not displayed or self._prices[0] < signed):
            del self._sold[EXACT.multiply(heapq.heappop(self._prices), self._sign)]
        sold = self._sold.get(price)
        # The displayed quantity shrank: a later increase is new and may be sold.
        if sold is not None and sold > displayed:
            self._sold[price] = displayed

    def sell(self, price: Decimal, quantity: Decimal, displayed: Decimal) -> Decimal:
        """Add a fill at the best price; return the excess over the displayed quantity."""
        total = EXACT.add(self._sold.get(price, ZERO), quantity)
        self.set(price, total)
        return max(ZERO, EXACT.subtract(total, displayed))


class LiquidityCheck:
    """The sold quantities of one symbol."""

    def __init__(self) -> None:
        self._sold: dict[tuple[Owner, Side], _SoldByPrice] = {}
        self._quote: Quote | None = None

    def restore(self, owner: Owner, side: Side, price: Decimal, quantity: Decimal) -> None:
        """Set the quantity that was sold before the recording began."""
        self._sold_of(owner, side).set(price, quantity)

    def observe(self, quote: Quote) -> None:
        """Make a quote the current one."""
        self._quote = quote
        for (_, side), sold in self._sold.items():
            sold.observe(*best_level(quote, side))

    def sell(self, owner: Owner, side: Side, quantity: Decimal) -> Decimal:
        """Add a fill at the current quote; return the excess over the displayed quantity."""
        assert self._quote is not None, "an order is filled by a quote"
        price, displayed = best_level(self._quote, side)
        return self._sold_of(owner, side).sell(price, quantity, displayed)

    def _sold_of(self, owner: Owner, side: Side) -> _SoldByPrice:
        sold = self._sold.get((owner, side))
        if sold is None:
            sold = self._sold[owner, side] = _SoldByPrice(side)
            if self._quote is not None:
                sold.observe(*best_level(self._quote, side))
        return sold


def best_level(quote: Quote, side: Side) -> tuple[Decimal, Decimal]:
    """Return the price and quantity that orders of this side can take from the quote."""
    if side is Side.BUY:
        return quote.ask_price, quote.ask_quantity
    return quote.bid_price, quote.bid_quantity
