"""The synthetic market: seeded, believable, without end.

Every pair walks on randomness of its own, drawn from the seed and its name. So the same seed gives
the same quotes at the same instants, whoever listens and whatever the time of day.
"""

import heapq
import random
from collections.abc import Iterator, Sequence

from app.simulator.market.book_walk import BookWalk
from app.simulator.market.market_protocols import QuotePublisher
from app.simulator.market.pairs import PAIRS, Pair
from app.simulator.market.venue_quotes import VenueQuote, venue_quote
from app.simulator.venue.listing import Listing, listing_from_rules


class SyntheticMarket:
    """A market of some sixty pairs; every trading one is quoted from the opening on."""

    def __init__(self, seed: int, *, pairs: Sequence[Pair] = PAIRS) -> None:
        self.seed = seed
        self._pairs = tuple(pairs)
        self._listings = tuple(listing_from_rules(pair.rules) for pair in self._pairs)

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    async def run(self, publisher: QuotePublisher) -> None:
        """Perform until canceled."""
        await publisher.play(self.quotes(first_update_id=publisher.first_update_id))

    def quotes(self, *, first_update_id: int) -> Iterator[VenueQuote]:
        """Yield the quotes of all pairs in the order of their instants."""
        trading = [pair for pair in self._pairs if pair.dynamics is not None]
        for pair in self._pairs:
            if pair.dynamics is None:
                yield venue_quote(symbol=pair.symbol, update_id=first_update_id)
        walks = [self.pair_quotes(pair, first_update_id=first_update_id) for pair in trading]
        yield from _merge(walks)

    def pair_quotes(self, pair: Pair, *, first_update_id: int) -> Iterator[VenueQuote]:
        """Yield the quotes of one trading pair, the same as among all."""
        chance = random.Random(f"{self.seed}/{pair.symbol}")  # noqa: S311 - a market, no secret
        return BookWalk(pair, chance, first_update_id=first_update_id).quotes()


def _merge(walks: Sequence[Iterator[VenueQuote]]) -> Iterator[VenueQuote]:
    """Merge endless walks by instant; ``heapq.merge`` with a key costs twice as much."""
    heap = [((quote := next(walk)).at_ns, number, quote, walk) for number, walk in enumerate(walks)]
    heapq.heapify(heap)
    while heap:
        _, number, quote, walk = heap[0]
        yield quote
        following = next(walk)
        heapq.heapreplace(heap, (following.at_ns, number, following, walk))
