"""Reads stored orders, with as many of their splits as an answer has room for."""

from collections.abc import Sequence

from app.api.cursors import Cursor, write_cursor
from app.domain.errors import OrderNotFoundError
from app.domain.order import OrderId, OrderSnapshot, Owner, Split
from app.ports import SPLITS_PER_ANSWER_MAX, OrderReader


async def find_with_splits(
    orders: OrderReader, owner: Owner, order_id: OrderId
) -> tuple[OrderSnapshot, list[Split]]:
    """Return an order and its first splits.

    Raises:
        OrderNotFoundError: the owner has no such order.
    """
    snapshot = await find_order(orders, owner, order_id)
    # At most the splits that the snapshot counts: an open order may have more by now.
    limit = min(snapshot.splits_total, SPLITS_PER_ANSWER_MAX)
    if not limit:
        return snapshot, []
    splits = await orders.list_splits(order_id, after=0, limit=limit)
    if len(splits) < limit:
        raise OrderNotFoundError(order_id)  # it was pruned between the two reads
    return snapshot, splits


async def find_last_split(
    orders: OrderReader, snapshot: OrderSnapshot, splits: Sequence[Split]
) -> Split | None:
    """Return an order's last split, which may lie beyond ``splits``; ``None`` without any."""
    if snapshot.splits_total > len(splits):
        splits = await orders.list_splits(
            snapshot.order.order_id, after=snapshot.splits_total - 1, limit=1
        )
    return splits[-1] if splits else None


async def find_order(orders: OrderReader, owner: Owner, order_id: OrderId) -> OrderSnapshot:
    """Return an order without its splits.

    Raises:
        OrderNotFoundError: the owner has no such order.
    """
    snapshot = await orders.find(owner, order_id)
    if snapshot is None:
        raise OrderNotFoundError(order_id)
    return snapshot


def rest_of_splits(snapshot: OrderSnapshot, splits: Sequence[Split]) -> dict[str, str]:
    """Return the header with the link to the splits beyond the answer (RFC 8288)."""
    if snapshot.splits_total <= len(splits):
        return {}
    cursor = write_cursor(Cursor.SPLITS, splits[-1].split_number)
    return {"Link": f'</order/{snapshot.order.order_id}/splits?cursor={cursor}>; rel="next"'}
