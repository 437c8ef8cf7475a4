"""The client that sends a request, and its permissions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.errors import MissingScopeError
from app.domain.order import PUBLIC, Owner


class Scope(StrEnum):
    """One permission of a key."""

    ORDERS_WRITE = "orders:write"
    ORDERS_READ = "orders:read"
    METRICS = "metrics"


DEFAULT_SCOPES: Final = (Scope.ORDERS_WRITE, Scope.ORDERS_READ)
"""The permissions of a key that names none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An identified client. Orders belong to ``owner``, so several keys may share them."""

    owner: Owner
    scopes: frozenset[Scope]

    def check(self, scope: Scope) -> None:
        """Raise MissingScopeError unless the caller has the scope."""
        if scope not in self.scopes:
            raise MissingScopeError(scope)


ANONYMOUS = Caller(owner=PUBLIC, scopes=frozenset(Scope))
"""The only caller while access is open."""
