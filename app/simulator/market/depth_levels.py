"""The order book behind the touch: believable, and at the touch exactly the current quote.

Only the best levels are part of a market. What stands behind them is made up when it is asked for,
from the grid of the symbol and the quantity at the touch, the same for the same quote.
"""

import zlib
from decimal import Decimal
from functools import partial
from typing import Final

from app.domain.amounts import EXACT, ZERO
from app.simulator.market.venue_quotes import VenueQuote, wire_amount
from app.simulator.venue.listing import Listing

_GAP_TICKS_MAX: Final = 3
_FINEST: Final = Decimal("0.00000001")

Level = list[str]


def depth_levels(quote: VenueQuote, listing: Listing, levels_max: int) -> dict[str, object]:
    """Return the answer of ``GET /api/v3/depth``; an empty side has no levels."""
    typical = max(Decimal(quote.bid_quantity), Decimal(quote.ask_quantity))
    levels = partial(_levels, listing=listing, typical=typical, levels_max=levels_max)
    return {
        "lastUpdateId": quote.update_id,
        "bids": levels([quote.bid_price, quote.bid_quantity], direction=-1),
        "asks": levels([quote.ask_price, quote.ask_quantity], direction=1),
    }


def _levels(
    touch: Level, *, listing: Listing, typical: Decimal, levels_max: int, direction: int
) -> list[Level]:
    """List a side from the touch outward; a bid below the smallest price ends it."""
    price = Decimal(touch[0])
    if price == ZERO:
        return []
    tick = listing.tick_size or _FINEST
    step = listing.step_size or _FINEST
    levels = [touch]
    while len(levels) < levels_max:
        digest = zlib.crc32(f"{listing.symbol}{levels[-1][0]}{direction}".encode())
        ticks = direction * (1 + digest % _GAP_TICKS_MAX)
        price = EXACT.fma(tick, Decimal(ticks), price)
        if price < tick:
            break
        levels.append([wire_amount(price), wire_amount(_quantity(typical, step, digest))])
    return levels


def _quantity(typical: Decimal, step: Decimal, digest: int) -> Decimal:
    """Return between a half and two and a half times the usual, in whole steps, one at least."""
    share = Decimal(50 + (digest >> 8) % 200).scaleb(-2)
    steps = EXACT.divide_int(EXACT.multiply(typical, share), step)
    return EXACT.multiply(max(steps, Decimal(1)), step)
