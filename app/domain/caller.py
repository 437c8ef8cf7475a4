"""Who calls, and what the caller may do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.errors import MissingScopeError
from app.domain.order import PUBLIC, Owner


class Scope(StrEnum):
    """What a key is good for."""

    ORDERS_WRITE = "orders:write"
    ORDERS_READ = "orders:read"
    METRICS = "metrics"


DEFAULT_SCOPES: Final = (Scope.ORDERS_WRITE, Scope.ORDERS_READ)
"""What a key is good for unless something else is said."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends a request; orders belong to ``owner``, so several keys may share them."""

    owner: Owner
    scopes: frozenset[Scope]

    def check(self, scope: Scope) -> None:
        """Raise MissingScopeError unless the caller may do what ``scope`` stands for."""
        if scope not in self.scopes:
            raise MissingScopeError(scope)


EVERYBODY = Caller(owner=PUBLIC, scopes=frozenset(Scope))
"""The one caller of open access."""
