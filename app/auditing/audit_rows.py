"""Reads rows for an audit, straight from the database and without trusting any value.

A value that cannot be read exactly is refused here: an amount that is no plain decimal, an instant
that is not UTC, or an unknown status. The checks can then rely on the values.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

from sqlalchemy import Row

from app.domain.amounts import format_amount
from app.domain.order import (
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Split,
    Symbol,
)
from app.storage.schema.column_types import format_instant

_PLAIN_NOTATION: Final = re.compile(r"[0-9]{1,32}(?:\.[0-9]{1,28})?", re.ASCII)
"""The most digits of any column: a cost before the decimal point, an average price after it."""

_Record = TypeVar("_Record")


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

    order_id: OrderId
    created_at: datetime
    symbol: Symbol
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


def read_row(
    kind: Callable[..., _Record], row: Row[Any], prefix: str = "", **known: object
) -> _Record:
    """Read a dataclass from the columns that have the names of its fields.

    The fields of a nested dataclass are columns of the same row. If the nested one may be None, its
    columns begin with its name, and it is None if the first of them is NULL: ``arrival`` is read
    from ``arrival_update_id`` and ``arrival_price``.

    Args:
        kind: The dataclass.
        row: The row.
        prefix: The beginning of the names of the columns.
        known: Fields that are not read.

    Raises:
        MalformedRowError: a value has a form that Papertape never writes.
    """
    for name, field in _fields_of(kind).items():
        if name not in known:
            known[name] = _read_field(field, row, prefix + name)
    return kind(**known)


class _Field(NamedTuple):
    kind: type
    is_nested: bool
    may_be_none: bool


@functools.cache
def _fields_of(kind: Any) -> dict[str, _Field]:  # noqa: ANN401 - any dataclass
    hints = get_type_hints(kind)
    return {field.name: _field(hints[field.name]) for field in fields(kind)}


def _field(hint: Any) -> _Field:  # noqa: ANN401 - any annotation
    may_be_none = NoneType in get_args(hint)
    kind = get_args(hint)[0] if may_be_none else hint
    # A NewType such as Owner is read like the type that it is made of.
    kind = getattr(kind, "__supertype__", kind)
    return _Field(kind, is_dataclass(kind), may_be_none)


def _read_field(field: _Field, row: Row[Any], column: str) -> object:
    if field.is_nested:
        prefix = f"{column}_" if field.may_be_none else ""
        first = next(iter(_fields_of(field.kind)))
        is_absent = field.may_be_none and getattr(row, prefix + first) is None
        return None if is_absent else read_row(field.kind, row, prefix)
    value = getattr(row, column)
    is_absent = field.may_be_none and value is None
    return None if is_absent else _read_value(field.kind, column, value)


def _read_value(kind: type, column: str, value: object) -> object:
    if kind is Decimal:
        return _read_amount(column, value)
    if kind is datetime:
        return _read_instant(column, value)
    if issubclass(kind, StrEnum):
        try:
            return kind(str(value))
        except ValueError:
            raise MalformedRowError(column, value) from None
    if not isinstance(value, kind):
        raise MalformedRowError(column, value)
    return value


def _read_amount(column: str, value: object) -> Decimal:
    """Read TEXT of SQLite or NUMERIC of PostgreSQL, and require the canonical form."""
    text = format_amount(value) if isinstance(value, Decimal) else value
    if not isinstance(text, str) or not _PLAIN_NOTATION.fullmatch(text):
        raise MalformedRowError(column, value)
    amount = Decimal(text)
    if format_amount(amount) != text:
        raise MalformedRowError(column, value)
    return amount


def _read_instant(column: str, value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        raise MalformedRowError(column, value) from None
    if instant.tzinfo is None or format_instant(instant) != value:
        raise MalformedRowError(column, value)
    return instant
