"""One observation of a symbol's best bid and best ask."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.order import Symbol


@dataclass(slots=True, unsafe_hash=True)
class Quote:
    """Best bid and best ask of ``symbol`` as of the venue's ``update_id``.

    An empty side has price and quantity zero. Otherwise both are positive, and ``bid_price`` is
    below ``ask_price`` where both sides are present: whoever parses a quote sees to that with
    ``malformation``. ``received_ns`` is the receiver's monotonic clock in nanoseconds at the read
    that brought it: quotes of one read were received at the same instant.

    Nothing edits one, which the type checker sees to: ``frozen`` would do it at run time as well,
    but makes the constructor, called for every frame, seven times as expensive. Keywords cost it
    another half, so only the hot path does without.
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
        """Say what makes this quote unusable, or None for a sound one.

        Amounts below zero never get here: parsing refuses the sign.
        """
        if self.update_id <= 0:
            return "update_id_not_positive"
        if bool(self.bid_price) != bool(self.bid_quantity):
            return "bid_half_empty"
        if bool(self.ask_price) != bool(self.ask_quantity):
            return "ask_half_empty"
        if self.bid_price and self.ask_price and self.bid_price >= self.ask_price:
            return "crossed"
        return None
