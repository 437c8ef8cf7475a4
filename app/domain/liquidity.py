"""The memory that keeps fills honest: how much of each displayed level we have taken already.

One ledger serves one side of one symbol for one owner. A level is known by its price alone, since
the venue shows totals, not lots: what we took may still stand there, so it counts against what is
displayed until the market proves that it is gone.
"""

import operator
from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.amounts import EXACT, ZERO
from app.domain.order import Owner, Side

LEVELS_MAX: Final = 10_000
"""Levels remembered per ledger; beyond it the one farthest from the touch is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenLevel:
    """A level of a ledger as it is stored; quantity zero says that it is forgotten.

    ``side`` is the side of the orders that took: BUY for what was taken from asks.
    """

    owner: Owner
    side: Side
    price: Decimal
    quantity: Decimal


class LiquidityLedger:
    """What the orders of one side took per price and may still be displayed.

    ``side`` is the side of the orders: BUY takes from asks, where a lower price is better, SELL
    from bids, where a higher one is.
    """

    def __init__(self, owner: Owner, side: Side, levels: Iterable[TakenLevel] = ()) -> None:
        self.owner = owner
        self.side = side
        self.levels_dropped = 0
        self.is_better: Callable[[Decimal, Decimal], bool] = (
            operator.lt if side is Side.BUY else operator.gt
        )
        # The best price stands last, so that forgetting pops from the end.
        self._sort_key: Callable[[Decimal], Decimal] = (
            Decimal.copy_negate if side is Side.BUY else Decimal.copy_abs
        )
        self._taken = {level.price: level.quantity for level in levels}
        self._prices = sorted(self._taken, key=self._sort_key)
        self._changed: set[Decimal] = set()

    def observe(self, price: Decimal, displayed: Decimal) -> None:
        """Take notice of the touch: ``displayed`` of the base asset at the best ``price``.

        Both zero says that the side is empty. The cost does not depend on the levels remembered.
        """
        if not self._prices:
            return
        if not displayed:
            self._forget_all()
            return
        self._forget_better(price)
        self._cap(price, displayed)

    def available(self, price: Decimal, displayed: Decimal) -> Decimal:
        """Return how much of ``displayed`` at the touch ``price`` was not taken before."""
        taken = self._taken.get(price)
        if taken is None:
            return displayed
        assert taken <= displayed, "the ledger observes a touch before anything is taken from it"
        return EXACT.subtract(displayed, taken)

    def take(self, price: Decimal, quantity: Decimal) -> None:
        """Remember that ``quantity``, above zero, was taken at ``price``."""
        assert quantity > ZERO, "a fill is positive"
        taken = self._taken.get(price)
        if taken is None:
            self._taken[price] = quantity
            insort(self._prices, price, key=self._sort_key)
            if len(self._prices) > LEVELS_MAX:
                self._drop_farthest()
        else:
            self._taken[price] = EXACT.add(taken, quantity)
        self._changed.add(price)

    @property
    def is_empty(self) -> bool:
        """Whether no level is remembered."""
        return not self._prices

    def levels(self) -> list[TakenLevel]:
        """Return every remembered level, farthest from the touch first."""
        return [self._level(price) for price in self._prices]

    def drain_changes(self) -> list[TakenLevel]:
        """Return the levels changed since the last call, a forgotten one with quantity zero."""
        changes = [self._level(price) for price in self._changed]
        self._changed.clear()
        return changes

    def _level(self, price: Decimal) -> TakenLevel:
        quantity = self._taken.get(price, ZERO)
        return TakenLevel(owner=self.owner, side=self.side, price=price, quantity=quantity)

    def _forget_better(self, price: Decimal) -> None:
        """Forget levels better than the touch: they have been emptied."""
        prices = self._prices
        while prices and self.is_better(prices[-1], price):
            self._forget(prices.pop())

    def _cap(self, price: Decimal, displayed: Decimal) -> None:
        """Believe that of what we took no more can be left than is displayed."""
        taken = self._taken.get(price)
        if taken is not None and taken > displayed:
            self._taken[price] = displayed
            self._changed.add(price)

    def _forget_all(self) -> None:
        for price in self._prices:
            self._forget(price)
        self._prices.clear()

    def _forget(self, price: Decimal) -> None:
        del self._taken[price]
        self._changed.add(price)

    def _drop_farthest(self) -> None:
        self._forget(self._prices.pop(0))
        self.levels_dropped += 1
