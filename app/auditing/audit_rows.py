"""Reads rows for an audit, straight from the database and without trusting any value.

A value that cannot be read exactly is refused here: an amount that is no plain decimal, an instant
that is not UTC, or an unknown status. The checks can then rely on the values.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from sqlalchemy import Row

from app.domain.amounts import format_amount
from app.domain.order import (
    Arrival,
    Decision,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Split,
    Symbol,
    TimeInForce,
)
from app.storage.schema.column_types import format_instant

_PLAIN_NOTATION: Final = re.compile(r"[0-9]{1,32}(?:\.[0-9]{1,28})?", re.ASCII)
"""The most digits of any column: a cost before the decimal point, an average price after it."""

_Word = TypeVar("_Word", bound=StrEnum)


class MalformedRowError(ValueError):
    """A value has a form that Papertape never writes."""

    def __init__(self, column: str, value: object) -> None:
        super().__init__(f"{column} is {str(value)[:60]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A row of ``order_events``."""

    position: int
    sequence: int
    status: OrderStatus
    reason: Reason | None
    at: datetime
    split_number: int | None
    filled_quantity: Decimal
    quote_quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFulfilled:
    """A row of ``fulfilled_orders``."""

    created_at: datetime
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order with all its rows.

    Attributes:
        stored: The row of the order.
        key_order_id: The order id stored in ``client_order_ids`` for the order's client order id.
        fulfilled: Its row in ``fulfilled_orders``, if there is one.
        events: Its events, by sequence.
        splits: Its splits, by number.
    """

    stored: OrderSnapshot
    key_order_id: str | None
    fulfilled: StoredFulfilled | None
    events: tuple[StoredEvent, ...]
    splits: tuple[Split, ...]

    @property
    def order(self) -> Order:
        """The order as it was accepted, without its state."""
        return self.stored.order


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitInOrder:
    """A split with the values that the checks of its symbol need."""

    owner: Owner
    symbol: Symbol
    side: Side
    split: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLevel:
    """A row of ``taken_liquidity``."""

    owner: Owner
    symbol: Symbol
    side: Side
    price: Decimal
    quantity: Decimal


def read_order(row: Row[Any]) -> OrderSnapshot:
    """Read a row of ``orders``. Raises MalformedRowError."""
    return OrderSnapshot(
        order=Order(
            order_id=OrderId(row.order_id),
            acceptance_number=row.acceptance_number,
            owner=Owner(row.owner),
            client_order_id=row.client_order_id,
            symbol=Symbol(row.symbol),
            side=_word(Side, "side", row.side),
            time_in_force=_word(TimeInForce, "time_in_force", row.time_in_force),
            quantity=_amount("quantity", row.quantity),
            limit_price=_amount("limit_price", row.limit_price),
            accepted_at=_instant("accepted_at", row.accepted_at),
            expires_at=_instant("expires_at", row.expires_at),
        ),
        status=_word(OrderStatus, "status", row.status),
        reason=None if row.reason is None else _word(Reason, "reason", row.reason),
        filled_quantity=_amount("filled_quantity", row.filled_quantity),
        quote_quantity=_amount("quote_quantity", row.quote_quantity),
        splits_total=_whole("splits_total", row.splits_total),
        last_sequence=_whole("last_sequence", row.last_sequence),
        closed_at=None if row.closed_at is None else _instant("closed_at", row.closed_at),
        arrival=None
        if row.arrival_update_id is None
        else Arrival(
            update_id=_whole("arrival_update_id", row.arrival_update_id),
            price=_amount("arrival_price", row.arrival_price),
        ),
        quotes_seen=_whole("quotes_seen", row.quotes_seen),
        departure_update_id=None
        if row.departure_update_id is None
        else _whole("departure_update_id", row.departure_update_id),
        decision=None
        if row.decision_price is None
        else Decision(
            price=_amount("decision_price", row.decision_price),
            displayed_quantity=_amount(
                "decision_displayed_quantity", row.decision_displayed_quantity
            ),
            taken_quantity=_amount("decision_taken_quantity", row.decision_taken_quantity),
        ),
    )


def read_fulfilled(row: Row[Any]) -> StoredFulfilled | None:
    """Read the columns of ``fulfilled_orders`` in the order's row. Raises MalformedRowError."""
    if row.fulfilled_id is None:
        return None
    return StoredFulfilled(
        created_at=_instant("created_at", row.fulfilled_created_at),
        symbol=row.fulfilled_symbol,
        side=_word(Side, "side", row.fulfilled_side),
        quantity=_amount("quantity", row.fulfilled_quantity),
        price=_amount("price", row.fulfilled_price),
        average_price=_amount("average_price", row.fulfilled_average_price),
    )


def read_event(row: Row[Any]) -> StoredEvent:
    """Read a row of ``order_events``. Raises MalformedRowError."""
    return StoredEvent(
        position=_whole("position", row.position),
        sequence=_whole("sequence", row.sequence),
        status=_word(OrderStatus, "status", row.status),
        reason=None if row.reason is None else _word(Reason, "reason", row.reason),
        at=_instant("at", row.at),
        split_number=None if row.split_number is None else _whole("split_number", row.split_number),
        filled_quantity=_amount("filled_quantity", row.filled_quantity),
        quote_quantity=_amount("quote_quantity", row.quote_quantity),
    )


def read_split(row: Row[Any]) -> Split:
    """Read a row of ``fulfilled_order_splits``. Raises MalformedRowError."""
    return Split(
        order_id=OrderId(row.order_id),
        split_number=_whole("split_number", row.split_number),
        update_id=_whole("update_id", row.update_id),
        price=_amount("price", row.price),
        quantity=_amount("quantity", row.quantity),
        displayed_quantity=_amount("displayed_quantity", row.displayed_quantity),
        filled_at=_instant("filled_at", row.filled_at),
    )


def read_split_in_order(row: Row[Any]) -> SplitInOrder:
    """Read a split together with its order's owner, symbol and side. Raises MalformedRowError."""
    return SplitInOrder(
        owner=Owner(row.owner),
        symbol=Symbol(row.symbol),
        side=_word(Side, "side", row.side),
        split=read_split(row),
    )


def read_level(row: Row[Any]) -> StoredLevel:
    """Read a row of ``taken_liquidity``. Raises MalformedRowError."""
    return StoredLevel(
        owner=Owner(row.owner),
        symbol=Symbol(row.symbol),
        side=_word(Side, "side", row.side),
        price=_amount("price", row.price),
        quantity=_amount("quantity", row.quantity),
    )


def _amount(column: str, value: object) -> Decimal:
    """Read TEXT of SQLite or NUMERIC of PostgreSQL, and require the canonical form."""
    text = format_amount(value) if isinstance(value, Decimal) else value
    if not isinstance(text, str) or not _PLAIN_NOTATION.fullmatch(text):
        raise MalformedRowError(column, value)
    amount = Decimal(text)
    if format_amount(amount) != text:
        raise MalformedRowError(column, value)
    return amount


def _instant(column: str, value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise MalformedRowError(column, value) from None
    if instant.tzinfo is None or format_instant(instant) != value:
        raise MalformedRowError(column, value)
    return instant


def _whole(column: str, value: object) -> int:
    if not isinstance(value, int):
        raise MalformedRowError(column, value)
    return value


def _word(words: type[_Word], column: str, value: object) -> _Word:
    try:
        return words(str(value))
    except ValueError:
        raise MalformedRowError(column, value) from None
