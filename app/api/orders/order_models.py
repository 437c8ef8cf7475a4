"""Answers: durable state becomes the JSON that ``shapes`` documents, key by key in its order.

The dicts are built by hand, since answers are the hot end of the edge; a test holds them against
the documented models.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from app.api.cursors import Cursor, write_cursor
from app.domain.amounts import EXACT, average_price, format_amount
from app.domain.order import OrderSnapshot, OrderStatus, Split, Symbol

MESSAGE_FULFILLED: Final = "Order successfully fulfilled"
MESSAGE_NOT_FULFILLED: Final = "Order not fulfilled"
MESSAGE_NOT_FINISHED: Final = "Order accepted, not finished"

_UTC_OFFSET: Final = "+00:00"

_encode: Final = msgspec.json.Encoder().encode


def json_response(
    document: Mapping[str, object],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer a JSON object."""
    return Response(
        _encode(document),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def order_answer(snapshot: OrderSnapshot, splits: Sequence[Split]) -> dict[str, object]:
    """Return what a placed order is answered with: the message and the whole order."""
    return {"message": _message(snapshot.status), **order_view(snapshot, splits)}


def order_view(snapshot: OrderSnapshot, splits: Sequence[Split]) -> dict[str, object]:
    """Return the whole order."""
    view = _order_head(snapshot)
    view["splits"] = [split_view(split) for split in splits]
    view["splits_total"] = snapshot.splits_total
    return view


def order_summary(snapshot: OrderSnapshot) -> dict[str, object]:
    """Return an order without its splits."""
    view = _order_head(snapshot)
    view["splits_total"] = snapshot.splits_total
    return view


def canceled_orders(
    symbol: Symbol, canceled_total: int, summaries: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """Return which orders were canceled together; ``summaries`` may be the first of them only."""
    return {"symbol": symbol, "canceled_total": canceled_total, "orders": summaries}


def split_view(split: Split) -> dict[str, object]:
    """Return one split."""
    return {
        "update_id": split.update_id,
        "price": format_amount(split.price),
        "quantity": format_amount(split.quantity),
        "filled_at": format_time(split.filled_at),
    }


def orders_page(snapshots: Sequence[OrderSnapshot], *, limit: int) -> dict[str, object]:
    """Return at most ``limit`` orders; one more than that says that another page follows."""
    page = snapshots[:limit]
    cursor = None
    if len(snapshots) > limit:
        cursor = write_cursor(Cursor.ORDERS, page[-1].order.acceptance_number)
    return {"orders": [order_summary(snapshot) for snapshot in page], "next_cursor": cursor}


def splits_page(splits: Sequence[Split], *, limit: int, splits_total: int) -> dict[str, object]:
    """Return at most ``limit`` splits; one more than that says that another page follows."""
    page = splits[:limit]
    cursor = None
    if len(splits) > limit:
        cursor = write_cursor(Cursor.SPLITS, page[-1].split_number)
    return {
        "splits": [split_view(split) for split in page],
        "splits_total": splits_total,
        "next_cursor": cursor,
    }


def format_time(at: datetime) -> str:
    """Write an aware UTC time with six decimals and ``Z`` (RFC 3339)."""
    if at.microsecond:
        text = _encode(at)[1:-1].decode()  # without its quotes; a third of what isoformat takes
    else:  # there msgspec leaves the decimals out
        text = at.isoformat(timespec="microseconds").replace(_UTC_OFFSET, "Z")
    assert text.endswith("Z"), "times are aware and UTC"
    return text


def time_if_set(at: datetime | None) -> str | None:
    """Write a time, None as it is."""
    return None if at is None else format_time(at)


def _order_head(snapshot: OrderSnapshot) -> dict[str, object]:
    order = snapshot.order
    filled_quantity = snapshot.filled_quantity
    average = average_price(quote_quantity=snapshot.quote_quantity, filled_quantity=filled_quantity)
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "time_in_force": order.time_in_force.value,
        "order_size": format_amount(order.quantity),
        "price": format_amount(order.limit_price),
        "status": snapshot.status.value,
        "reason": None if snapshot.reason is None else snapshot.reason.value,
        "filled_quantity": format_amount(filled_quantity),
        "remaining_quantity": format_amount(EXACT.subtract(order.quantity, filled_quantity)),
        "quote_quantity": format_amount(snapshot.quote_quantity),
        "average_price": None if average is None else format_amount(average),
        "accepted_at": format_time(order.accepted_at),
        "expires_at": format_time(order.expires_at),
        "closed_at": time_if_set(snapshot.closed_at),
    }


def _message(status: OrderStatus) -> str:
    if status is OrderStatus.FILLED:
        return MESSAGE_FULFILLED
    return MESSAGE_NOT_FULFILLED if status.is_terminal else MESSAGE_NOT_FINISHED
