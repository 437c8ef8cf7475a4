"""The symbols that the venue lists now: the market's listings with the changes at run time."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from app.domain.rules import TRADING
from app.simulator.market.venue_quotes import wire_amount
from app.simulator.venue.listing import Listing

RULES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "price_min": (("PRICE_FILTER",), "minPrice"),
    "price_max": (("PRICE_FILTER",), "maxPrice"),
    "tick_size": (("PRICE_FILTER",), "tickSize"),
    "quantity_min": (("LOT_SIZE",), "minQty"),
    "quantity_max": (("LOT_SIZE",), "maxQty"),
    "step_size": (("LOT_SIZE",), "stepSize"),
    "notional_min": (("NOTIONAL", "MIN_NOTIONAL"), "minNotional"),
    "notional_max": (("NOTIONAL",), "maxNotional"),
}
"""The place of each trading rule in exchangeInfo: the filters that may hold it, and its key."""


class ListedSymbols:
    """Listings by symbol, in the order of exchangeInfo.

    Raises:
        ValueError: from each method that changes a symbol, if the market does not have it.
    """

    def __init__(self, listings: Sequence[Listing]) -> None:
        self._original = {listing.symbol: listing for listing in listings}
        # A delisted symbol is None, so that a relisted one has its former place.
        self._present: dict[str, Listing | None] = dict(self._original)

    def __iter__(self) -> Iterator[Listing]:
        """Yield the listings."""
        return (listing for listing in self._present.values() if listing is not None)

    def get(self, symbol: str) -> Listing | None:
        """Return the listing of a symbol; None if the symbol is not listed."""
        return self._present.get(symbol)

    def original(self, symbol: str) -> Listing:
        """Return the listing that the market itself has for a symbol."""
        return self._known(symbol)

    def is_silent(self, symbol: str) -> bool:
        """Return whether quotes of a symbol stop, because it was halted or delisted."""
        listing = self._present.get(symbol)
        if listing is None:
            return True
        # A symbol that the market itself lists as halted keeps the quotes that its tape has.
        return listing is not self._original[symbol] and not listing.is_trading

    @property
    def changed(self) -> dict[str, str]:
        """The status, or ``delisted``, of each symbol that differs from the market's listing."""
        return {
            symbol: "delisted" if listing is None else listing.status
            for symbol, listing in self._present.items()
            if listing is not self._original[symbol]
        }

    def set_status(self, symbol: str, status: str = TRADING) -> None:
        """Change the status of a symbol; a delisted symbol is listed again."""
        listing = self._present.get(symbol) or self._known(symbol)
        self._present[symbol] = Listing({**listing.entry, "status": status})

    def remove(self, symbol: str) -> None:
        """Delist a symbol."""
        self._known(symbol)
        self._present[symbol] = None

    def change_rules(self, symbol: str, **rules: Decimal) -> None:
        """Change trading rules of a listed symbol, named by the keys of ``RULES``."""
        listing = self._present.get(symbol)
        if listing is None:
            self._known(symbol)
            raise ValueError(f"{symbol} is delisted")
        # The original must stay intact for restore().
        entry = copy.deepcopy(listing.entry)
        for name, value in rules.items():
            kinds, key = RULES[name]
            holders = [one for one in entry["filters"] if one["filterType"] in kinds]
            if not holders:
                raise ValueError(f"{symbol} has no filter {' or '.join(kinds)}")
            for holder in holders:
                holder[key] = wire_amount(value)
        self._present[symbol] = Listing(entry)

    def restore(self) -> None:
        """Undo every change."""
        self._present.update(self._original)

    def _known(self, symbol: str) -> Listing:
        if symbol not in self._original:
            raise ValueError(f"the market has no symbol {symbol[:40]!r}")
        return self._original[symbol]
