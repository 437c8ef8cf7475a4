"""A market whose quotes are pushed by code, for tests that need exact ones."""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from app.domain.rules import TradingRules
from app.simulator.market.market_protocols import QuotePublisher
from app.simulator.market.venue_quotes import EMPTY, VenueQuote, venue_quote, wire_amount
from app.simulator.venue.listing import Listing, inferred_rules, listing_from_rules

FIRST_UPDATE_ID: Final = 1_000
"""Small and round, so that a test can name the ids it expects."""

_FINEST: Final = Decimal("0.00000001")

Level = tuple[str, str]
"""Price and quantity."""


class ScriptedMarket:
    """Quotes what it is told, when it is told.

    Symbols given by name get rules that allow everything; ``rules`` lists further ones. A symbol
    is listed with empty sides and update id ``first_update_id`` until its first quote, which gets
    the next id.
    """

    def __init__(
        self,
        symbols: Iterable[str] = ("LTCBTC",),
        *,
        rules: Iterable[TradingRules] = (),
        first_update_id: int = FIRST_UPDATE_ID,
    ) -> None:
        named = (inferred_rules(one, tick_size=_FINEST, step_size=_FINEST) for one in symbols)
        self._listings = tuple(listing_from_rules(one) for one in (*named, *rules))
        self._publisher: QuotePublisher | None = None
        self._current = {
            listing.symbol: venue_quote(symbol=listing.symbol, update_id=first_update_id)
            for listing in self._listings
        }

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    async def run(self, publisher: QuotePublisher) -> None:
        """Let pushes through until canceled; what was pushed before is there at the opening."""
        for quote in self._current.values():
            publisher.publish(quote)
        self._publisher = publisher
        publisher.open()
        try:
            await asyncio.Event().wait()
        finally:
            self._publisher = None

    def push(
        self,
        symbol: str,
        *,
        bid: Level | None = None,
        ask: Level | None = None,
        update_id: int | None = None,
    ) -> VenueQuote:
        """Quote ``symbol`` now and return what is sent; None leaves a side empty.

        ``update_id`` defaults to the one after the last.
        """
        quote = venue_quote(
            symbol=symbol,
            update_id=self._current[symbol].update_id + 1 if update_id is None else update_id,
            bid=_wire_level(bid),
            ask=_wire_level(ask),
        )
        self._current[symbol] = quote
        if self._publisher is not None:
            self._publisher.publish(quote)
        return quote


def _wire_level(level: Level | None) -> Level:
    if level is None:
        return EMPTY, EMPTY
    price, quantity = level
    return wire_amount(Decimal(price)), wire_amount(Decimal(quantity))
