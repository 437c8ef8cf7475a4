"""The examples of the documentation are consistent."""

from collections.abc import Callable

import pytest

from app.api.docs import examples
from app.domain.amounts import EXACT, ZERO
from app.domain.order import OrderSnapshot, OrderStatus, Split
from app.domain.rules import order_problems


@pytest.mark.parametrize(
    "example",
    [
        examples.filled_order,
        examples.expired_order,
        examples.open_order,
        examples.canceled_order,
        examples.unfillable_order,
    ],
)
def test_example_order_could_have_happened(
    example: Callable[[], tuple[OrderSnapshot, list[Split]]],
) -> None:
    """The splits add up, respect the limit price, and lie within the order's time."""
    snapshot, splits = example()
    order = snapshot.order

    filled = ZERO
    for split in splits:
        filled = EXACT.add(filled, split.quantity)

    assert filled == snapshot.filled_quantity <= order.quantity
    assert (snapshot.status is OrderStatus.FILLED) is (filled == order.quantity)
    assert all(split.price >= order.limit_price for split in splits)
    assert all(order.accepted_at < split.filled_at <= order.expires_at for split in splits)
    assert [split.update_id for split in splits] == sorted({split.update_id for split in splits})
    assert snapshot.splits_total == len(splits)


def test_example_order_keeps_to_the_example_rules() -> None:
    """The example order passes the example rules."""
    order = examples.filled_order()[0].order

    assert not order_problems(
        examples.EXAMPLE_RULES, quantity=order.quantity, limit_price=order.limit_price
    )
    assert examples.EXAMPLE_QUOTE.malformation is None
