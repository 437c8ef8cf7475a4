"""An order in the matcher's hands, what may happen to it, and the heap it stands in."""

import heapq
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.amounts import EXACT, FRACTION_DIGITS_MAX
from app.domain.first_quotes import FirstQuote
from app.domain.order import Arrival, Decision, Order, OrderSnapshot, OrderStatus, Reason, Side

_STALE_KEYS_MAX: Final = 64
"""So many keys of orders that left may stay in any heap; beyond it their share decides."""

_STALE_SHARE_AT_THE_TOP: Final = 1 / 16
"""With a greater share of them it is quicker to make the heap anew than to pop them in turn."""

_NUMBER_BITS: Final = 63
"""An acceptance number has as many at most, or the database could not store it."""


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
    was applied when it ended, None if the order met no quote. ``decision`` is what that quote had
    for an IOC or FOK order that ends by it.
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
        """Whether the order ends with it: it does."""
        return True


Step = Fill | Closing
"""What happened to one order."""


def unmet_end(snapshot: OrderSnapshot, gate: int) -> Closing:
    """Return the end of an order whose time was over before it could rest anywhere again."""
    return Closing(
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


@dataclass(slots=True)
class Resting:
    """An order in the matcher's hands; the only mutable thing the core holds per order.

    ``rank`` and ``deadline_key`` are its places among others: the smallest is served first, or ends
    first. ``quotes_base`` is what the matcher's count of quotes was when the order's own was zero.
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
        """What is left to fill."""
        return EXACT.subtract(self.order.quantity, self.filled_quantity)

    @property
    def arrival(self) -> Arrival | None:
        """The first quote that the order met; None before that, and if nobody knows it."""
        met = self.first_quote
        return met.arrival if isinstance(met, FirstQuote) else met

    @property
    def deadline_ns(self) -> int:
        """The last instant at which a quote may fill it."""
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

        ``quotes_applied`` is the matcher's count of quotes, ``gate`` the newest update id of them.
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
            departure_update_id=gate if has_met_quotes else None,
            decision=decision,
        )


def rank_of(order: Order) -> int:
    """Return what is smaller for a better limit price, then for an earlier acceptance."""
    exact_units = EXACT.scaleb(order.limit_price, FRACTION_DIGITS_MAX)
    units = int(exact_units)
    assert units == exact_units, "no amount has more digits"
    return ((-units if order.side is Side.BUY else units) << _NUMBER_BITS) + order.acceptance_number


def deadline_key_of(order: Order, deadline_ns: int) -> int:
    """Return what is smaller for an earlier deadline, then for an earlier acceptance."""
    return (deadline_ns << _NUMBER_BITS) + order.acceptance_number


class RestingHeap:
    """Open orders by keys that no two share; ``first`` has the smallest, None without any.

    The heap holds bare integers, which compare fast and are no work for the garbage collector. An
    order leaves without being searched: its key stays until it is met, or too many have stayed.

    A sorted list, into which newcomers are merged from a small heap, was tried and refused: it
    gives up its first order a third quicker and takes one in three times slower, with pauses.
    """

    __slots__ = ("_keys", "_open", "first")

    def __init__(self) -> None:
        self.first: Resting | None = None
        self._keys: list[int] = []
        self._open: dict[int, Resting] = {}

    def __len__(self) -> int:
        """Return how many orders are open."""
        return len(self._open)

    def add(self, key: int, resting: Resting) -> None:
        """Take an order in."""
        heapq.heappush(self._keys, key)
        self._open[key] = resting
        if self._keys[0] == key:
            self.first = resting

    def remove(self, key: int) -> None:
        """Let go of an order."""
        is_first = self._open.pop(key) is self.first
        stale = len(self._keys) - len(self._open)
        share = _STALE_SHARE_AT_THE_TOP if is_first else 1 / 2
        if stale > _STALE_KEYS_MAX and stale > share * len(self._keys):
            self._keys = list(self._open)
            heapq.heapify(self._keys)
        if is_first:
            self._advance()

    def all_open(self) -> list[Resting]:
        """Return the open orders, in no order."""
        return list(self._open.values())

    def _advance(self) -> None:
        """Find the first order anew."""
        keys = self._keys
        while keys and keys[0] not in self._open:
            heapq.heappop(keys)
        self.first = self._open[keys[0]] if keys else None
