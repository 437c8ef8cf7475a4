"""Amounts and instants are written to a column and read back."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from app.storage.schema.column_types import ExactAmount, UtcInstant, format_instant

SQLITE = SQLiteDialect()
POSTGRESQL = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types for it
INSTANT = datetime(2026, 11, 23, 16, 46, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("1.500", "1.5"),
        ("1E+3", "1000"),
        ("1E-12", "0.000000000001"),
        ("9876543210987654.321098765432", "9876543210987654.321098765432"),
    ],
)
def test_an_amount_has_one_text(amount: str, text: str) -> None:
    """SQLite stores the canonical plain notation, and the amount is read back exactly."""
    stored = ExactAmount().process_bind_param(Decimal(amount), SQLITE)

    assert stored == text
    assert ExactAmount().process_result_value(stored, SQLITE) == Decimal(amount)


def test_postgresql_holds_decimals_and_instants_as_such() -> None:
    """On PostgreSQL no value is converted to text."""
    amount = Decimal("1.500")

    assert ExactAmount().process_bind_param(amount, POSTGRESQL) is amount
    assert ExactAmount().process_result_value(amount, POSTGRESQL) == amount
    assert UtcInstant().process_bind_param(INSTANT, POSTGRESQL) is INSTANT
    east = INSTANT.astimezone(timezone(timedelta(hours=2)))
    assert UtcInstant().process_result_value(east, POSTGRESQL) == INSTANT
    assert str(UtcInstant().process_result_value(east, POSTGRESQL)).endswith("+00:00")


@pytest.mark.parametrize("microsecond", [0, 7, 120_000, 123_456, 999_999])
def test_an_instant_is_utc_with_six_decimals(microsecond: int) -> None:
    """Text order is time order, for any time zone and precision of the input."""
    east = timezone(timedelta(hours=5, minutes=30))
    instant = INSTANT.replace(microsecond=microsecond).astimezone(east)

    stored = UtcInstant().process_bind_param(instant, SQLITE)

    assert stored == f"2026-11-23T16:46:37.{microsecond:06}Z" == format_instant(instant)
    assert UtcInstant().process_result_value(stored, SQLITE) == instant


@pytest.mark.parametrize("year", [1, 999, 2026, 9999])
def test_an_instant_of_any_year_has_one_form(year: int) -> None:
    """The text equals the standard library's, with or without a fraction of a second."""
    for microsecond in (0, 1, 500_000):
        instant = INSTANT.replace(year=year, microsecond=microsecond)

        expected = f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        assert format_instant(instant) == expected


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_null_is_none(dialect: Dialect) -> None:
    """NULL and None are converted to each other."""
    assert ExactAmount().process_bind_param(None, dialect) is None
    assert ExactAmount().process_result_value(None, dialect) is None
    assert UtcInstant().process_bind_param(None, dialect) is None
    assert UtcInstant().process_result_value(None, dialect) is None


def test_a_naive_instant_fails_an_assertion() -> None:
    """A naive datetime fails an assertion: its time zone is unknown."""
    with pytest.raises(AssertionError, match="aware"):
        UtcInstant().process_bind_param(INSTANT.replace(tzinfo=None), SQLITE)
