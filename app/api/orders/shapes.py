"""The wire shapes as models: they document the API, and a test holds the answers against them.

Those of the request, of events, of the insight into an order and of the service have modules of
their own.

The keys stand in the order in which they are sent. Amounts are strings in plain notation, so that
no reader turns them into binary fractions.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.order import OrderStatus, Reason, Side, TimeInForce

Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$")]
SignedAmount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]*[1-9])?$")]
Time = Annotated[datetime, Field(description="UTC, RFC 3339 with six decimals and `Z`.")]


class Shape(BaseModel):
    """A JSON object with exactly these keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Shape):
    """One execution of an order against one quote."""

    update_id: int = Field(
        ge=1, description="The venue's number of the quote that filled.", examples=[1742578110]
    )
    price: Amount = Field(
        description="Price displayed by the venue, in the quote asset; the limit price or better.",
        examples=["0.002577"],
    )
    quantity: Amount = Field(
        description="Quantity filled, in the base asset; never more than was displayed and not yet "
        "taken.",
        examples=["32.58"],
    )
    filled_at: Time = Field(
        description="When the quote filled, UTC.", examples=["2025-10-07T09:12:31.482913Z"]
    )


class OrderHead(Shape):
    """What is told of an order everywhere."""

    order_id: str = Field(
        description="The order's id: a UUID that sorts by time.",
        examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"],
    )
    client_order_id: str | None = Field(
        description="The name that the order was placed with, null without one.",
        examples=["my-order-1"],
    )
    symbol: str = Field(description="Trading pair, upper case.", examples=["LTCBTC"])
    side: Side = Field(description="`BUY` or `SELL`.", examples=["SELL"])
    time_in_force: TimeInForce = Field(description="How long it may rest.", examples=["GTD"])
    order_size: Amount = Field(
        description="Quantity asked for, in the base asset.", examples=["1000"]
    )
    price: Amount = Field(description="Limit price, in the quote asset.", examples=["0.0001"])
    status: OrderStatus = Field(
        description="`NEW`, `PARTIALLY_FILLED`, then finally `FILLED`, `EXPIRED` or `CANCELED`.",
        examples=["FILLED"],
    )
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null. `TIMEOUT`: its time ran out. "
        "`NO_MARKET_DATA`: not one quote was met. `TIMEOUT_DURING_OUTAGE`: the service was down or "
        "the symbol had no current quote when the time ended. `IOC_REMAINDER`: the first quote "
        "had no more for it. `FOK_UNFILLABLE`: the first quote had not all of it. "
        "`CANCELED_BY_CLIENT`.",
        examples=["TIMEOUT"],
    )
    filled_quantity: Amount = Field(
        description="Quantity filled so far, in the base asset: the exact sum of the splits.",
        examples=["1000"],
    )
    remaining_quantity: Amount = Field(
        description="Quantity not filled, in the base asset.", examples=["0"]
    )
    quote_quantity: Amount = Field(
        description="Exact sum of price times quantity of the splits, in the quote asset.",
        examples=["0.257731"],
    )
    average_price: Amount | None = Field(
        description="`quote_quantity` divided by `filled_quantity`, rounded half-even to 16 "
        "significant digits; null while nothing is filled.",
        examples=["0.00257731"],
    )
    accepted_at: Time = Field(
        description="When it was accepted, UTC.", examples=["2025-10-07T09:12:30.917204Z"]
    )
    expires_at: Time = Field(
        description="Until when it may fill, UTC.", examples=["2025-10-07T09:13:00.917204Z"]
    )
    closed_at: Time | None = Field(
        description="When it was filled or ended, UTC; null while it is open.",
        examples=["2025-10-07T09:12:34.038551Z"],
    )


class OrderSummary(OrderHead):
    """An order without its splits."""

    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[4])


class Order(OrderHead):
    """A whole order."""

    splits: list[Split] = Field(
        max_length=1_000,
        description="The first 1,000 splits in the order in which they were filled; the header "
        "`Link` leads to the rest.",
    )
    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[4])


class CanceledOrders(Shape):
    """The orders that were canceled together."""

    symbol: str = Field(description="Trading pair.", examples=["LTCBTC"])
    canceled_total: int = Field(ge=0, description="How many they are.", examples=[1])
    orders: list[OrderSummary] = Field(
        max_length=1_000, description="The first 1,000 of them, by acceptance."
    )


class Message(Shape):
    """What became of a request, in words."""

    message: Literal[
        "Order successfully fulfilled", "Order not fulfilled", "Order accepted, not finished"
    ] = Field(
        description="What became of the order, in words; `status` says it to programs.",
        examples=["Order successfully fulfilled"],
    )


class OrderAnswer(Order, Message):
    """The answer to a placed order: the message, then the whole order."""


class OrdersPage(Shape):
    """A page of orders, the newest first."""

    orders: list[OrderSummary] = Field(description="The orders of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["bzQy"]
    )


class SplitsPage(Shape):
    """A page of an order's splits, the first ones first."""

    splits: list[Split] = Field(description="The splits of this page.")
    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[1234])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["czEwMDA"]
    )


class FieldProblem(Shape):
    """What is wrong with one field."""

    field: str = Field(description="Field, query parameter or header.", examples=["price"])
    code: str = Field(description="Stable name of the problem.", examples=["price_filter"])
    message: str = Field(
        description="What is wrong, and what to do about it.",
        examples=["LOT_SIZE: 0.0005 is below the minimum 0.001; the nearest valid value is 0.001"],
    )


class Problem(Shape):
    """An error as RFC 9457 has it; `code` is stable, the texts are for people."""

    type: str = Field(
        description="`urn:papertape:problem:` and the code.",
        examples=["urn:papertape:problem:malformed_json"],
    )
    title: str = Field(description="The same for the same code.", examples=["Malformed JSON"])
    status: int = Field(ge=400, le=599, description="The HTTP status.", examples=[400])
    detail: str = Field(
        description="What happened this time.",
        examples=["the body is not JSON at line 1 column 12"],
    )
    code: str = Field(description="Stable name of the error.", examples=["malformed_json"])


class OrderProblem(Problem):
    """An error about an order that is there."""

    order_id: str = Field(
        description="Which one.", examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"]
    )


class ClosedOrderProblem(Problem):
    """An error that an order is closed."""

    order: Order = Field(description="The order.")


class InputProblem(Problem):
    """An error of the input, with every problem found."""

    errors: list[FieldProblem] = Field(min_length=1, description="Every problem found.")
