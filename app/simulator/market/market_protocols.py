"""The seam between a market and the venue that shows it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.venue.listing import Listing


class QuotePublisher(Protocol):
    """Where a market performs: it reaches the clients through nothing else."""

    @property
    def first_update_id(self) -> int:
        """Where update ids begin, for a market that has none of its own."""

    def publish(self, quote: VenueQuote) -> None:
        """Make the quote the current one and send it to whoever subscribed."""

    def open(self) -> None:
        """Let clients in: every listed symbol has a quote, if only an empty one."""

    async def play(self, quotes: Iterator[VenueQuote]) -> None:
        """Publish the quotes at their instants; opens after those at 0."""


class Market(Protocol):
    """What is listed and how it is quoted."""

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""

    async def run(self, publisher: QuotePublisher) -> None:
        """Perform until it is over or canceled; a market may be run again."""
