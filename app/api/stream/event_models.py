"""How an event is told, by the order stream and by ``GET /order/{order_id}/events`` alike."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from app.api.cursors import Cursor, write_cursor
from app.api.orders.order_models import format_time
from app.api.server.text_frames import text_frame
from app.api.stream.stream_cursors import write_position
from app.domain.amounts import format_amount
from app.domain.events import StoredEvent
from app.domain.order import Split

TEXTS_KEPT: Final = 4_096
"""Some 5 MB; readers of what happens are hardly ever further apart."""


def event_view(stored: StoredEvent, *, stream_id: str) -> dict[str, object]:
    """Return one event."""
    event = stored.event
    order = event.order
    return {
        "type": "event",
        "position": write_position(stream_id, stored.position),
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "sequence": event.sequence,
        "symbol": order.symbol,
        "side": order.side.value,
        "order_size": format_amount(order.quantity),
        "price": format_amount(order.limit_price),
        "status": event.status.value,
        "reason": None if event.reason is None else event.reason.value,
        "at": format_time(event.at),
        "split": None if event.split is None else _split_view(event.split),
        "filled_quantity": format_amount(event.filled_quantity),
        "remaining_quantity": format_amount(event.remaining_quantity),
        "quote_quantity": format_amount(event.quote_quantity),
    }


def events_page(events: Sequence[StoredEvent], *, limit: int, stream_id: str) -> dict[str, object]:
    """Return at most ``limit`` events; one more than that says that another page follows."""
    page = events[:limit]
    cursor = None
    if len(events) > limit:
        cursor = write_cursor(Cursor.EVENTS, page[-1].event.sequence)
    return {
        "events": [event_view(stored, stream_id=stream_id) for stored in page],
        "next_cursor": cursor,
    }


class EventText(NamedTuple):
    """An event in JSON, as text and as the frame of a WebSocket."""

    text: str
    frame: bytes


class EventTexts:
    """Events as the order stream tells them, encoded once for all who hear them."""

    def __init__(self, stream_id: str, *, texts_kept: int = TEXTS_KEPT) -> None:
        self._stream_id = stream_id
        self._texts_kept = texts_kept
        self._by_position: dict[int, EventText] = {}

    def of(self, stored: StoredEvent) -> EventText:
        """Return an event in JSON."""
        text = self._by_position.get(stored.position)
        if text is None:
            encoded = msgspec.json.encode(event_view(stored, stream_id=self._stream_id))
            text = EventText(encoded.decode(), text_frame(encoded))
            if len(self._by_position) == self._texts_kept:
                del self._by_position[next(iter(self._by_position))]  # the oldest one
            self._by_position[stored.position] = text
        return text


def _split_view(split: Split) -> dict[str, object]:
    return {
        "split_number": split.split_number,
        "update_id": split.update_id,
        "price": format_amount(split.price),
        "quantity": format_amount(split.quantity),
    }
