"""The forms of amounts and times in every answer."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import pytest

from app.api.models import Amount, ResponseModel, SetAmount, SignedAmount, Time, format_time


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


class Answer(ResponseModel):
    """An answer with each form of an amount and a time."""

    quantity: Amount
    limit: SetAmount
    distance: SignedAmount
    at: Time | None


@pytest.mark.parametrize(
    ("amount", "text"), [("1.50", "1.5"), ("0.000", "0"), ("2E+3", "2000"), ("-0", "0")]
)
def test_amounts_of_the_domain_are_written_in_plain_notation(amount: str, text: str) -> None:
    """An answer takes amounts and times from attributes; zero gives no limit and has no sign."""
    value = Decimal(amount)
    values = SimpleNamespace(quantity=value, limit=value, distance=value, at=None)

    answer = Answer.model_validate(values)

    assert (answer.quantity, answer.distance) == (text, text)
    assert answer.limit == (None if text == "0" else text)
    assert answer.at is None


def test_a_distance_may_be_negative_and_a_time_be_set() -> None:
    """A distance or slippage keeps its sign, and a time has its form."""
    at = datetime(2025, 10, 7, tzinfo=UTC)
    values = SimpleNamespace(quantity="1", limit="1", distance=Decimal("-0.00100"), at=at)

    answer = Answer.model_validate(values)

    assert (answer.distance, answer.at) == ("-0.001", "2025-10-07T00:00:00.000000Z")
