"""The streams ``<symbol>@miniTicker``: statistics of 24 hours, and the time of the venue.

Binance sends a frame once a second, with these keys in this order: ``{"e":"24hrMiniTicker",
"E":1672515782136,"s":"BNBBTC","c":"0.0025","o":"0.0010","h":"0.0025","l":"0.0010","v":"10000",
"q":"18"}``. The time is in milliseconds. The venue has no trades, so its prices are best bids since
it opened, and its volumes are 0.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.ports import Clock
from app.simulator.market.venue_quotes import EMPTY, VenueQuote, epoch_ms
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.subscribers import Subscribers

INTERVAL_SECONDS: Final = 1.0
"""The documented update speed; it does not depend on the speed of the market."""


@dataclass(slots=True)
class _Day:
    """The first, highest and lowest best bid of a symbol, as texts of the wire."""

    first: str
    highest: str
    lowest: str


class MiniTickers:
    """Sends the mini tickers of the trading symbols to their subscribers."""

    def __init__(
        self,
        *,
        listed: ListedSymbols,
        quotes: Mapping[str, VenueQuote],
        subscribers: Subscribers,
        clock: Clock,
    ) -> None:
        self._listed = listed
        self._quotes = quotes
        self._subscribers = subscribers
        self._clock = clock
        self._days: dict[str, _Day] = {}

    async def run(self) -> None:
        """Send frames once a second, until canceled."""
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        while True:
            # Counting from the last due time keeps the rate after a late frame.
            due_at += INTERVAL_SECONDS
            await asyncio.sleep(due_at - loop.time())
            self.send_all()

    def send_all(self) -> None:
        """Send one frame for each symbol that trades and has a quote."""
        at_ms = epoch_ms(self._clock)
        for listing in self._listed:
            quote = self._quotes.get(listing.symbol)
            if quote is not None and quote.bid_price != EMPTY and listing.is_trading:
                self._send(quote, at_ms)

    def _send(self, quote: VenueQuote, at_ms: int) -> None:
        symbol, price = quote.symbol, quote.bid_price
        day = self._days.setdefault(symbol, _Day(price, price, price))
        day.highest = max(day.highest, price, key=Decimal)
        day.lowest = min(day.lowest, price, key=Decimal)
        # The fault ``mute`` stops all streams of a symbol; its prices are still recorded above.
        if symbol in self._subscribers.faults.muted:
            return
        self._subscribers.send_on(
            f"{symbol.lower()}@miniTicker",
            symbol,
            f'{{"e":"24hrMiniTicker","E":{at_ms},"s":"{symbol}","c":"{price}","o":"{day.first}",'
            f'"h":"{day.highest}","l":"{day.lowest}","v":"{EMPTY}","q":"{EMPTY}"}}',
        )
