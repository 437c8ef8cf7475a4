"""How exact amounts and instants are stored.

SQLite has no type for either, so both are TEXT. An amount is in canonical plain notation. An
instant is like ``2026-11-23T16:46:37.000000Z``: always UTC with six decimals, so that text order is
time order.

PostgreSQL has both types: NUMERIC without a scale, which never rounds, and timestamptz.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from sqlalchemy import Column, DateTime, Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.domain.amounts import format_amount

_encode: Final = msgspec.json.Encoder().encode


class ExactAmount(TypeDecorator[Decimal]):
    """A decimal that is read back exactly as written."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal] | TypeEngine[str]:
        """Store TEXT on SQLite and NUMERIC on PostgreSQL."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | Decimal | None:
        """Write the canonical form, so that equal amounts are equal texts."""
        if value is None or dialect.name != "sqlite":
            return value
        return format_amount(value)

    def process_result_value(self, value: str | Decimal | None, dialect: Dialect) -> Decimal | None:
        """Read the stored value of either database."""
        del dialect
        return None if value is None else Decimal(value)


class UtcInstant(TypeDecorator[datetime]):
    """An aware datetime in UTC, to the microsecond."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Store TEXT on SQLite and timestamptz on PostgreSQL."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | datetime | None:
        """Write UTC with six decimals."""
        if value is None:
            return None
        assert value.tzinfo is not None, "an instant is aware"
        return format_instant(value) if dialect.name == "sqlite" else value

    def process_result_value(
        self, value: str | datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Read an aware instant in UTC."""
        del dialect
        if value is None:
            return None
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.astimezone(UTC)


def sqlite_form(column: Column[Any]) -> Callable[[Any], str] | None:
    """Return the function that converts a value to its stored form in SQLite, None without one."""
    if isinstance(column.type, ExactAmount):
        return format_amount
    return format_instant if isinstance(column.type, UtcInstant) else None


def format_instant(instant: datetime) -> str:
    """Write an aware instant as ``2026-11-23T16:46:37.000000Z``."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    if instant.microsecond:  # without microseconds msgspec would omit the decimals
        return _encode(instant)[1:-1].decode()  # ten times as fast as isoformat
    return instant.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
