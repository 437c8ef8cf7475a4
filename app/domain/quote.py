"""One observation of a symbol's best bid and best ask."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.order import Order, Side, Symbol


@dataclass(slots=True, unsafe_hash=True)
class Quote:
    """Best bid and best ask of ``symbol`` at the venue's ``update_id``.

    An empty side has price and quantity zero. Otherwise both are positive, and ``bid_price`` is
    below ``ask_price`` if both sides are present. The parser checks this with ``malformation``.

    ``received_ns`` is the receiver's monotonic clock, in nanoseconds, at the read that brought the
    quote. All quotes of one read have the same instant.

    A quote is immutable, and ``Final`` lets the type checker enforce it. ``frozen`` would enforce
    it at run time too, but it makes the constructor seven times as expensive, and every frame calls
    the constructor. Keyword arguments add another half, so only the hot path omits them.
    """

    symbol: Final[Symbol]
    update_id: Final[int]
    bid_price: Final[Decimal]
    bid_quantity: Final[Decimal]
    ask_price: Final[Decimal]
    ask_quantity: Final[Decimal]
    received_ns: Final[int]

    @property
    def malformation(self) -> str | None:
        """The reason why the quote is unusable, None for a valid quote.

        Negative amounts need no check, because the parser refuses a sign.
        """
        if self.update_id <= 0:
            return "update_id_not_positive"
        # A side is present or empty as a whole, and a market with bid >= ask cannot exist.
        if bool(self.bid_price) != bool(self.bid_quantity):
            return "bid_half_empty"
        if bool(self.ask_price) != bool(self.ask_quantity):
            return "ask_half_empty"
        if self.bid_price and self.ask_price and self.bid_price >= self.ask_price:
            return "crossed"
        return None


def is_marketable(order: Order, quote: Quote) -> bool:
    """Whether the quote reaches the order's limit price. An empty side reaches no price."""
    if order.side is Side.BUY:
        return bool(quote.ask_quantity) and order.limit_price >= quote.ask_price
    return bool(quote.bid_quantity) and order.limit_price <= quote.bid_price
