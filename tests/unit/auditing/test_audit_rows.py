"""What an audit can read of a row, and what it refuses."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import NullPool, Row, create_engine, text

from app.auditing.audit_rows import MalformedRowError, read_event, read_level, read_split
from tests.support.builders import ACCEPTED_AT

LEVEL = {"owner": "public", "symbol": "LTCBTC", "side": "BUY", "price": "99.5", "quantity": "4"}
SPLIT = {
    "order_id": "an order",
    "split_number": 1,
    "update_id": 11,
    "price": "99.5",
    "quantity": "3",
    "displayed_quantity": "4",
    "filled_at": "2024-08-08T23:54:14.000000Z",
}
EVENT = {
    "position": 1,
    "sequence": 1,
    "status": "NEW",
    "reason": None,
    "at": "2024-08-08T23:54:14.000000Z",
    "split_number": None,
    "filled_quantity": "0",
    "quote_quantity": "0",
}


def row(values: dict[str, Any]) -> Row[Any]:
    """Make a row as SQLite gives it."""
    named = ", ".join(f":{name} AS {name}" for name in values)
    # Without a pool the connection is closed at the end; Python 3.13 warns of one left open.
    with create_engine("sqlite://", poolclass=NullPool).connect() as connection:
        return connection.execute(text(f"SELECT {named}"), values).one()


def test_sound_rows_are_read_exactly() -> None:
    """To the digit and the microsecond."""
    assert read_level(row(LEVEL | {"price": "0.000000000001"})).price == Decimal("1E-12")
    assert read_split(row(SPLIT)).filled_at == ACCEPTED_AT
    assert read_event(row(EVENT)).at == ACCEPTED_AT


@pytest.mark.parametrize(
    "text", ["", "4.0", "04", "+4", "-4", "4.", ".4", "4e1", "NaN", "Infinity", " 4", "٤", "4_0"]
)
def test_an_amount_has_one_form(text: str) -> None:
    """Equal amounts are equal texts, and nothing else is an amount."""
    with pytest.raises(MalformedRowError, match=r"quantity is '"):
        read_level(row(LEVEL | {"quantity": text}))


@pytest.mark.parametrize("value", [None, 4, 4.5, b"4"])
def test_an_amount_is_text(value: object) -> None:
    """SQLite lets any value stand anywhere."""
    with pytest.raises(MalformedRowError, match="quantity is "):
        read_level(row(LEVEL | {"quantity": value}))


@pytest.mark.parametrize(
    "text",
    [
        "2024-08-08T23:54:14Z",
        "2024-08-08T23:54:14.000000",
        "2024-08-09T01:54:14.000000+02:00",
        "2024-08-08 23:54:14.000000Z",
        "2024-08-32T23:54:14.000000Z",
        "soon",
        None,
    ],
)
def test_an_instant_has_one_form(text: str | None) -> None:
    """UTC with six decimals, so that text order is time order."""
    with pytest.raises(MalformedRowError, match="at is "):
        read_event(row(EVENT | {"at": text}))


@pytest.mark.parametrize(
    "wrong", [{"status": "PENDING"}, {"reason": "BORED"}, {"sequence": "1"}, {"split_number": 1.0}]
)
def test_what_nobody_knows_is_refused(wrong: dict[str, Any]) -> None:
    """The column is named, with what stands in it."""
    with pytest.raises(MalformedRowError, match=f"{next(iter(wrong))} is "):
        read_event(row(EVENT | wrong))


def test_what_is_refused_is_not_told_at_length() -> None:
    """A report has room for many."""
    with pytest.raises(MalformedRowError) as told:
        read_level(row(LEVEL | {"quantity": "4" * 10_000}))

    assert len(str(told.value)) < 100


def test_what_postgresql_gives_is_read_alike() -> None:
    """It has numbers and instants of its own."""
    east = timezone(timedelta(hours=5, minutes=30))
    given = SimpleNamespace(
        **SPLIT
        | {
            "price": Decimal("99.50"),
            "quantity": Decimal(3),
            "displayed_quantity": Decimal(4),
            "filled_at": datetime(2024, 8, 9, 5, 24, 14, tzinfo=east),
        }
    )

    assert read_split(given) == read_split(row(SPLIT))  # type: ignore[arg-type]  # as far as read
