"""An order in the matcher's hands, what may happen to it, and the heap it stands in."""

import heapq
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

from app.domain.amounts import EXACT
from app.domain.order import Arrival, Order, OrderStatus, Reason

_COMPACT_ABOVE: Final = 64
_Key = TypeVar("_Key", Decimal, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order against one quote, at the displayed price.

    ``split_number`` counts the order's fills from 1; ``filled_quantity`` and ``quote_quantity`` are
    cumulative, this fill included.
    """

    order: Order
    split_number: int
    update_id: int
    price: Decimal
    quantity: Decimal
    displayed_quantity: Decimal
    filled_quantity: Decimal
    quote_quantity: Decimal
    arrival: Arrival | None
    quotes_seen: int

    @property
    def closes(self) -> bool:
        """Whether the order is filled with it."""
        return self.filled_quantity == self.order.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The end of an order that was not filled, with what was filled until then.

    ``status`` is ``EXPIRED`` or ``CANCELED``. ``departure_update_id`` is the newest update id that
    was applied when it ended, None if the order met no quote.
    """

    order: Order
    status: OrderStatus
    reason: Reason
    splits_total: int
    filled_quantity: Decimal
    quote_quantity: Decimal
    arrival: Arrival | None
    quotes_seen: int
    departure_update_id: int | None

    @property
    def closes(self) -> bool:
        """Whether the order ends with it: it does."""
        return True


Step = Fill | Closing
"""What happened to one order."""


@dataclass(slots=True)
class Resting:
    """An order in the matcher's hands; the only mutable thing the core holds per order.

    ``quotes_base`` is what the matcher's count of quotes was when the order's own was zero.
    """

    order: Order
    deadline_ns: int
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    quotes_base: int
    arrival: Arrival | None
    may_have_met_quotes: bool
    is_open: bool = True

    @property
    def remaining(self) -> Decimal:
        """What is left to fill."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    def close(
        self, status: OrderStatus, reason: Reason, *, quotes_applied: int, gate: int
    ) -> Closing:
        """End the order.

        ``quotes_applied`` is the matcher's count of quotes, ``gate`` the newest update id of them.
        """
        self.is_open = False
        quotes_seen = quotes_applied - self.quotes_base
        has_met_quotes = self.arrival is not None or quotes_seen > 0
        return Closing(
            order=self.order,
            status=status,
            reason=reason,
            splits_total=self.splits_total,
            filled_quantity=self.filled_quantity,
            quote_quantity=self.quote_quantity,
            arrival=self.arrival,
            quotes_seen=quotes_seen,
            departure_update_id=gate if has_met_quotes else None,
        )


class RestingHeap(Generic[_Key]):
    """Resting orders by a key, then by acceptance; closed ones are dropped when met or too many."""

    def __init__(self) -> None:
        self._entries: list[tuple[_Key, int, Resting]] = []
        self._closed = 0

    def push(self, key: _Key, resting: Resting) -> None:
        """Add an order; the smallest key comes first."""
        heapq.heappush(self._entries, (key, resting.order.acceptance_number, resting))

    def first(self) -> Resting | None:
        """Return the first order that is open, None without any."""
        entries = self._entries
        while entries:
            resting = entries[0][2]
            if resting.is_open:
                return resting
            heapq.heappop(entries)
            self._closed -= 1
        return None

    @property
    def is_empty(self) -> bool:
        """Whether no order in it is open."""
        return len(self._entries) == self._closed

    def all_open(self) -> list[Resting]:
        """Return the open orders, in no order."""
        return [entry[2] for entry in self._entries if entry[2].is_open]

    def note_closed(self, count: int = 1) -> None:
        """Count all entries closed since the last call; rebuild once they are the larger half."""
        self._closed += count
        if self._closed > _COMPACT_ABOVE and self._closed * 2 > len(self._entries):
            self._entries = [entry for entry in self._entries if entry[2].is_open]
            heapq.heapify(self._entries)
            self._closed = 0
