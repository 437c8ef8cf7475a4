"""The shapes of answers and events, as far as the client reads them.

A key that the client does not read is kept, so that ``--json`` prints what the service said, and a
key that a newer service adds does no harm. Amounts are strings in plain notation and stay strings.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict, TypeVar

import msgspec

CLOSED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED"})
"""The statuses that no other follows."""

FILLED: Final = "FILLED"
EXPIRED: Final = "EXPIRED"

Shape = TypeVar("Shape")


class UnexpectedShapeError(Exception):
    """A document that is no JSON, or lacks what it should have; the text says which."""


class FieldProblem(TypedDict):
    """What is wrong with one field."""

    field: str
    code: str
    message: str


class Problem(TypedDict):
    """Why a request was refused."""

    code: str
    detail: str
    errors: NotRequired[list[FieldProblem]]
    order_id: NotRequired[str | None]
    order: NotRequired["Order"]


class Split(TypedDict):
    """One fill of an order."""

    update_id: int
    price: str
    quantity: str
    filled_at: str


class Feed(TypedDict):
    """How the market data arrives."""

    status: str
    cause: str | None


class Market(TypedDict):
    """What an open order meets now."""

    obstacle: str
    explanation: str
    best_price: str | None
    distance: str | None
    displayed_quantity: str | None
    taken_quantity: str | None
    quote_age_milliseconds: int | None
    feed: NotRequired[Feed | None]


class Decision(TypedDict):
    """What the quote that decided an IOC or FOK order had for it."""

    update_id: int
    price: str | None
    displayed_quantity: str
    taken_quantity: str


class Execution(TypedDict):
    """How well a closed order was executed."""

    arrival_price: str | None
    slippage: str | None
    improvement: str | None
    first_fill_milliseconds: int | None
    last_fill_milliseconds: int | None
    quotes_seen: int
    decision: NotRequired[Decision | None]


class OrderSummary(TypedDict):
    """An order without its splits."""

    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    time_in_force: str
    order_size: str
    price: str
    status: str
    reason: str | None
    filled_quantity: str
    remaining_quantity: str
    average_price: str | None
    accepted_at: str
    expires_at: str
    closed_at: str | None
    splits_total: int


class Order(OrderSummary):
    """An order with its first splits; ``message`` only where it is placed."""

    message: NotRequired[str]
    splits: list[Split]
    market: NotRequired[Market | None]
    execution: NotRequired[Execution | None]


class OrdersPage(TypedDict):
    """A page of orders, the newest first."""

    orders: list[OrderSummary]
    next_cursor: str | None


class SplitsPage(TypedDict):
    """A page of an order's splits, the first ones first."""

    splits: list[Split]
    next_cursor: str | None


class CanceledOrders(TypedDict):
    """What became of the open orders of a symbol."""

    symbol: str
    canceled_total: int
    orders: list[OrderSummary]


class EventSplit(TypedDict):
    """The fill that an event tells."""

    split_number: int
    update_id: int
    price: str
    quantity: str


class Event(TypedDict):
    """One step in the life of an order; ``sequence`` counts 1..n within the order."""

    type: Literal["event"]
    position: str
    order_id: str
    client_order_id: str | None
    sequence: int
    symbol: str
    side: str
    order_size: str
    price: str
    status: str
    reason: str | None
    at: str
    split: EventSplit | None
    filled_quantity: str
    remaining_quantity: str


class EventsPage(TypedDict):
    """A page of an order's events, the first ones first."""

    events: list[Event]
    next_cursor: str | None


class Subscribed(TypedDict):
    """The stream has begun; what happens after ``position`` follows."""

    type: Literal["subscribed"]
    position: str


class StreamError(Problem):
    """The stream's last message when it is refused, or cannot be had for now."""

    type: Literal["error"]


def read_shape(text: str | bytes, shape: type[Shape]) -> Shape:
    """Read a JSON document that has at least the keys of ``shape``; the others are kept.

    Raises:
        UnexpectedShapeError: it is no JSON, or has another shape.
    """
    try:
        document: Any = msgspec.json.decode(text)
        msgspec.convert(document, shape)
    except RecursionError:
        # The interpreter sets the limit and words the error; neither is part of our message.
        raise UnexpectedShapeError("nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise UnexpectedShapeError(str(error)) from None
    # The converted value would lack the keys that the shape does not name.
    checked: Shape = document
    return checked
