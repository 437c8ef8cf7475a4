"""Remembers how much of each displayed level our orders took, so that nothing is sold twice.

One ledger serves one side of one symbol for one owner. A price identifies a level, because the
venue displays totals and not single orders. The venue may still display the quantity that we took.
Therefore the ledger subtracts it from the displayed quantity, until the market shows that it is
gone.
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
"""Levels remembered per ledger. Beyond it the level farthest from the touch is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenLevel:
    """A level of a ledger, as it is stored. Quantity zero means that the level is forgotten.

    ``side`` is the side of the orders: a BUY takes from asks.
    """

    owner: Owner
    side: Side
    price: Decimal
    quantity: Decimal


class LiquidityLedger:
    """The quantity per price that orders of one side took and that may still be displayed.

    ``side`` is the side of the orders. A BUY takes from asks, where a lower price is better. A SELL
    takes from bids, where a higher price is better.
    """

    def __init__(self, owner: Owner, side: Side, levels: Iterable[TakenLevel] = ()) -> None:
        self.owner = owner
        self.side = side
        self.levels_dropped = 0
        self.is_better: Callable[[Decimal, Decimal], bool] = (
            operator.lt if side is Side.BUY else operator.gt
        )
        # The best price stands last, so that `_forget_better` pops from the end in constant time.
        self._sort_key: Callable[[Decimal], Decimal] = (
            Decimal.copy_negate if side is Side.BUY else Decimal.copy_abs
        )
        self._taken = {level.price: level.quantity for level in levels}
        self._prices = sorted(self._taken, key=self._sort_key)
        self._changed: set[Decimal] = set()

    def observe(self, price: Decimal, displayed: Decimal) -> None:
        """Adjust the ledger to the touch: quantity ``displayed`` at the best ``price``.

        Both are zero if the side is empty. The cost does not depend on the number of levels.
        """
        if not self._prices:
            return
        if not displayed:
            # The side is empty, so no quantity that we took can still be displayed.
            self._forget_all()
            return
        self._forget_better(price)
        self._cap(price, displayed)

    def available(self, price: Decimal, displayed: Decimal) -> Decimal:
        """Return how much of ``displayed`` at the touch ``price`` is not taken yet."""
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
                # The farthest level is the least likely to become the touch again.
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
        """Return the levels changed since the last call, forgotten levels with quantity zero."""
        changes = [self._level(price) for price in self._changed]
        self._changed.clear()
        return changes

    def _level(self, price: Decimal) -> TakenLevel:
        quantity = self._taken.get(price, ZERO)
        return TakenLevel(owner=self.owner, side=self.side, price=price, quantity=quantity)

    def _forget_better(self, price: Decimal) -> None:
        """Forget levels better than the touch: the market has emptied them.

        Worse levels stay: they are hidden behind the touch and may come back.
        """
        prices = self._prices
        while prices and self.is_better(prices[-1], price):
            self._forget(prices.pop())

    def _cap(self, price: Decimal, displayed: Decimal) -> None:
        """Reduce the taken quantity to the displayed one: no more of it can be left.

        A change of the displayed quantity never resets the taken quantity to zero.
        """
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
