"""Reading stored orders with their splits."""

import pytest

from app.api.docs import examples
from app.api.orders.stored_orders import find_last_split, find_with_splits, rest_of_splits
from app.domain.errors import OrderNotFoundError
from app.domain.order import PUBLIC, OrderId, Owner
from tests.support.in_memory import MemoryOrders


@pytest.fixture
def orders() -> MemoryOrders:
    """Return a store that holds the filled order of the documentation."""
    snapshot, splits = examples.filled_order()
    orders = MemoryOrders()
    orders.snapshots[snapshot.order.order_id] = snapshot
    orders.splits[snapshot.order.order_id] = splits
    return orders


async def test_order_is_found_with_its_splits(orders: MemoryOrders) -> None:
    """The reader finds the last split also when the answer does not hold all splits."""
    snapshot, splits = await find_with_splits(orders, PUBLIC, examples.EXAMPLE_ORDER_ID)

    assert len(splits) == snapshot.splits_total == 4
    assert await find_last_split(orders, snapshot, splits) == splits[-1]
    assert await find_last_split(orders, snapshot, splits[:2]) == splits[-1]
    assert rest_of_splits(snapshot, splits) == {}
    assert "rel=" in rest_of_splits(snapshot, splits[:2])["Link"]


@pytest.mark.parametrize(
    ("owner", "order_id"),
    [(Owner("somebody"), examples.EXAMPLE_ORDER_ID), (PUBLIC, OrderId("0199"))],
)
async def test_order_of_nobody_or_somebody_else_is_not_found(
    orders: MemoryOrders, owner: Owner, order_id: OrderId
) -> None:
    """An unknown order and another owner's order are refused alike."""
    with pytest.raises(OrderNotFoundError):
        await find_with_splits(orders, owner, order_id)


async def test_order_that_is_pruned_between_two_reads_is_not_found(orders: MemoryOrders) -> None:
    """An order whose splits were pruned between two reads is reported as not found."""
    del orders.splits[examples.EXAMPLE_ORDER_ID][1:]

    with pytest.raises(OrderNotFoundError):
        await find_with_splits(orders, PUBLIC, examples.EXAMPLE_ORDER_ID)
