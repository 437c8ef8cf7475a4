"""How many orders are open, and how many may be: in all, per owner, per symbol."""

from collections import Counter
from dataclasses import dataclass

from app.domain.errors import TooManyOrdersError
from app.domain.order import Order, Owner, Symbol


class OrderCounts:
    """Counts orders. An owner or symbol without orders takes no memory."""

    def __init__(self) -> None:
        self.total = 0
        self._by_owner: Counter[Owner] = Counter()
        self._by_symbol: Counter[Symbol] = Counter()

    def of_owner(self, owner: Owner) -> int:
        """Return how many orders the owner has."""
        return self._by_owner[owner]

    def of_symbol(self, symbol: Symbol) -> int:
        """Return how many orders the symbol has."""
        return self._by_symbol[symbol]

    def add(self, order: Order) -> None:
        """Count an order."""
        self.total += 1
        self._by_owner[order.owner] += 1
        self._by_symbol[order.symbol] += 1

    def remove(self, order: Order) -> None:
        """Stop counting an order."""
        assert self._by_owner[order.owner], "a removed order was added before"
        self.total -= 1
        self._by_owner[order.owner] -= 1
        self._by_symbol[order.symbol] -= 1
        # A counter keeps a key whose count is zero, so that memory would grow with every symbol.
        if not self._by_owner[order.owner]:
            del self._by_owner[order.owner]
        if not self._by_symbol[order.symbol]:
            del self._by_symbol[order.symbol]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderLimits:
    """The maximum number of open orders: in all, per owner, and per symbol."""

    total: int
    per_owner: int
    per_symbol: int

    def check_room(self, owner: Owner, symbol: Symbol, *counts: OrderCounts) -> None:
        """Check that one more order fits on top of the sum of ``counts``.

        Raises:
            TooManyOrdersError: a limit is reached.
        """
        if sum(count.total for count in counts) >= self.total:
            raise TooManyOrdersError(self.total)
        if sum(count.of_owner(owner) for count in counts) >= self.per_owner:
            raise TooManyOrdersError(self.per_owner, scope="an owner")
        if sum(count.of_symbol(symbol) for count in counts) >= self.per_symbol:
            raise TooManyOrdersError(self.per_symbol, scope=f"the symbol {symbol}")
