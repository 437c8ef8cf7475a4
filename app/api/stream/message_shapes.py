"""The wire shapes of events, and of the messages around them on ``/ws/orders``."""

from typing import Literal

from pydantic import Field

from app.api.orders.shapes import Amount, FieldProblem, Shape, Time
from app.api.stream.client_messages import NAMED_MAX
from app.domain.order import OrderStatus, Reason, Side


class EventSplit(Shape):
    """The fill that an event tells of."""

    split_number: int = Field(ge=1, description="Counts the order's splits.", examples=[1])
    update_id: int = Field(
        ge=1, description="The venue's number of the quote that filled.", examples=[1742578110]
    )
    price: Amount = Field(description="Price displayed by the venue.", examples=["0.000912"])
    quantity: Amount = Field(description="Quantity filled, in the base asset.", examples=["312.5"])


class Event(Shape):
    """One transition of one order, told once it is durable."""

    type: Literal["event"] = Field(description="Always `event`.", examples=["event"])
    position: str = Field(
        description="Its place among all events, opaque; `after` resumes behind it.",
        examples=["MDEyMzQ1Njc4OWFiY2RlZi00Mg"],
    )
    order_id: str = Field(
        description="The order's id.", examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"]
    )
    client_order_id: str | None = Field(
        description="The name that it was placed with, null without one.", examples=["my-order-1"]
    )
    sequence: int = Field(
        ge=1, description="Counts the order's events from 1 without gaps.", examples=[2]
    )
    symbol: str = Field(description="Trading pair.", examples=["LTCBTC"])
    side: Side = Field(description="`BUY` or `SELL`.", examples=["SELL"])
    order_size: Amount = Field(description="Quantity asked for.", examples=["1000"])
    price: Amount = Field(description="Limit price.", examples=["0.0001"])
    status: OrderStatus = Field(
        description="Status after the event.", examples=["PARTIALLY_FILLED"]
    )
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null.", examples=["TIMEOUT"]
    )
    at: Time = Field(description="When it happened, UTC.", examples=["2025-10-07T09:12:31.482913Z"])
    split: EventSplit | None = Field(description="This fill; null if the event is none.")
    filled_quantity: Amount = Field(
        description="Quantity filled so far, this event included.", examples=["312.484"]
    )
    remaining_quantity: Amount = Field(description="Quantity not filled.", examples=["687.516"])
    quote_quantity: Amount = Field(
        description="Exact sum of price times quantity so far.", examples=["0.284985408"]
    )


class EventsPage(Shape):
    """A page of an order's events, the first ones first."""

    events: list[Event] = Field(description="The events of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["ZTEwMDA"]
    )


class Authenticate(Shape):
    """Says whose orders the connection is about; the first message, where no header did."""

    type: Literal["authenticate"] = Field(
        description="Always `authenticate`.", examples=["authenticate"]
    )
    key: str = Field(min_length=1, description="A key.", examples=["pt_example"])


class Authenticated(Shape):
    """The key is known."""

    type: Literal["authenticated"] = Field(
        description="Always `authenticated`.", examples=["authenticated"]
    )
    owner: str = Field(description="Whose key it is.", examples=["alice"])


class Subscribe(Shape):
    """Says what the connection wants to hear; without `order_ids` and `symbols`, all orders."""

    type: Literal["subscribe"] = Field(description="Always `subscribe`.", examples=["subscribe"])
    order_ids: list[str] = Field(
        default_factory=list,
        min_length=1,
        max_length=NAMED_MAX,
        description="Orders to hear of.",
        examples=[["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"]],
    )
    symbols: list[str] = Field(
        default_factory=list,
        min_length=1,
        max_length=NAMED_MAX,
        description="Symbols to hear of.",
        examples=[["LTCBTC"]],
    )
    after: str | None = Field(
        None,
        description="Where to resume: the `position` of the last event received, or `beginning` "
        "for all that is kept. Without it, from now on.",
        examples=["MDEyMzQ1Njc4OWFiY2RlZi00Mg"],
    )


class Subscribed(Shape):
    """The subscription holds; its events follow, each once, by position."""

    type: Literal["subscribed"] = Field(description="Always `subscribed`.", examples=["subscribed"])
    position: str = Field(
        description="The newest event of all when the subscription began. What `after` asks for "
        "still follows.",
        examples=["MDEyMzQ1Njc4OWFiY2RlZi00Mg"],
    )


class StreamError(Shape):
    """Why the connection is closed next; `code` is stable, the text is for people."""

    type: Literal["error"] = Field(description="Always `error`.", examples=["error"])
    detail: str = Field(
        description="What happened this time.", examples=["messages are JSON objects"]
    )
    code: str = Field(description="Stable name of the error.", examples=["invalid_message"])
    errors: list[FieldProblem] = Field(
        default_factory=list,
        min_length=1,
        description="Every problem found, where a field of a message is wrong.",
    )
