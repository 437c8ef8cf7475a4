"""Trades that follow from the quotes: some of the quantity that disappears was traded.

When the best ask shrinks or is passed, a buyer took from it, or its owner canceled. A fixed share
of these changes counts as trades, chosen by the symbol and the update id. So each trade has the
price of a displayed level and at most its quantity.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.market_data.units import units_of

TRADES_KEPT_MAX: Final = 1_000
"""The most that one request returns."""

_TRADED_PERCENT: Final = 40
_QUARTERS: Final = 4


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade; price and quantity in units, the time in milliseconds since 1970.

    ``is_buyer_maker`` says that a seller took from a displayed bid.
    """

    trade_id: int
    at_ms: int
    price: int
    quantity: int
    is_buyer_maker: bool


class SymbolTrades:
    """The newest trades of one symbol; ids rise by one.

    The first trade comes with the first quote that has a price, so that a last price exists from
    then on.
    """

    def __init__(self, symbol: str, opening: VenueQuote, *, step: int, at_ms: int) -> None:
        self._symbol = symbol
        self._step = max(step, 1)
        self._next_id = opening.update_id
        self.recent: deque[Trade] = deque(maxlen=TRADES_KEPT_MAX)
        self._open(opening, at_ms)

    @property
    def last(self) -> Trade | None:
        """The newest trade; None only before the first quote with a price."""
        return self.recent[-1] if self.recent else None

    def add_between(self, before: VenueQuote, after: VenueQuote, *, at_ms: int) -> list[Trade]:
        """Add the trades between two quotes of the symbol, and return them."""
        if not self.recent:
            return self._open(after, at_ms)
        made = []
        for is_bid, price, gone in _disappeared(before, after):
            digest = zlib.crc32(f"{self._symbol}{after.update_id}{is_bid}".encode())
            if digest % 100 < _TRADED_PERCENT:
                part = gone * (1 + (digest >> 8) % _QUARTERS) // _QUARTERS
                quantity = max(part // self._step * self._step, min(self._step, gone))
                made.append(self._add(at_ms, price, quantity, is_buyer_maker=is_bid))
        return made

    def _open(self, quote: VenueQuote, at_ms: int) -> list[Trade]:
        price = units_of(quote.bid_price) or units_of(quote.ask_price)
        return [self._add(at_ms, price, self._step, is_buyer_maker=True)] if price else []

    def _add(self, at_ms: int, price: int, quantity: int, *, is_buyer_maker: bool) -> Trade:
        trade = Trade(self._next_id, at_ms, price, quantity, is_buyer_maker)
        self._next_id += 1
        self.recent.append(trade)
        return trade


def _disappeared(before: VenueQuote, after: VenueQuote) -> Iterator[tuple[bool, int, int]]:
    """Yield side, price and quantity of what the best levels lost."""
    if (before.bid_price, before.bid_quantity) != (after.bid_price, after.bid_quantity):
        price, quantity = units_of(before.bid_price), units_of(before.bid_quantity)
        now, left = units_of(after.bid_price), units_of(after.bid_quantity)
        gone = quantity if now < price else quantity - left if now == price else 0
        if price and gone > 0:
            yield True, price, gone
    if (before.ask_price, before.ask_quantity) != (after.ask_price, after.ask_quantity):
        price, quantity = units_of(before.ask_price), units_of(before.ask_quantity)
        now, left = units_of(after.ask_price), units_of(after.ask_quantity)
        gone = quantity if now > price or not now else quantity - left if now == price else 0
        if price and gone > 0:
            yield False, price, gone
