"""The order book of a symbol: the best levels of its quote, in front of a fixed ladder of levels.

Only the best levels are part of a market. The level behind them at some price is a function of the
symbol and the price, so it stays the same while the best levels move. Hence the book of any quote
follows from the quote alone, and two books differ only between their best levels.
"""

import zlib
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import Final, Literal

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.market_data.units import ONE, text_of, units_of
from app.simulator.venue.listing import Listing

Level = list[str]
"""A price and a quantity, as texts of the wire."""

Side = Literal["bids", "asks"]

_LADDER_PARTS: Final = 20_000
"""The ladder's prices lie half a basis point apart, or a tick. A thousand levels then span some ten
percent, so that a client's first snapshot holds for long."""

_FILLED_SHARE: Final = 2
"""One price in this many has a level."""

_CHANGED_PRICES_MAX: Final = 20_000
"""Prices in one change of a book; a greater jump of the quote changes only the nearest ones."""


class OrderBook:
    """The levels of one symbol.

    ``opening`` is the first quote of the symbol, whose quantities set the size of the levels.
    """

    def __init__(self, listing: Listing, opening: VenueQuote) -> None:
        self._symbol = listing.symbol.encode()
        # A filter may have a step of 0, which disables the rule at Binance.
        tick = max(int(listing.tick_size * ONE), 1)
        price = units_of(opening.bid_price) or units_of(opening.ask_price)
        self._gap = max(price // _LADDER_PARTS // tick, 1) * tick
        self._step = max(int(listing.step_size * ONE), 1)
        self._typical = max(units_of(opening.bid_quantity), units_of(opening.ask_quantity), 1)

    def levels(self, quote: VenueQuote, levels_max: int) -> dict[str, object]:
        """Return the answer to ``GET /api/v3/depth``, best levels first.

        An empty side has no levels. A bid cannot be below one tick, so a cheap symbol may have
        fewer bids.
        """
        return {
            "lastUpdateId": quote.update_id,
            "bids": self._side_levels("bids", quote, levels_max),
            "asks": self._side_levels("asks", quote, levels_max),
        }

    def changed_prices(self, side: Side, before: VenueQuote, after: VenueQuote) -> list[int]:
        """Return the prices, in units, at which the quantities of two books may differ."""
        old, new = (self._best(side, quote)[0] for quote in (before, after))
        if not old or not new:
            # The side was or is empty as a whole: its nearest levels come or go.
            best = old or new
            return [best, *islice(self._ladder(side, best), _CHANGED_PRICES_MAX)] if best else []
        if old == new:
            return [old]
        is_bid = side == "bids"
        nearer, farther = (
            (max(old, new), min(old, new)) if is_bid else (min(old, new), max(old, new))
        )
        behind = islice(self._ladder(side, nearer), _CHANGED_PRICES_MAX)
        between = takewhile(lambda price: price > farther if is_bid else price < farther, behind)
        return [nearer, *between, farther]

    def level_at(self, side: Side, price: int, quote: VenueQuote) -> Level:
        """Return the level of a book at a price in units; its quantity is 0 without a level."""
        best, quantity = self._best(side, quote)
        is_behind = price < best if side == "bids" else price > best
        if not best:
            quantity = 0
        elif is_behind:
            quantity = self._ladder_quantity(price)
        elif price != best:
            quantity = 0
        return [text_of(price), text_of(quantity)]

    def _side_levels(self, side: Side, quote: VenueQuote, levels_max: int) -> list[Level]:
        best, quantity = self._best(side, quote)
        if not best:
            return []
        behind = islice(self._ladder(side, best), levels_max - 1)
        return [
            [text_of(best), text_of(quantity)],
            *([text_of(price), text_of(self._ladder_quantity(price))] for price in behind),
        ]

    def _best(self, side: Side, quote: VenueQuote) -> tuple[int, int]:
        if side == "bids":
            return units_of(quote.bid_price), units_of(quote.bid_quantity)
        return units_of(quote.ask_price), units_of(quote.ask_quantity)

    def _ladder(self, side: Side, best: int) -> Iterator[int]:
        """Yield the prices of the ladder behind a best price, nearest first."""
        if side == "bids":
            price = (best - 1) // self._gap * self._gap
            outward = -self._gap
        else:
            price = best // self._gap * self._gap + self._gap
            outward = self._gap
        while price > 0:
            if self._ladder_quantity(price):
                yield price
            price += outward

    def _ladder_quantity(self, price: int) -> int:
        """Return the quantity of the ladder at a price: 0.5 to 2.5 times the typical one, or 0."""
        if price % self._gap:
            return 0
        digest = zlib.crc32(b"%b%d" % (self._symbol, price))
        if digest % _FILLED_SHARE:
            return 0
        steps = self._typical * (50 + (digest >> 8) % 200) // 100 // self._step
        return max(steps, 1) * self._step
