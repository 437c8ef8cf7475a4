"""The response models of events, for the order stream and ``GET /order/{order_id}/events``."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Self

from pydantic import Field

from app.api.cursors import Cursor, write_cursor
from app.api.models import Amount, ResponseModel, Time
from app.api.server.text_frames import text_frame
from app.api.stream.stream_cursors import write_position
from app.domain.events import StoredEvent
from app.domain.order import OrderStatus, Reason, Side

TEXTS_KEPT: Final = 4_096
"""Some 5 MB; readers of current events are hardly ever further apart."""


class EventSplit(ResponseModel):
    """The fill of an event."""

    split_number: int = Field(ge=1, description="Counts the order's splits.")
    update_id: int = Field(ge=1, description="The venue's number of the quote that filled.")
    price: Amount = Field(description="Price displayed by the venue.")
    quantity: Amount = Field(description="Quantity filled, in the base asset.")


class Event(ResponseModel):
    """One transition of one order, sent once it is durable."""

    type: Literal["event"] = Field(description="Always `event`.")
    position: str = Field(
        description="Its place among all events, opaque; `after` resumes behind it."
    )
    order_id: str = Field(description="The order's id.")
    client_order_id: str | None = Field(
        description="The name that it was placed with, null without one.", examples=["my-order-1"]
    )
    sequence: int = Field(ge=1, description="Counts the order's events from 1 without gaps.")
    symbol: str = Field(description="Trading pair.")
    side: Side = Field(description="`BUY` or `SELL`.")
    order_size: Amount = Field(description="Quantity asked for.")
    price: Amount = Field(description="Limit price.")
    status: OrderStatus = Field(description="Status after the event.")
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null.", examples=["TIMEOUT"]
    )
    at: Time = Field(description="When it happened, UTC.")
    split: EventSplit | None = Field(description="This fill; null if the event is none.")
    filled_quantity: Amount = Field(description="Quantity filled so far, this event included.")
    remaining_quantity: Amount = Field(description="Quantity not filled.")
    quote_quantity: Amount = Field(description="Exact sum of price times quantity so far.")

    @classmethod
    def of(cls, stored: StoredEvent, *, stream_id: str) -> Self:
        """Return the response model of a stored event of the stream ``stream_id``."""
        event = stored.event
        order = event.order
        return cls(
            type="event",
            position=write_position(stream_id, stored.position),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            sequence=event.sequence,
            symbol=order.symbol,
            side=order.side,
            order_size=order.quantity,
            price=order.limit_price,
            status=event.status,
            reason=event.reason,
            at=event.at,
            split=event.split,
            filled_quantity=event.filled_quantity,
            remaining_quantity=event.remaining_quantity,
            quote_quantity=event.quote_quantity,
        )


class EventsPage(ResponseModel):
    """A page of an order's events, the first ones first."""

    events: list[Event] = Field(description="The events of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["ZTEwMDA"]
    )

    @classmethod
    def of(cls, events: Sequence[StoredEvent], *, limit: int, stream_id: str) -> Self:
        """Return at most ``limit`` events; one more than that means that another page follows."""
        page = events[:limit]
        cursor = None
        if len(events) > limit:
            cursor = write_cursor(Cursor.EVENTS, page[-1].event.sequence)
        return cls(
            events=[Event.of(stored, stream_id=stream_id) for stored in page], next_cursor=cursor
        )


class EventText(NamedTuple):
    """An event in JSON, as text and as the frame of a WebSocket."""

    text: str
    frame: bytes


class EventTexts:
    """Encodes each event once for all connections that receive it."""

    def __init__(self, stream_id: str, *, texts_kept: int = TEXTS_KEPT) -> None:
        self._stream_id = stream_id
        self._texts_kept = texts_kept
        self._by_position: dict[int, EventText] = {}

    def of(self, stored: StoredEvent) -> EventText:
        """Return an event in JSON."""
        text = self._by_position.get(stored.position)
        if text is None:
            json = Event.of(stored, stream_id=self._stream_id).model_dump_json()
            text = EventText(json, text_frame(json.encode()))
            if len(self._by_position) == self._texts_kept:
                del self._by_position[next(iter(self._by_position))]  # the oldest
            self._by_position[stored.position] = text
        return text
