"""An order that a matcher holds, the steps that may happen to it, and the heap that ranks it."""

import heapq
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.amounts import EXACT, FRACTION_DIGITS_MAX
from app.domain.first_quotes import FirstQuote
from app.domain.order import Arrival, Decision, Order, OrderSnapshot, OrderStatus, Reason, Side

_STALE_KEYS_MAX: Final = 64
"""Keys of removed orders that may stay in a heap. Beyond it their share decides."""

_STALE_SHARE_AT_THE_TOP: Final = 1 / 16
"""With a larger share of them, rebuilding the heap is faster than popping them one by one."""

_NUMBER_BITS: Final = 63
"""The most bits of an acceptance number: the database stores signed 64-bit integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order against one quote, at the displayed price.

    ``split_number`` counts the order's fills from 1. ``filled_quantity`` and ``quote_quantity`` are
    cumulative, including this fill.
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
        """Whether this fill completes the order."""
        return self.filled_quantity == self.order.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The end of an order that was not filled, with the quantities filled before.

    Attributes:
        order: the order.
        status: ``EXPIRED`` or ``CANCELED``.
        reason: why the order ended.
        splits_total: how many splits the order has.
        filled_quantity: the quantity filled before the end.
        quote_quantity: the sum of price times quantity of its splits.
        arrival: the first quote that the order met, None if unknown.
        quotes_seen: how many quotes the order met.
        departure_update_id: the newest update id applied when the order ended, None if the order
            met no quote.
        decision: the quote that decided an IOC or FOK order, else None.
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
    decision: Decision | None = None

    @property
    def closes(self) -> bool:
        """Always True: the order ends."""
        return True

    @classmethod
    def of_unmet(cls, snapshot: OrderSnapshot, gate: int) -> "Closing":
        """Return the end of an order whose time passed before a matcher could hold it again."""
        return cls(
            order=snapshot.order,
            status=OrderStatus.EXPIRED,
            reason=Reason.TIMEOUT_DURING_OUTAGE,
            splits_total=snapshot.splits_total,
            filled_quantity=snapshot.filled_quantity,
            quote_quantity=snapshot.quote_quantity,
            arrival=snapshot.arrival,
            quotes_seen=snapshot.quotes_seen,
            departure_update_id=None if snapshot.arrival is None else gate,
        )


Step = Fill | Closing
"""One thing that happened to one order."""


@dataclass(slots=True)
class RestingOrder:
    """An order that a matcher holds; the only mutable object that the core keeps per order.

    Attributes:
        order: the terms of the order.
        rank: the key of the order in its book. The smallest rank fills first.
        deadline_key: the key of the order among the deadlines. The smallest key expires first.
        filled_quantity: the sum of the quantities of its fills.
        quote_quantity: the sum of price times quantity of its fills.
        splits_total: how many fills the order has.
        quotes_base: the matcher's count of quotes at which the order's own count is zero.
        first_quote: the arrival, or the object that will receive it. None if nothing knows it.
        may_have_met_quotes: an earlier matcher may have shown the order quotes that are not stored.
    """

    order: Order
    rank: int
    deadline_key: int
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    quotes_base: int
    first_quote: FirstQuote | Arrival | None
    may_have_met_quotes: bool

    @property
    def remaining(self) -> Decimal:
        """The quantity left to fill."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def arrival(self) -> Arrival | None:
        """The first quote that the order met; None before it, and if it is unknown."""
        met = self.first_quote
        return met.arrival if isinstance(met, FirstQuote) else met

    @property
    def deadline_ns(self) -> int:
        """The last instant at which a received quote may fill the order."""
        return self.deadline_key >> _NUMBER_BITS

    def close(
        self,
        status: OrderStatus,
        reason: Reason,
        *,
        quotes_applied: int,
        gate: int,
        decision: Decision | None = None,
    ) -> Closing:
        """Return the end of the order.

        ``quotes_applied`` is the matcher's count of quotes, ``gate`` their newest update id.
        """
        arrival = self.arrival
        quotes_seen = quotes_applied - self.quotes_base
        has_met_quotes = arrival is not None or quotes_seen > 0
        return Closing(
            order=self.order,
            status=status,
            reason=reason,
            splits_total=self.splits_total,
            filled_quantity=self.filled_quantity,
            quote_quantity=self.quote_quantity,
            arrival=arrival,
            quotes_seen=quotes_seen,
            # The gate may be a stored one from long ago. It bounds the splits of an order only if
            # the order met a quote.
            departure_update_id=gate if has_met_quotes else None,
            decision=decision,
        )


def rank_of(order: Order) -> int:
    """Return a key that is smaller for a better limit price, then for an earlier acceptance."""
    exact_units = EXACT.scaleb(order.limit_price, FRACTION_DIGITS_MAX)
    units = int(exact_units)
    assert units == exact_units, "no amount has more digits"
    # Integers compare faster than decimals and tuples. The number of bits keeps both parts apart.
    return ((-units if order.side is Side.BUY else units) << _NUMBER_BITS) + order.acceptance_number


def deadline_key_of(order: Order, deadline_ns: int) -> int:
    """Return a key that is smaller for an earlier deadline, then for an earlier acceptance."""
    return (deadline_ns << _NUMBER_BITS) + order.acceptance_number


class RestingHeap:
    """Open orders by unique keys. ``first`` has the smallest key, None without orders.

    The heap holds plain integers: they compare fast, and the garbage collector ignores them.
    Removing an order leaves its key in the heap. The key goes when it reaches the top, or when the
    heap is rebuilt because it holds too many such keys.

    We tried a sorted list that merges new orders from a small heap, and refused it. It removes its
    first order in a third less time, but adds an order three times slower, with pauses.
    """

    __slots__ = ("_keys", "_open", "first")

    def __init__(self) -> None:
        self.first: RestingOrder | None = None
        self._keys: list[int] = []
        self._open: dict[int, RestingOrder] = {}

    def __len__(self) -> int:
        """Return how many orders are open."""
        return len(self._open)

    def add(self, key: int, resting: RestingOrder) -> None:
        """Add an order."""
        heapq.heappush(self._keys, key)
        self._open[key] = resting
        if self._keys[0] == key:
            self.first = resting

    def remove(self, key: int) -> None:
        """Remove an order."""
        is_first = self._open.pop(key) is self.first
        # A search for the key takes linear time, so the key stays until it reaches the top.
        stale = len(self._keys) - len(self._open)
        share = _STALE_SHARE_AT_THE_TOP if is_first else 1 / 2
        if stale > _STALE_KEYS_MAX and stale > share * len(self._keys):
            self._keys = list(self._open)
            heapq.heapify(self._keys)
        if is_first:
            self._advance()

    def all_open(self) -> list[RestingOrder]:
        """Return the open orders, unsorted."""
        return list(self._open.values())

    def _advance(self) -> None:
        """Find the first order again."""
        keys = self._keys
        # Keys of removed orders may have reached the top.
        while keys and keys[0] not in self._open:
            heapq.heappop(keys)
        self.first = self._open[keys[0]] if keys else None
