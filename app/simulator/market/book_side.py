"""One side of a synthetic order book: the best level and a few levels behind it."""

from typing import Final

LEVELS_MAX: Final = 8
"""Levels that a side remembers; the level farthest from the best one is dropped first."""


class BookSide:
    """The bids or the asks. Prices are whole ticks, quantities whole steps, both at least 1.

    Attributes:
        outward: the direction from the best level to worse prices: -1 for bids, 1 for asks.
        price: the price of the best level.
        quantity: the quantity of the best level.
        goal: the quantity that the best level approaches.
        before: its quantity before the last change; None if the quantity never changed.
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
        """Change the quantity of the best level; an equal quantity is changed by one step."""
        shown = self.quantity
        # An update that repeats the quote would be a frame that Binance never sends.
        if quantity == shown:
            quantity += 1 if shown < quantity_max or shown == 1 else -1
        self.before = shown
        self.quantity = quantity

    def cover(self, price: int, quantity: int, *, stays: bool) -> None:
        """Add a better level; the previous best level stays behind it or is withdrawn."""
        assert (self.price - price) * self.outward > 0, "only a better level covers a level"
        if stays:
            self._covered.append((self.price, self.quantity))
            # The first covered level is the worst one, because later ones are always better.
            if len(self._covered) > LEVELS_MAX:
                del self._covered[0]
        self._begin(price, quantity)

    def uncover(self, distance: int) -> bool:
        """Remove the best level if a covered level is at most ``distance`` ticks behind it.

        The covered level becomes the best one, with the quantity it had when it was covered.

        Returns:
            Whether there was such a level.
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
        """Replace the best level by a new one behind it, in front of all covered levels."""
        assert (price - self.price) * self.outward > 0, "a level behind has a worse price"
        self._begin(price, quantity)

    def _begin(self, price: int, quantity: int) -> None:
        self.price = price
        self.quantity = quantity
        self.before = None
