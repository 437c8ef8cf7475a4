"""Everything that clients can read of one symbol besides its quotes."""

from dataclasses import dataclass, field

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.market_data.candles import SymbolCandles
from app.simulator.market_data.order_book import Level, OrderBook, Side
from app.simulator.market_data.trades import SymbolTrades, Trade
from app.simulator.market_data.units import ONE
from app.simulator.venue.listing import Listing


@dataclass(slots=True)
class DepthChange:
    """The prices that changed since the last depth update of one speed."""

    last_update_id: int
    bids: dict[int, None] = field(default_factory=dict)
    asks: dict[int, None] = field(default_factory=dict)


class SymbolData:
    """The book, trades and candles of one symbol, from its quotes in their order."""

    def __init__(self, listing: Listing, opening: VenueQuote, *, at_ms: int) -> None:
        self.listing = listing
        self.quote = opening
        self.book = OrderBook(listing, opening)
        step = int(listing.step_size * ONE)
        self.trades = SymbolTrades(listing.symbol, opening, step=step, at_ms=at_ms)
        self.candles = SymbolCandles()
        for trade in self.trades.recent:
            self.candles.add(trade)
        self._changes: dict[int, DepthChange] = {}

    def apply(self, quote: VenueQuote, *, at_ms: int) -> list[Trade]:
        """Apply the next quote, and return the trades that it shows."""
        before, self.quote = self.quote, quote
        made = self.trades.add_between(before, quote, at_ms=at_ms)
        for trade in made:
            self.candles.add(trade)
        for change in self._changes.values():
            change.bids |= dict.fromkeys(self.book.changed_prices("bids", before, quote))
            change.asks |= dict.fromkeys(self.book.changed_prices("asks", before, quote))
        return made

    def follow_depth(self, speed_ms: int) -> None:
        """Collect changes for depth updates of this speed from now on."""
        self._changes.setdefault(speed_ms, DepthChange(self.quote.update_id))

    def forget_depth(self, speed_ms: int) -> None:
        """Stop collecting changes for this speed, because its last subscriber left."""
        self._changes.pop(speed_ms, None)

    def depth_update(self, speed_ms: int) -> tuple[int, int, list[Level], list[Level]] | None:
        """Return the ids and the changed levels since the last update; None without a change.

        "The first event ... U is previous u + 1": so the updates form a chain without gaps.
        """
        change = self._changes[speed_ms]
        newest_id = self.quote.update_id
        # Ids that went back are a fault on request; the chain breaks there, as at the venue.
        if newest_id == change.last_update_id:
            return None
        first_id = change.last_update_id + 1
        self._changes[speed_ms] = DepthChange(newest_id)
        return (
            min(first_id, newest_id),
            newest_id,
            self._levels("bids", change.bids),
            self._levels("asks", change.asks),
        )

    def _levels(self, side: Side, prices: dict[int, None]) -> list[Level]:
        ordered = sorted(prices, reverse=side == "bids")
        return [self.book.level_at(side, price, self.quote) for price in ordered]
