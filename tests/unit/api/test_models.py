"""The forms of amounts and times in every answer."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from app.api.models import (
    format_amount_if_set,
    format_signed,
    format_time,
    format_time_if_set,
)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2025, 10, 7, 9, 12, 30, tzinfo=UTC), "2025-10-07T09:12:30.000000Z"),
        (datetime(2025, 10, 7, 9, 12, 30, 42, tzinfo=UTC), "2025-10-07T09:12:30.000042Z"),
    ],
)
def test_time_has_six_decimals_and_z(at: datetime, text: str) -> None:
    """All times have the same form, so they compare as text."""
    assert format_time(at) == text


@pytest.mark.parametrize(
    "at",
    [
        datetime(2025, 10, 7, tzinfo=timezone(timedelta(hours=2))),
        datetime(2025, 10, 7, tzinfo=UTC).replace(tzinfo=None),
    ],
)
def test_time_that_is_not_utc_is_our_mistake(at: datetime) -> None:
    """A time in another zone or without a zone is never formatted as UTC."""
    with pytest.raises(AssertionError, match="UTC"):
        format_time(at)


def test_time_and_amount_that_are_not_set_stay_absent() -> None:
    """Zero marks an unused limit of the venue or an empty side, and gives no amount."""
    assert format_time_if_set(None) is None
    assert format_time_if_set(datetime(2025, 10, 7, tzinfo=UTC)) == "2025-10-07T00:00:00.000000Z"
    assert format_amount_if_set(Decimal("0.000")) is None
    assert format_amount_if_set(Decimal("1.50")) == "1.5"


@pytest.mark.parametrize(
    ("amount", "text"), [("-0.00100", "-0.001"), ("0", "0"), ("2E+3", "2000"), ("-0", "0")]
)
def test_signed_amount_is_in_plain_notation(amount: str, text: str) -> None:
    """A distance or slippage may be negative, and zero has no sign."""
    assert format_signed(Decimal(amount)) == text
