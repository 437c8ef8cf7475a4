"""Books in which every unit of quantity has an identity, to judge fills by.

The venue displays totals. These books divide each total into lots of one unit. Each book finds one
of the two possible mistakes of a ledger:

* ``TrueBook`` is the real market, including lost quotes. When a level shrinks, it removes lots that
  we did *not* take first, so that our lots stay displayed as long as possible. A fill that finds no
  untaken lot has sold a lot twice.
* ``SeenBook`` is a market that shows exactly the quotes, and changes no more than the quotes prove.
  It also keeps our lots as long as possible. A matcher that leaves an untaken lot at the touch,
  while an order reaches it, is stricter than the quotes require.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.amounts import ZERO
from app.domain.order import Order, Side
from app.domain.quote import Quote

UNIT: Final = Decimal("0.001")

Lot = tuple[int, int]
"""The update id that brought the lot, and its place among the lots that came with it."""

Level = tuple[Side, Decimal]
"""A price level, by the side of the orders that take from it."""


class PropertyBrokenError(AssertionError):
    """A promise of the fill rule is broken. The core's own assertions are different errors."""


def require(*, that: bool, promise: str) -> None:
    """Raise ``PropertyBrokenError`` unless the promise holds."""
    if not that:
        raise PropertyBrokenError(promise)


def touch_of(quote: Quote, side: Side) -> tuple[Decimal, Decimal]:
    """Return the price and the quantity that orders of a side would take."""
    if side is Side.BUY:
        return quote.ask_price, quote.ask_quantity
    return quote.bid_price, quote.bid_quantity


def is_better_touch(side: Side, price: Decimal, other: Decimal) -> bool:
    """Return whether a taker of this side prefers ``price``."""
    return price < other if side is Side.BUY else price > other


def reaches(side: Side, limit_price: Decimal, price: Decimal) -> bool:
    """Return whether an order of this side accepts ``price``."""
    return limit_price >= price if side is Side.BUY else limit_price <= price


def rank_of(order: Order) -> tuple[Decimal, int]:
    """Return the sort key of an order: better limit first, then earlier acceptance."""
    limit_price = order.limit_price
    return (-limit_price if order.side is Side.BUY else limit_price, order.acceptance_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChange:
    """``units`` arrive at a level, or leave it if negative. No more leave than the level has."""

    side: Side
    price: Decimal
    units: int


class TrueBook:
    """The market lot by lot, in the worst case for one owner.

    The book decides the changes between two applied quotes when the second quote is applied:
    fills against the first quote may come until then.
    """

    def __init__(self, changes: Sequence[BookChange]) -> None:
        self._changes = changes
        self._states: list[dict[Level, tuple[Lot, ...]]] = [{}]
        self._taken: set[Lot] = set()

    def move_to(self, update_id: int) -> None:
        """Advance the market to an update; an earlier update than before changes nothing."""
        for one in range(len(self._states), update_id + 1):
            change = self._changes[one - 1]
            level = (change.side, change.price)
            standing = self._states[-1].get(level, ())
            if change.units >= 0:
                after = (*standing, *((one, place) for place in range(change.units)))
            else:
                leaving = sorted(standing, key=self._taken.__contains__)[: -change.units]
                after = tuple(lot for lot in standing if lot not in leaving)
            self._states.append({**self._states[-1], level: after})

    def rewind(self, update_id: int) -> None:
        """Decide again the changes after an update, because nothing was taken since."""
        del self._states[update_id + 1 :]

    def take(self, side: Side, price: Decimal, units: int, *, update_id: int) -> None:
        """Take lots that a level has at an update, each at most once."""
        standing = self._states[update_id].get((side, price), ())
        untaken = [lot for lot in standing if lot not in self._taken]
        require(that=len(untaken) >= units, promise="no displayed lot is sold twice")
        self._taken.update(untaken[:units])


class SeenBook:
    """The market that the applied quotes prove, for one owner and side."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._levels: dict[Decimal, list[bool]] = {}  # per lot whether it was taken

    def observe(self, quote: Quote) -> None:
        """Set the touch as quoted. Worse levels stay, better levels are gone."""
        price, quantity = touch_of(quote, self._side)
        if quantity == ZERO:
            self._levels.clear()
            return
        for other in list(self._levels):
            if is_better_touch(self._side, other, price):
                del self._levels[other]
        displayed = int(quantity / UNIT)
        lots = sorted(self._levels.get(price, []), reverse=True)[:displayed]
        self._levels[price] = lots + [False] * (displayed - len(lots))

    def take(self, price: Decimal, units: int) -> None:
        """Take lots of a level, each at most once."""
        lots = sorted(self._levels.get(price, []), reverse=True)
        taken = lots.count(True)
        require(that=taken + units <= len(lots), promise="no displayed lot is sold twice")
        self._levels[price] = [True] * (taken + units) + [False] * (len(lots) - taken - units)

    def untaken(self, price: Decimal) -> int:
        """Return how many lots of a level are not taken."""
        return self._levels.get(price, []).count(False)

    def copy(self) -> "SeenBook":
        """Return an independent copy of the book."""
        twin = SeenBook(self._side)
        twin._levels = {price: list(lots) for price, lots in self._levels.items()}
        return twin
