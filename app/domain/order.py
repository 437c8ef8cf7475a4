"""The order, its statuses, and what a reader sees of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType

from app.domain.amounts import EXACT

MICROSECOND: Final = timedelta(microseconds=1)
MICROSECONDS_PER_SECOND: Final = Decimal(1_000_000)

OrderId = NewType("OrderId", str)
"""A UUID in its canonical text form (RFC 9562), time-ordered where we make it."""

Owner = NewType("Owner", str)
"""Whose order it is; owners do not compete for liquidity."""

Symbol = NewType("Symbol", str)
"""A trading pair as the venue spells it, upper case."""

PUBLIC = Owner("public")
"""The one owner of open access."""


class Side(StrEnum):
    """What the order does with the base asset; a BUY takes from asks, a SELL from bids."""

    BUY = "BUY"
    SELL = "SELL"


class TimeInForce(StrEnum):
    """How long an order may rest: until a time (GTD), or not at all, whole or in part."""

    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """Binance's names for the states of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def is_terminal(self) -> bool:
        """Whether no further status follows."""
        return not TRANSITIONS[self]


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
    """What a client asks for, valid in form; the venue's rules are checked apart from it.

    ``timeout_seconds`` is how long it may rest: its own for GTD, the time to wait for the one quote
    that decides for IOC and FOK.
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
    """An accepted order: what it is, and nothing of what has become of it.

    ``acceptance_number`` rises with acceptance and decides priority at the same limit price;
    ``accepted_at`` and ``expires_at`` are aware UTC times. The order may be filled by a quote
    received at ``expires_at`` or before.
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
        """Whether it stays after the first quote it meets, which decides an IOC or FOK order."""
        return self.time_in_force is TimeInForce.GTD

    def is_what_was_asked(self, new_order: NewOrder) -> bool:
        """Whether a client that sends ``new_order`` asks for this order once more.

        Values are compared, so 1.0 is 1 and a default is the same as its value spelled out.
        """
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
    """The first quote that an order met: its update id and its best price on the other side.

    What the fills are measured against. The price is zero where that side was empty.
    """

    update_id: int
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the quote that decided an IOC or FOK order had for it when its turn came.

    ``price`` is the best on the other side, zero where that was empty; ``taken_quantity`` is how
    much of what was displayed its owner's orders had taken before. It need not be the first quote
    that the order met: nothing is decided while nothing can be written.
    """

    price: Decimal
    displayed_quantity: Decimal
    taken_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """An order with what has become of it, as far as it is durable.

    ``last_sequence`` is the number of its newest event; ``quote_quantity`` the exact sum of price
    times quantity over its splits. ``arrival`` is None while it has met no quote, or none that a
    stored event told of; ``quotes_seen`` counts the quotes it met until its newest event.
    ``departure_update_id`` is the newest update id that was applied when it ended, None while it is
    open and if it met no quote: all its splits lie between its arrival and its departure.
    ``decision`` is what that quote had for an IOC or FOK order that it did not fill, None for any
    other and if it was not stored.
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
