"""The controls of a market's time: pause, resume, and play up to an update id."""

import asyncio
import contextlib

from app.simulator.market.playback import Playback, PlayTarget
from app.simulator.market.venue_quotes import EMPTY, VenueQuote
from app.simulator.venue.listed_symbols import ListedSymbols


class MarketTime:
    """A market's time before and while it is played, with its listed symbols and current quotes."""

    def __init__(self, listed: ListedSymbols) -> None:
        self._listed = listed
        self._quotes: dict[str, VenueQuote] = {}
        self._playback: Playback | None = None
        self._target: PlayTarget | None = None
        self._is_paused = False

    def pause(self) -> None:
        """Stop the market's time.

        Called before ``serve``, it stops the time at the opening.
        """
        self._is_paused = True
        if self._playback is not None:
            self._playback.pause()

    def resume(self) -> None:
        """Continue the market's time."""
        self._is_paused = False
        if self._playback is not None:
            self._playback.resume()

    def play_to(self, update_id: int, *, symbol: str | None = None) -> PlayTarget:
        """Continue the market's time up to and including a quote, then stop.

        If the symbol has no quote with this id, time stops before its first quote with a greater
        id. If that quote was already played, time stops immediately.

        Args:
            update_id: the id of the quote in the market, as in its tape.
            symbol: the symbol of the quote; None for the first quote of any symbol with this id.

        Returns:
            The target, whose event ``reached`` is set when time stops there.
        """
        listed = [listing.symbol for listing in self._listed]
        # Only a target with a symbol can notice that its id was missed.
        if symbol is None and len(listed) == 1:
            symbol = listed[0]
        if symbol is not None:
            self._checked_symbol(symbol)
        self._target = PlayTarget(symbol=symbol, update_id=update_id)
        self._is_paused = False
        if self._playback is not None:
            self._playback.play_to(self._target)
        return self._target

    async def play_and_wait(
        self, update_id: int, *, symbol: str | None = None, wait: float = 0.0
    ) -> dict[str, object]:
        """Play up to and including an update id, then pause.

        Returns:
            The state of the market there, or after ``wait`` seconds.
        """
        target = self.play_to(update_id, symbol=symbol)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await target.reached.wait()
        return self._market_state()

    def _market_state(self) -> dict[str, object]:
        playback = self._playback
        state = "playing"
        if playback is None or playback.is_paused:
            state = "paused"
        elif playback.is_over:
            state = "over"
        target = self._target
        return {
            "state": state,
            "play_to": None
            if target is None
            else {
                "symbol": target.symbol,
                "update_id": target.update_id,
                "is_reached": target.reached.is_set(),
            },
            "update_ids": {
                symbol: quote.update_id
                for symbol, quote in self._quotes.items()
                if {quote.bid_price, quote.ask_price} != {EMPTY}
            },
        }

    def _checked_symbol(self, symbol: str) -> str:
        if symbol not in self._quotes and self._listed.get(symbol) is None:
            raise ValueError(f"the market has no symbol {symbol[:40]!r}")
        return symbol
