"""The first quote that each order meets: shared by all that meet the same one."""

from dataclasses import dataclass

from app.domain.order import Arrival, Side
from app.domain.quote import Quote


@dataclass(slots=True)
class FirstQuote:
    """Stands for the arrival of orders that wait for the same quote; None until it comes."""

    arrival: Arrival | None = None


class FirstQuotes:
    """Hands out what orders share, so that a quote tells any number of them at once.

    ``awaited`` is what those share that wait for the next one.
    """

    def __init__(self) -> None:
        self._met: dict[Side, tuple[Quote, Arrival]] = {}
        self.awaited: dict[Side, FirstQuote] = {}

    def next(self, side: Side) -> FirstQuote:
        """Return that of orders of ``side`` which meet the next quote first."""
        return self.awaited.setdefault(side, FirstQuote())

    def of(self, quote: Quote, side: Side) -> Arrival:
        """Return that of orders of ``side`` which meet this quote first."""
        known = self._met.get(side)
        if known is None or known[0] is not quote:
            known = self._met[side] = (quote, arrival_of(quote, side))
        return known[1]

    def come(self, quote: Quote) -> None:
        """Tell all orders that waited for a quote."""
        for side, first_quote in self.awaited.items():
            first_quote.arrival = arrival_of(quote, side)
        self.awaited.clear()


def arrival_of(quote: Quote, side: Side) -> Arrival:
    """Return what an order of ``side`` finds in the first quote that it meets."""
    price = quote.ask_price if side is Side.BUY else quote.bid_price
    return Arrival(update_id=quote.update_id, price=price)
