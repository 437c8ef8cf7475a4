"""The only place that asks what time it is, and the only source of ids."""

import time
from datetime import UTC, datetime

import uuid_utils

from app.domain.order import OrderId


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)

    monotonic_ns = staticmethod(time.monotonic_ns)
    """Nanoseconds on a clock that never goes back; the function itself, as every frame asks it."""


class Uuid7Source:
    """Order ids as UUID version 7 (RFC 9562 section 5.7): they sort by the time they were made."""

    def new_order_id(self) -> OrderId:
        """Return a new id in canonical text form."""
        return OrderId(str(uuid_utils.uuid7()))
