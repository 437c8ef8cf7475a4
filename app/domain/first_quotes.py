"""The first quote of each order. Orders that meet the same first quote share one object."""

from dataclasses import dataclass

from app.domain.order import Arrival, Side
from app.domain.quote import Quote


@dataclass(slots=True)
class FirstQuote:
    """The arrival of orders that wait for the same quote; None until the quote comes."""

    arrival: Arrival | None = None


class FirstQuotes:
    """Shares arrivals between orders, so that one assignment sets the arrival of many orders.

    ``awaited`` holds, by side, the arrival shared by all orders that wait for the next quote.
    """

    def __init__(self) -> None:
        self._met: dict[Side, tuple[Quote, Arrival]] = {}
        self.awaited: dict[Side, FirstQuote] = {}

    def upcoming(self, side: Side) -> FirstQuote:
        """Return the arrival shared by all orders that wait for the next quote on this side."""
        return self.awaited.setdefault(side, FirstQuote())

    def at(self, quote: Quote, side: Side) -> Arrival:
        """Return the arrival shared by all orders whose first quote on this side is this one."""
        # The last quote suffices: an order meets the current quote, never an earlier one.
        known = self._met.get(side)
        if known is None or known[0] is not quote:
            known = self._met[side] = (quote, arrival_of(quote, side))
        return known[1]

    def resolve(self, quote: Quote) -> None:
        """Set the arrival of all orders that waited for a quote."""
        for side, first_quote in self.awaited.items():
            first_quote.arrival = arrival_of(quote, side)
        self.awaited.clear()


def arrival_of(quote: Quote, side: Side) -> Arrival:
    """Return the arrival of an order of ``side`` whose first quote is this one."""
    price = quote.ask_price if side is Side.BUY else quote.bid_price
    return Arrival(update_id=quote.update_id, price=price)
