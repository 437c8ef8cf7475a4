"""A market whose quotes are pushed by code, for tests that need exact quotes."""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from app.domain.rules import TradingRules
from app.simulator.market.playback import Playback
from app.simulator.market.venue_quotes import EMPTY, VenueQuote, venue_quote, wire_amount
from app.simulator.venue.listing import Listing, inferred_rules, listing_from_rules

FIRST_UPDATE_ID: Final = 1_000
"""A small, round number, so that tests can name the update ids that they expect."""

_FINEST: Final = Decimal("0.00000001")

Level = tuple[str, str]
"""Price and quantity."""


class ScriptedMarket:
    """A market that publishes each pushed quote immediately.

    Args:
        symbols: symbols to list with rules that allow everything.
        rules: further symbols to list, with these rules.
        first_update_id: the update id of a symbol before its first quote, while both of its sides
            are empty. The first quote gets the next id.
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
        self._playback: Playback | None = None
        self._current = {
            listing.symbol: venue_quote(symbol=listing.symbol, update_id=first_update_id)
            for listing in self._listings
        }

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    async def run(self, playback: Playback) -> None:
        """Publish pushed quotes until canceled; earlier quotes are current at the opening."""
        for quote in self._current.values():
            playback.publish(quote)
        self._playback = playback
        playback.opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._playback = None

    def push(
        self,
        symbol: str,
        *,
        bid: Level | None = None,
        ask: Level | None = None,
        update_id: int | None = None,
    ) -> VenueQuote:
        """Publish a quote of ``symbol`` now, and return it.

        Args:
            symbol: a listed symbol.
            bid: its best bid; None for an empty side.
            ask: its best ask; None for an empty side.
            update_id: its update id; the next one by default.
        """
        quote = venue_quote(
            symbol=symbol,
            update_id=self._current[symbol].update_id + 1 if update_id is None else update_id,
            bid=_wire_level(bid),
            ask=_wire_level(ask),
        )
        self._current[symbol] = quote
        # Before and after a run the quote is stored only, and the next run publishes it.
        if self._playback is not None:
            self._playback.publish(quote)
        return quote


def _wire_level(level: Level | None) -> Level:
    if level is None:
        return EMPTY, EMPTY
    price, quantity = level
    return wire_amount(Decimal(price)), wire_amount(Decimal(quantity))
