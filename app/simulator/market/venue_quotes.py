"""The quotes of a market, and their form on the wire.

A frame of Binance's ``<symbol>@bookTicker`` has no event time, and the stream has no snapshot. Its
keys have this order: ``{"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000",
"a":"25.36520000","A":"40.66000000"}``.
"""

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from app.ports import Clock

DECIMALS: Final = 8
"""Digits after the decimal point of each amount that the venue sends."""

EMPTY: Final = "0.00000000"
"""Price and quantity of an empty side."""

_UPDATE_ID: Final = re.compile(r'("u"\s*:\s*)\d+')


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueQuote:
    """One observation of a symbol's best bid and best ask, with amounts as texts of the wire.

    ``at_ns`` counts from the opening of the market, and ``data`` is the exact text of the frame.
    Only a quote at time 0, the opening, may have two empty sides.
    """

    at_ns: int
    symbol: str
    update_id: int
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    data: str


def venue_quote(
    *,
    at_ns: int = 0,
    symbol: str,
    update_id: int,
    bid: tuple[str, str] = (EMPTY, EMPTY),
    ask: tuple[str, str] = (EMPTY, EMPTY),
) -> VenueQuote:
    """Return a quote with its text; ``bid`` and ``ask`` are price and quantity as sent."""
    return VenueQuote(
        at_ns=at_ns,
        symbol=symbol,
        update_id=update_id,
        bid_price=bid[0],
        bid_quantity=bid[1],
        ask_price=ask[0],
        ask_quantity=ask[1],
        data=(
            f'{{"u":{update_id},"s":"{symbol}","b":"{bid[0]}","B":"{bid[1]}",'
            f'"a":"{ask[0]}","A":"{ask[1]}"}}'
        ),
    )


def with_update_id(quote: VenueQuote, update_id: int) -> VenueQuote:
    """Return the quote with another update id; the rest of its text stays the same."""
    if update_id == quote.update_id:
        return quote
    data = _UPDATE_ID.sub(rf"\g<1>{update_id}", quote.data, count=1)
    return replace(quote, update_id=update_id, data=data)


def wire_amount(amount: Decimal) -> str:
    """Format an amount as Binance does, with eight decimals."""
    return format(amount, f".{DECIMALS}f")


def epoch_ms(clock: Clock) -> int:
    """Return the time in milliseconds, the form of all times on the wire."""
    return int(clock.now().timestamp() * 1000)


def stream_name(symbol: str) -> str:
    """Return the name of the stream with the quotes of ``symbol``."""
    return f"{symbol.lower()}@bookTicker"
