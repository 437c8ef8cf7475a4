"""A market with known lots, which counts how much of each lot was sold."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from app.simulator.market.scripted_market import ScriptedMarket

SYMBOLS: Final = ("LTCBTC", "ETHBTC", "BNBBTC")
DISPLAYED: Final = Decimal(60)
ASK_PRICE: Final = Decimal("0.0025")
BID_PRICE: Final = Decimal("0.0020")
_FAR_ASK: Final = "0.0030"
_FAR_BID: Final = "0.0010"
QUOTES_PER_LOT: Final = 100
"""A lot is displayed for longer than a restart of the service takes."""

QUOTE_SECONDS: Final = 0.015


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A quantity displayed on both sides, by the quotes from the first to the last update id."""

    symbol: str
    first_update_id: int
    last_update_id: int


class LotMarket:
    """Displays a lot in many quotes, removes it, and displays the next one at the same price.

    No order reaches the prices displayed in between.
    """

    def __init__(self, market: ScriptedMarket) -> None:
        self.lots: list[Lot] = []
        self._market = market

    async def run(self) -> None:
        """Display lots until canceled."""
        while True:
            await self.show_lots()

    async def show_lots(self) -> None:
        """Display one lot of every symbol, and remove it."""
        first_ids: dict[str, int] = {}
        for number in range(QUOTES_PER_LOT):
            for symbol in SYMBOLS:
                quote = self._market.push(
                    symbol,
                    bid=(str(BID_PRICE), str(DISPLAYED)),
                    ask=(str(ASK_PRICE), str(DISPLAYED)),
                )
                first = first_ids.setdefault(symbol, quote.update_id)
                lot = Lot(symbol=symbol, first_update_id=first, last_update_id=quote.update_id)
                if number:
                    self.lots[-len(SYMBOLS) + SYMBOLS.index(symbol)] = lot
                else:
                    self.lots.append(lot)
            await asyncio.sleep(QUOTE_SECONDS)
        for symbol in SYMBOLS:
            self._market.push(symbol, bid=(_FAR_BID, "1"), ask=(_FAR_ASK, "1"))
        await asyncio.sleep(QUOTE_SECONDS)

    def oversold(self, events: Iterable[dict[str, Any]]) -> list[str]:
        """Return a complaint for each oversold lot, from the events of all orders."""
        sold: Counter[tuple[str, str, int]] = Counter()
        complaints = []
        for event in events:
            if event["split"] is None:
                continue
            update_id = event["split"]["update_id"]
            lot = self._lot_of(event["symbol"], update_id)
            if lot is None:
                complaints.append(f"{event['order_id']} was filled by {update_id}, which is no lot")
                continue
            key = (event["symbol"], event["side"], lot)
            sold[key] += Decimal(event["split"]["quantity"])  # type: ignore[assignment] # a counter of decimals
        return complaints + [
            f"{quantity} of {DISPLAYED} sold: {key}"
            for key, quantity in sold.items()
            if quantity > DISPLAYED
        ]

    def _lot_of(self, symbol: str, update_id: int) -> int | None:
        for number, lot in enumerate(self.lots):
            if lot.symbol == symbol and lot.first_update_id <= update_id <= lot.last_update_id:
                return number
        return None
