"""One side of a synthetic book: a short stack of levels, the touch on top."""

from typing import Final

LEVELS_MAX: Final = 8
"""Levels that a side remembers; the one farthest from the touch is forgotten first."""


class BookSide:
    """Prices in whole ticks, quantities in whole steps, neither ever below 1.

    ``outward`` is the sign of a price's way from the touch into the side: -1 for bids, 1 for asks.
    ``goal`` is the quantity that the touch is going for, ``before`` the one it showed before the
    last change, None on a level that has shown only one.
    """

    __slots__ = ("_covered", "before", "goal", "outward", "price", "quantity")

    def __init__(self, outward: int, price: int, quantity: int) -> None:
        self.outward = outward
        self.price = price
        self.quantity = quantity
        self.goal = quantity
        self.before: int | None = None
        self._covered: list[tuple[int, int]] = []

    def show(self, quantity: int, *, quantity_max: int) -> None:
        """Change the quantity of the touch; by one step where it would be the same."""
        shown = self.quantity
        if quantity == shown:
            quantity += 1 if shown < quantity_max or shown == 1 else -1
        self.before = shown
        self.quantity = quantity

    def cover(self, price: int, quantity: int, *, stays: bool) -> None:
        """Put a better level on top; the touch so far stays behind it or is withdrawn."""
        assert (self.price - price) * self.outward > 0, "a level is covered by a better one"
        if stays:
            self._covered.append((self.price, self.quantity))
            if len(self._covered) > LEVELS_MAX:
                del self._covered[0]
        self._begin(price, quantity)

    def uncover(self, distance: int) -> bool:
        """Lose the touch to a level behind it at most ``distance`` ticks away, if there is one.

        It is then the touch, with the quantity it had when it was covered.
        """
        if not self._covered:
            return False
        price, quantity = self._covered[-1]
        if (price - self.price) * self.outward > distance:
            return False
        self._covered.pop()
        self._begin(price, quantity)
        return True

    def recede(self, price: int, quantity: int) -> None:
        """Lose the touch to a level that nobody knew of, nearer than all that is covered."""
        assert (price - self.price) * self.outward > 0, "what is behind is worse"
        self._begin(price, quantity)

    def _begin(self, price: int, quantity: int) -> None:
        self.price = price
        self.quantity = quantity
        self.before = None
