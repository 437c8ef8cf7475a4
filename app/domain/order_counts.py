"""How many orders there are of some kind: in all, of each owner, of each symbol."""

from collections import Counter

from app.domain.order import Order, Owner, Symbol


class OrderCounts:
    """Counts orders; an owner or symbol without any takes no room."""

    def __init__(self) -> None:
        self.total = 0
        self._by_owner: Counter[Owner] = Counter()
        self._by_symbol: Counter[Symbol] = Counter()

    def of_owner(self, owner: Owner) -> int:
        """Return how many are of the owner."""
        return self._by_owner[owner]

    def of_symbol(self, symbol: Symbol) -> int:
        """Return how many are of the symbol."""
        return self._by_symbol[symbol]

    def add(self, order: Order) -> None:
        """Count an order."""
        self.total += 1
        self._by_owner[order.owner] += 1
        self._by_symbol[order.symbol] += 1

    def remove(self, order: Order) -> None:
        """Count an order no more."""
        assert self._by_owner[order.owner], "what is removed was added"
        self.total -= 1
        self._by_owner[order.owner] -= 1
        self._by_symbol[order.symbol] -= 1
        if not self._by_owner[order.owner]:
            del self._by_owner[order.owner]
        if not self._by_symbol[order.symbol]:
            del self._by_symbol[order.symbol]
