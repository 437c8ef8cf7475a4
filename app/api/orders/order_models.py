"""The response models of orders and their splits."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import msgspec
from pydantic import Field

from app.api.cursors import Cursor, write_cursor
from app.api.models import Amount, ResponseModel, Time, format_time
from app.domain import order as domain
from app.domain.amounts import EXACT, average_price, format_amount
from app.domain.order import OrderStatus, Reason, Side, TimeInForce

Outcome = Literal[
    "Order successfully fulfilled", "Order not fulfilled", "Order accepted, not finished"
]

_encode: Final = msgspec.json.Encoder().encode


class Split(ResponseModel):
    """One execution of an order against one quote."""

    update_id: int = Field(ge=1, description="The venue's number of the quote that filled.")
    price: Amount = Field(
        description="Price displayed by the venue, in the quote asset; the limit price or better."
    )
    quantity: Amount = Field(
        description="Quantity filled, in the base asset; never more than was displayed and not yet "
        "taken."
    )
    filled_at: Time = Field(description="When the quote filled, UTC.")


class OrderHead(ResponseModel):
    """The fields that every answer about an order has."""

    order_id: str = Field(description="The order's id: a UUID that sorts by time.")
    client_order_id: str | None = Field(
        description="The name that the order was placed with, null without one.",
        examples=["my-order-1"],
    )
    symbol: str = Field(description="Trading pair, upper case.")
    side: Side = Field(description="`BUY` or `SELL`.")
    time_in_force: TimeInForce = Field(description="How long it may rest.")
    order_size: Amount = Field(description="Quantity asked for, in the base asset.")
    price: Amount = Field(description="Limit price, in the quote asset.")
    status: OrderStatus = Field(
        description="`NEW`, `PARTIALLY_FILLED`, then finally `FILLED`, `EXPIRED` or `CANCELED`."
    )
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null. `TIMEOUT`: its time ran out. "
        "`NO_MARKET_DATA`: it met no quote. `TIMEOUT_DURING_OUTAGE`: the service was down or "
        "the symbol had no current quote when the time ended. `IOC_REMAINDER`: the first quote "
        "had no more for it. `FOK_UNFILLABLE`: the first quote had not all of it. "
        "`CANCELED_BY_CLIENT`."
    )
    filled_quantity: Amount = Field(
        description="Quantity filled so far, in the base asset: the exact sum of the splits."
    )
    remaining_quantity: Amount = Field(description="Quantity not filled, in the base asset.")
    quote_quantity: Amount = Field(
        description="Exact sum of price times quantity of the splits, in the quote asset."
    )
    average_price: Amount | None = Field(
        description="`quote_quantity` divided by `filled_quantity`, rounded half-even to 16 "
        "significant digits; null while nothing is filled."
    )
    accepted_at: Time = Field(description="When it was accepted, UTC.")
    expires_at: Time = Field(description="Until when it may fill, UTC.")
    closed_at: Time | None = Field(
        description="When it was filled or ended, UTC; null while it is open."
    )


class OrderSummary(OrderHead):
    """An order without its splits."""

    splits_total: int = Field(ge=0, description="How many splits the order has.")

    @classmethod
    def of(cls, snapshot: domain.OrderSnapshot) -> Self:
        """Return the response model of an order without its splits."""
        return cls(**_head(snapshot), splits_total=snapshot.splits_total)


class Order(OrderHead):
    """A whole order."""

    splits: list[Split] = Field(
        max_length=1_000,
        description="The first 1,000 splits in the order in which they were filled; the header "
        "`Link` leads to the rest.",
    )
    splits_total: int = Field(ge=0, description="How many splits the order has.")

    @classmethod
    def of(cls, snapshot: domain.OrderSnapshot, splits: Sequence[domain.Split]) -> "Order":
        """Return the response model of an order with its first splits."""
        return Order(**order_fields(snapshot, splits))


class CanceledOrders(ResponseModel):
    """The orders that were canceled together."""

    symbol: str = Field(description="Trading pair.")
    canceled_total: int = Field(ge=0, description="How many they are.")
    orders: list[OrderSummary] = Field(
        max_length=1_000, description="The first 1,000 of them, by acceptance."
    )


class Message(ResponseModel):
    """The outcome of a request, in words."""

    message: Outcome = Field(
        description="The outcome of the order, in words; `status` says it to programs."
    )


class OrderAnswer(Order, Message):
    """The answer to a placed order: the message, then the whole order."""

    @classmethod
    def of(cls, snapshot: domain.OrderSnapshot, splits: Sequence[domain.Split]) -> "OrderAnswer":
        """Return the answer to the placing of an order, as far as the order has come."""
        return OrderAnswer(**_answer_fields(snapshot, splits))

    @staticmethod
    def json_of(snapshot: domain.OrderSnapshot, splits: Sequence[domain.Split]) -> bytes:
        """Return the JSON of ``of``, in half the time since no model is made.

        It is for the hot path, the answer to placing an order; a test compares the two.
        """
        return _encode(_answer_fields(snapshot, splits))


class OrdersPage(ResponseModel):
    """A page of orders, the newest first."""

    orders: list[OrderSummary] = Field(description="The orders of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page."
    )

    @classmethod
    def of(cls, snapshots: Sequence[domain.OrderSnapshot], *, limit: int) -> Self:
        """Return at most ``limit`` orders; one more than that means that another page follows."""
        page = snapshots[:limit]
        cursor = None
        if len(snapshots) > limit:
            cursor = write_cursor(Cursor.ORDERS, page[-1].order.acceptance_number)
        return cls(
            orders=[OrderSummary.of(snapshot) for snapshot in page],
            next_cursor=cursor,
        )


class SplitsPage(ResponseModel):
    """A page of an order's splits, the first ones first."""

    splits: list[Split] = Field(description="The splits of this page.")
    splits_total: int = Field(ge=0, description="How many splits the order has.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page."
    )

    @classmethod
    def of(cls, splits: Sequence[domain.Split], *, limit: int, splits_total: int) -> Self:
        """Return at most ``limit`` splits; one more than that means that another page follows."""
        page = splits[:limit]
        cursor = None
        if len(splits) > limit:
            cursor = write_cursor(Cursor.SPLITS, page[-1].split_number)
        return cls(
            splits=[Split.model_validate(split) for split in page],
            splits_total=splits_total,
            next_cursor=cursor,
        )


def _answer_fields(
    snapshot: domain.OrderSnapshot, splits: Sequence[domain.Split]
) -> dict[str, Any]:
    return {"message": _message(snapshot.status), **order_fields(snapshot, splits)}


def order_fields(snapshot: domain.OrderSnapshot, splits: Sequence[domain.Split]) -> dict[str, Any]:
    """Return the fields of ``Order`` as JSON values, for it and the models that extend it."""
    fields = _head(snapshot)
    fields["splits"] = [_split_fields(split) for split in splits]
    fields["splits_total"] = snapshot.splits_total
    return fields


def _split_fields(split: domain.Split) -> dict[str, Any]:
    return {
        "update_id": split.update_id,
        "price": format_amount(split.price),
        "quantity": format_amount(split.quantity),
        "filled_at": format_time(split.filled_at),
    }


def _head(snapshot: domain.OrderSnapshot) -> dict[str, Any]:
    order, closed_at = snapshot.order, snapshot.closed_at
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
        "closed_at": None if closed_at is None else format_time(closed_at),
    }


def _message(status: OrderStatus) -> Outcome:
    if status is OrderStatus.FILLED:
        return "Order successfully fulfilled"
    return "Order not fulfilled" if status.is_terminal else "Order accepted, not finished"
