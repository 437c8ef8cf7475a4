"""The order, its statuses, and its durable state."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType

from app.domain.amounts import EXACT

MICROSECOND: Final = timedelta(microseconds=1)
MICROSECONDS_PER_SECOND: Final = Decimal(1_000_000)

OrderId = NewType("OrderId", str)
"""A UUID in its canonical text form (RFC 9562). The ids that we make are ordered by time."""

Owner = NewType("Owner", str)
"""The owner of an order. Owners do not compete for liquidity."""

Symbol = NewType("Symbol", str)
"""A trading pair in the venue's spelling, upper case."""

PUBLIC = Owner("public")
"""The only owner while access is open."""


class Side(StrEnum):
    """The order's direction in the base asset. A BUY takes from asks, a SELL from bids."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    """How long an order may rest.

    GTD rests until ``expires_at``. The first quote decides the others: IOC keeps a part of its
    quantity, FOK fills completely or not at all.
    """

    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """The status of an order, with Binance's names."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def is_terminal(self) -> bool:
        """Whether no other status can follow."""
        return not TRANSITIONS[self]


# An order stays PARTIALLY_FILLED for any number of fills. A terminal status is final.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.NEW: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.PARTIALLY_FILLED: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
}


class Reason(StrEnum):
    """Why an order ended without being filled."""

    TIMEOUT = "TIMEOUT"
    NO_MARKET_DATA = "NO_MARKET_DATA"
    TIMEOUT_DURING_OUTAGE = "TIMEOUT_DURING_OUTAGE"
    IOC_REMAINDER = "IOC_REMAINDER"
    FOK_UNFILLABLE = "FOK_UNFILLABLE"
    CANCELED_BY_CLIENT = "CANCELED_BY_CLIENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A client's request for an order, valid in form. The venue's rules are checked separately.

    ``timeout_seconds`` is how long a GTD order may rest, or how long an IOC or FOK order waits for
    the quote that decides it.
    """

    owner: Owner
    client_order_id: str | None
    symbol: Symbol
    side: Side
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal
    timeout_seconds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The terms of an accepted order, without its fills and status.

    Attributes:
        order_id: the id of the order.
        acceptance_number: rises with acceptance, and decides priority at the same limit price.
        owner: the owner of the order.
        client_order_id: the client's own key, None without one.
        symbol: the trading pair.
        side: the direction in the base asset.
        time_in_force: how long the order may rest.
        quantity: the ordered quantity, in the base asset.
        limit_price: the worst price that the order accepts, in the quote asset.
        accepted_at: when the order was accepted, aware and in UTC.
        expires_at: the last time at which a received quote may fill the order, aware and in UTC.
    """

    order_id: OrderId
    acceptance_number: int
    owner: Owner
    client_order_id: str | None
    symbol: Symbol
    side: Side
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal
    accepted_at: datetime
    expires_at: datetime

    @property
    def rests(self) -> bool:
        """Whether the order may stay after its first quote, which decides an IOC or FOK order."""
        return self.time_in_force is TimeInForce.GTD

    def has_terms_of(self, new_order: NewOrder) -> bool:
        """Whether ``new_order`` repeats the request for this order.

        The values are compared: 1.0 equals 1, and a default equals the same value sent explicitly.
        """
        # The stored times have microseconds, so the timeouts compare as whole microseconds.
        timeout_microseconds = EXACT.multiply(new_order.timeout_seconds, MICROSECONDS_PER_SECOND)
        return (
            self.owner == new_order.owner
            and self.symbol == new_order.symbol
            and self.side is new_order.side
            and self.time_in_force is new_order.time_in_force
            and self.quantity == new_order.quantity
            and self.limit_price == new_order.limit_price
            and (self.expires_at - self.accepted_at) // MICROSECOND == timeout_microseconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The first quote that an order met, as the reference for its fills.

    ``price`` is the quote's best price on the opposite side, zero if that side was empty.
    """

    update_id: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The quote that decided an IOC or FOK order, as the order found it in its turn.

    This may be a later quote than the first one: nothing is decided while the database refuses
    writes.

    Attributes:
        price: the best price on the opposite side, zero if that side was empty.
        displayed_quantity: the quantity displayed at that price.
        taken_quantity: how much of it the owner's other orders had taken before.
    """

    price: Decimal
    displayed_quantity: Decimal
    taken_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """The durable state of an order.

    Attributes:
        order: the terms of the order.
        status: the current status.
        reason: why the order ended without being filled, else None.
        filled_quantity: the sum of the quantities of its splits.
        quote_quantity: the exact sum of price times quantity of its splits.
        splits_total: how many splits the order has.
        last_sequence: the sequence of its newest event.
        closed_at: when the order reached a terminal status, None while it is open.
        arrival: the first quote that the order met. None if no stored event names one.
        quotes_seen: how many quotes the order had met at its newest event.
        departure_update_id: the newest update id applied when the order ended. None while the
            order is open, and if it met no quote. All its splits lie between arrival and departure.
        decision: the quote that decided an IOC or FOK order without filling it. None for other
            orders, and if it was not stored.
    """

    order: Order
    status: OrderStatus
    reason: Reason | None
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    last_sequence: int
    closed_at: datetime | None
    arrival: Arrival | None
    quotes_seen: int
    departure_update_id: int | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The stored form of one fill."""

    order_id: OrderId
    split_number: int
    update_id: int
    price: Decimal
    quantity: Decimal
    displayed_quantity: Decimal
    filled_at: datetime
