"""Time, ids and the identity of callers: the ports that belong to no side of the service."""

from datetime import datetime
from typing import Protocol

from app.domain.caller import Caller
from app.domain.order import OrderId


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never decrease and have no relation to a date."""


class IdSource(Protocol):
    """Makes unique ids. A later id sorts after an earlier one."""

    def new_order_id(self) -> OrderId: ...


class Access(Protocol):
    """Identifies callers."""

    @property
    def description(self) -> str:
        """How the service identifies callers, for the log."""

    def identify(self, bearer: str | None) -> Caller:
        """Return the caller that a key belongs to; None means that the request has no key.

        Raises:
            UnauthorizedError: a key is required, and this one is missing or unknown.
        """
