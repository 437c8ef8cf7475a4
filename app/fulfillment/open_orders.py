"""How many orders may be open."""

from dataclasses import dataclass

from app.domain.errors import TooManyOrdersError
from app.domain.order import Owner, Symbol
from app.domain.order_counts import OrderCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderLimits:
    """The most open orders in all, of one owner, and of one symbol."""

    total: int
    per_owner: int
    per_symbol: int

    def check_room(self, owner: Owner, symbol: Symbol, *counts: OrderCounts) -> None:
        """See that there is room for one more order than all of ``counts`` together.

        Raises:
            TooManyOrdersError: there is none.
        """
        if sum(count.total for count in counts) >= self.total:
            raise TooManyOrdersError(self.total)
        if sum(count.of_owner(owner) for count in counts) >= self.per_owner:
            raise TooManyOrdersError(self.per_owner, scope="an owner")
        if sum(count.of_symbol(symbol) for count in counts) >= self.per_symbol:
            raise TooManyOrdersError(self.per_symbol, scope=f"the symbol {symbol}")
