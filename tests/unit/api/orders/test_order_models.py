"""The response models of orders."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from app.api.docs import examples
from app.api.orders.order_models import Order, OrderAnswer, OrdersPage, SplitsPage
from app.api.stream.event_models import EventsPage
from app.domain.order import OrderSnapshot, OrderStatus, Split


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
    """Each status has its own message."""
    snapshot, splits = examples.filled_order()

    answer = OrderAnswer.of(replace(snapshot, status=status), splits)

    assert answer.message == message


def test_amounts_leave_in_plain_notation_without_trailing_zeros() -> None:
    """Amounts have one notation in answers, independent of their form in the database."""
    snapshot, splits = examples.filled_order()
    odd_order = replace(snapshot.order, quantity=Decimal("1E+3"), limit_price=Decimal("0.00010000"))
    odd = replace(snapshot, order=odd_order, filled_quantity=Decimal("1000.000"))

    order = Order.of(odd, splits)

    assert (order.order_size, order.price) == ("1000", "0.0001")
    assert (order.filled_quantity, order.remaining_quantity) == ("1000", "0")


@pytest.mark.parametrize(
    ("read", "shown", "has_more"), [(0, 0, False), (2, 2, False), (3, 2, True)]
)
def test_page_has_a_cursor_only_if_more_was_read(read: int, shown: int, *, has_more: bool) -> None:
    """The last page has no cursor, so a client needs no further request."""
    snapshot, splits = examples.filled_order()

    orders = OrdersPage.of([snapshot] * read, limit=2)
    page = SplitsPage.of(splits[:read], limit=2, splits_total=4)
    stored = [*examples.events(), *examples.events()]
    events = EventsPage.of(stored[:read], limit=2, stream_id=examples.EXAMPLE_STREAM_ID)

    assert len(orders.orders) == len(page.splits) == len(events.events) == shown
    for one in (orders, page, events):
        assert (one.next_cursor is not None) is has_more


@pytest.mark.parametrize("example", [examples.filled_order, examples.open_order])
def test_json_of_an_answer_is_the_json_of_its_model(
    example: Callable[[], tuple[OrderSnapshot, list[Split]]],
) -> None:
    """The fast JSON of an answer equals the JSON of its model, byte by byte."""
    snapshot, splits = example()

    answer = OrderAnswer.of(snapshot, splits)

    assert OrderAnswer.json_of(snapshot, splits).decode() == answer.model_dump_json()
