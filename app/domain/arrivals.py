"""The first quote that each order meets: shared by all that meet the same one."""

from dataclasses import dataclass

from app.domain.order import Arrival, Side
from app.domain.quote import Quote


@dataclass(slots=True)
class FirstQuote:
    """What orders that meet the same quote first have in common; None until that quote comes."""

    arrival: Arrival | None = None


class FirstQuotes:
    """Hands out what orders share, so that a quote tells any number of them at once."""

    def __init__(self) -> None:
        self._met: dict[Side, tuple[Quote, FirstQuote]] = {}
        self._awaited: dict[Side, FirstQuote] = {}

    @property
    def are_awaited(self) -> bool:
        """Whether orders wait for the next quote."""
        return bool(self._awaited)

    def of(self, quote: Quote | None, side: Side) -> FirstQuote:
        """Return that of orders of ``side`` which meet this quote first; None is the next one."""
        if quote is None:
            return self._awaited.setdefault(side, FirstQuote())
        known = self._met.get(side)
        if known is None or known[0] is not quote:
            known = self._met[side] = (quote, FirstQuote(arrival_of(quote, side)))
        return known[1]

    def come(self, quote: Quote) -> None:
        """Tell all orders that waited for a quote."""
        for side, first_quote in self._awaited.items():
            first_quote.arrival = arrival_of(quote, side)
        self._awaited.clear()


def arrival_of(quote: Quote, side: Side) -> Arrival:
    """Return what an order of ``side`` finds in the first quote that it meets."""
    price = quote.ask_price if side is Side.BUY else quote.bid_price
    return Arrival(update_id=quote.update_id, price=price)
