"""How durable state is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from app.api.docs import examples
from app.api.orders.order_models import (
    format_time,
    order_answer,
    order_view,
    orders_page,
    splits_page,
)
from app.domain.order import OrderStatus


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2025, 10, 7, 9, 12, 30, tzinfo=UTC), "2025-10-07T09:12:30.000000Z"),
        (datetime(2025, 10, 7, 9, 12, 30, 42, tzinfo=UTC), "2025-10-07T09:12:30.000042Z"),
    ],
)
def test_time_has_six_decimals_and_z(at: datetime, text: str) -> None:
    """Times compare as text, since they all have the same form."""
    assert format_time(at) == text


@pytest.mark.parametrize(
    "at",
    [
        datetime(2025, 10, 7, tzinfo=timezone(timedelta(hours=2))),
        datetime(2025, 10, 7, tzinfo=UTC).replace(tzinfo=None),
    ],
)
def test_time_that_is_not_utc_is_our_mistake(at: datetime) -> None:
    """A time of an unknown zone is never told as UTC."""
    with pytest.raises(AssertionError, match="UTC"):
        format_time(at)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (OrderStatus.FILLED, "Order successfully fulfilled"),
        (OrderStatus.EXPIRED, "Order not fulfilled"),
        (OrderStatus.CANCELED, "Order not fulfilled"),
        (OrderStatus.NEW, "Order accepted, not finished"),
        (OrderStatus.PARTIALLY_FILLED, "Order accepted, not finished"),
    ],
)
def test_message_follows_the_status(status: OrderStatus, message: str) -> None:
    """Each status has its words."""
    snapshot, splits = examples.filled_order()

    answer = order_answer(replace(snapshot, status=status), splits)

    assert answer["message"] == message


def test_amounts_leave_in_plain_notation_without_trailing_zeros() -> None:
    """Whatever form a database gives an amount, a client sees one."""
    snapshot, splits = examples.filled_order()
    order = replace(snapshot.order, quantity=Decimal("1E+3"), limit_price=Decimal("0.00010000"))
    odd = replace(snapshot, order=order, filled_quantity=Decimal("1000.000"))

    view = order_view(odd, splits)

    assert (view["order_size"], view["price"]) == ("1000", "0.0001")
    assert (view["filled_quantity"], view["remaining_quantity"]) == ("1000", "0")


@pytest.mark.parametrize(
    ("read", "shown", "has_more"), [(0, 0, False), (2, 2, False), (3, 2, True)]
)
def test_page_has_a_cursor_only_if_more_was_read(read: int, shown: int, *, has_more: bool) -> None:
    """The last page says that it is the last, without another request."""
    snapshot, splits = examples.filled_order()

    orders = orders_page([snapshot] * read, limit=2)
    page = splits_page(splits[:read], limit=2, splits_total=4)

    assert len(orders["orders"]) == len(page["splits"]) == shown  # type: ignore[arg-type] # lists
    assert (orders["next_cursor"] is not None) is has_more
    assert (page["next_cursor"] is not None) is has_more
