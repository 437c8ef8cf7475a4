"""The values that an audit reads from a row, and those that it refuses."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Row

from app.auditing.audit_rows import MalformedRowError, StoredEvent, StoredLevel, read_row
from app.domain.order import Split
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
    """Return a row with these values."""
    return SimpleNamespace(**values)  # type: ignore[return-value]  # as far as read


def test_sound_rows_are_read_exactly() -> None:
    """Values are read exactly, to the last digit and the microsecond."""
    assert read_row(StoredLevel, row(LEVEL | {"price": "0.000000000001"})).price == Decimal("1E-12")
    assert read_row(Split, row(SPLIT)).filled_at == ACCEPTED_AT
    assert read_row(StoredEvent, row(EVENT)).at == ACCEPTED_AT


@pytest.mark.parametrize(
    "text", ["", "4.0", "04", "+4", "-4", "4.", ".4", "4e1", "NaN", "Infinity", " 4", "٤", "4_0"]
)
def test_an_amount_has_one_form(text: str) -> None:
    """Only the canonical notation is an amount, so equal amounts are equal texts."""
    with pytest.raises(MalformedRowError, match=r"quantity is '"):
        read_row(StoredLevel, row(LEVEL | {"quantity": text}))


@pytest.mark.parametrize("value", [None, 4, 4.5, b"4"])
def test_an_amount_is_text(value: object) -> None:
    """A value of another type is refused: SQLite stores any type in any column."""
    with pytest.raises(MalformedRowError, match="quantity is "):
        read_row(StoredLevel, row(LEVEL | {"quantity": value}))


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
    """Only UTC with six decimals is an instant, so text order is time order."""
    with pytest.raises(MalformedRowError, match="at is "):
        read_row(StoredEvent, row(EVENT | {"at": text}))


@pytest.mark.parametrize(
    "wrong", [{"status": "PENDING"}, {"reason": "BORED"}, {"sequence": "1"}, {"split_number": 1.0}]
)
def test_an_unknown_value_is_refused(wrong: dict[str, Any]) -> None:
    """An unknown word is refused, with the column and the value in the message."""
    with pytest.raises(MalformedRowError, match=f"{next(iter(wrong))} is "):
        read_row(StoredEvent, row(EVENT | wrong))


@dataclass(frozen=True)
class Nested:
    """A record with an optional part in columns of its own."""

    level: StoredLevel | None


def test_an_optional_part_is_absent_if_its_first_column_is_null() -> None:
    """The columns of a part that may be None begin with its name."""
    columns = {f"level_{name}": value for name, value in LEVEL.items()}

    assert read_row(Nested, row(columns)) == Nested(read_row(StoredLevel, row(LEVEL)))
    assert read_row(Nested, row(columns | {"level_owner": None})) == Nested(None)
    with pytest.raises(MalformedRowError, match="level_price is 'None'"):
        read_row(Nested, row(columns | {"level_price": None}))


def test_what_is_refused_is_not_told_at_length() -> None:
    """The message contains only the beginning of a long value."""
    with pytest.raises(MalformedRowError) as caught:
        read_row(StoredLevel, row(LEVEL | {"quantity": "4" * 10_000}))

    assert len(str(caught.value)) < 100


def test_what_postgresql_gives_is_read_alike() -> None:
    """Decimals and instants of PostgreSQL are read like the texts of SQLite."""
    east = timezone(timedelta(hours=5, minutes=30))
    given = SPLIT | {
        "price": Decimal("99.50"),
        "quantity": Decimal(3),
        "displayed_quantity": Decimal(4),
        "filled_at": datetime(2024, 8, 9, 5, 24, 14, tzinfo=east),
    }

    assert read_row(Split, row(given)) == read_row(Split, row(SPLIT))
