"""The largest quantity that each level can have sold, from the displayed quotes alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.order import Owner, Side
from app.domain.quote import Quote
from tests.unit.domain.order_level_book import touch_of


@dataclass(slots=True)
class DisplayedLots:
    """Counts the quantity displayed at the best price for as long as that price stays.

    An increase of a level is new quantity, and a decrease may come back as new. So while a price
    stays the best, each owner can buy at most its first quantity and every increase.
    """

    limits: dict[tuple[Side, int], Decimal] = field(default_factory=dict)
    _run: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    _touch: dict[Side, tuple[Decimal, Decimal]] = field(default_factory=dict)
    _run_of: dict[tuple[Side, int], int] = field(default_factory=dict)

    def show(self, quote: Quote) -> None:
        """Record a quote of the venue, with or without subscribers."""
        for side in Side:
            price, displayed = touch_of(quote, side)
            earlier_price, earlier = self._touch.get(side, (Decimal(-1), Decimal(0)))
            if price != earlier_price:
                self._run[side] += 1
                earlier = Decimal(0)
            run = (side, self._run[side])
            self.limits[run] = self.limits.get(run, Decimal(0)) + max(
                Decimal(0), displayed - earlier
            )
            self._touch[side] = (price, displayed)
            self._run_of[side, quote.update_id] = self._run[side]

    def check(self, fills: Iterable[tuple[Owner, Side, int, Decimal]]) -> None:
        """Fail if more was sold than displayed; a fill is owner, side, update id, quantity."""
        sold: dict[tuple[Owner, Side, int], Decimal] = {}
        for owner, side, update_id, quantity in fills:
            run = self._run_of[side, update_id]
            sold[owner, side, run] = sold.get((owner, side, run), Decimal(0)) + quantity
        for (_owner, side, run), quantity in sold.items():
            assert quantity <= self.limits[side, run], "displayed quantity is sold once"
