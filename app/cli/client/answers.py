"""The parts of answers and events that the client reads.

Other keys are kept, so ``--json`` prints the complete answer, and keys of a newer service do no
harm. Amounts are strings in plain notation and stay strings.
"""

from typing import Any, Final, Literal, NotRequired, TypedDict, TypeVar

import msgspec

CLOSED: Final = frozenset({"FILLED", "CANCELED", "EXPIRED"})
"""The terminal statuses."""

FILLED: Final = "FILLED"
EXPIRED: Final = "EXPIRED"

Shape = TypeVar("Shape")


class UnexpectedShapeError(Exception):
    """A document is not JSON or lacks a required key; the message says which."""


class FieldProblem(TypedDict):
    """A problem with one field."""

    field: str
    code: str
    message: str


class Problem(TypedDict):
    """The reason for a refused request."""

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
    """The state of the market data."""

    status: str
    cause: str | None


class Market(TypedDict):
    """The market as an open order meets it now."""

    explanation: str
    best_price: str | None
    distance: str | None
    displayed_quantity: str | None
    taken_quantity: str | None
    quote_age_milliseconds: int | None
    feed: NotRequired[Feed | None]


class Decision(TypedDict):
    """The quote that decided an IOC or FOK order, and its quantity for the order."""

    update_id: int
    price: str | None
    displayed_quantity: str
    taken_quantity: str


class Execution(TypedDict):
    """The execution quality of a closed order."""

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
    """An order with its first splits; only the answer to placing has ``message``."""

    message: NotRequired[str]
    splits: list[Split]
    market: NotRequired[Market | None]
    execution: NotRequired[Execution | None]


class OrdersPage(TypedDict):
    """A page of orders, the newest first."""

    orders: list[OrderSummary]
    next_cursor: str | None


class SplitsPage(TypedDict):
    """A page of an order's splits, in their order."""

    splits: list[Split]
    next_cursor: str | None


class CanceledOrders(TypedDict):
    """The answer to canceling all open orders of a symbol."""

    symbol: str
    canceled_total: int
    orders: list[OrderSummary]


class EventSplit(TypedDict):
    """The fill of an event."""

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
    """A page of an order's events, in their order."""

    events: list[Event]
    next_cursor: str | None


class Subscribed(TypedDict):
    """The stream has begun; the events after ``position`` follow."""

    type: Literal["subscribed"]
    position: str


class StreamError(Problem):
    """The stream's last message if the stream is refused or unavailable."""

    type: Literal["error"]


def read_shape(text: str | bytes, shape: type[Shape]) -> Shape:
    """Read a JSON document that has at least the keys of ``shape``; other keys are kept.

    Raises:
        UnexpectedShapeError: the document is not JSON, or has another shape.
    """
    try:
        document: Any = msgspec.json.decode(text)
        msgspec.convert(document, shape)
    except RecursionError:
        # The limit and the error text depend on the interpreter, so the message has neither.
        raise UnexpectedShapeError("nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise UnexpectedShapeError(str(error)) from None
    # Not the converted value: it lacks the keys that the shape does not name.
    checked: Shape = document
    return checked
