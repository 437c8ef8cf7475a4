"""The only module that reads the machine's clocks, and the only source of order ids."""

import time
from datetime import UTC, datetime

import uuid_utils

from app.domain.order import OrderId


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware in UTC."""
        return datetime.now(UTC)

    monotonic_ns = staticmethod(time.monotonic_ns)
    """Nanoseconds of a clock that never goes back; no wrapper, since every frame calls it."""


class Uuid7Source:
    """Order ids as UUID version 7 (RFC 9562 section 5.7): they sort by creation time."""

    def new_order_id(self) -> OrderId:
        """Return a new id in canonical text form."""
        return OrderId(str(uuid_utils.uuid7()))
