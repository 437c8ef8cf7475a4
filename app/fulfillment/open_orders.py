"""How many orders are open, and how many may be."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.errors import TooManyOrdersError
from app.domain.order import Owner, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderLimits:
    """The most open orders in all, of one owner, and of one symbol."""

    total: int
    per_owner: int
    per_symbol: int


class OpenOrders:
    """Counts open orders; those on their way to the disk count already, so that none is too many.

    A key whose count is zero is forgotten.
    """

    def __init__(self, limits: OpenOrderLimits) -> None:
        self._limits = limits
        self._total = 0
        self._by_owner: Counter[Owner] = Counter()
        self._by_symbol: Counter[Symbol] = Counter()

    @contextmanager
    def accepting(self, owner: Owner, symbol: Symbol) -> Iterator[None]:
        """Count an order while it is being accepted.

        Raises:
            TooManyOrdersError: there is no room for it.
        """
        self._check(owner, symbol)
        self.add(owner, symbol)
        try:
            yield
        finally:
            self.remove(owner, symbol)

    def add(self, owner: Owner, symbol: Symbol) -> None:
        """Count an open order."""
        self._total += 1
        self._by_owner[owner] += 1
        self._by_symbol[symbol] += 1

    def remove(self, owner: Owner, symbol: Symbol) -> None:
        """Count an order no more."""
        self._total -= 1
        self._by_owner[owner] -= 1
        self._by_symbol[symbol] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]
        if not self._by_symbol[symbol]:
            del self._by_symbol[symbol]

    def _check(self, owner: Owner, symbol: Symbol) -> None:
        limits = self._limits
        if self._total >= limits.total:
            raise TooManyOrdersError(limits.total)
        if self._by_owner[owner] >= limits.per_owner:
            raise TooManyOrdersError(limits.per_owner, scope="an owner")
        if self._by_symbol[symbol] >= limits.per_symbol:
            raise TooManyOrdersError(limits.per_symbol, scope=f"the symbol {symbol}")
