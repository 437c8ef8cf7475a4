"""The JSON of events."""

import json
from dataclasses import replace

from app.api.docs import examples
from app.api.stream.event_models import Event, EventTexts
from app.domain.order import OrderStatus, Reason


def test_event_is_told_as_documented() -> None:
    """An event has the documented form, with a split only for a fill."""
    accepted, filled = (
        Event.of(stored, stream_id=examples.EXAMPLE_STREAM_ID) for stored in examples.events()
    )

    assert accepted.split is None
    assert filled.model_dump(mode="json")["split"] == {
        "split_number": 1,
        "update_id": 1742578110,
        "price": "0.000912",
        "quantity": "312.484",
    }
    assert filled.remaining_quantity == "687.516"


def test_end_of_an_order_that_was_not_filled_has_its_reason() -> None:
    """An event that ends an unfilled order has its reason."""
    stored = examples.events()[1]
    end = replace(stored.event, status=OrderStatus.EXPIRED, reason=Reason.TIMEOUT, split=None)

    told = Event.of(replace(stored, event=end), stream_id=examples.EXAMPLE_STREAM_ID)

    assert (told.status, told.reason, told.split) == ("EXPIRED", "TIMEOUT", None)


def test_an_event_is_encoded_once_for_all_who_hear_it() -> None:
    """An event is encoded once for all its receivers; the cache drops the oldest texts first."""
    first, second = examples.events()
    texts = EventTexts(examples.EXAMPLE_STREAM_ID, texts_kept=1)

    told = texts.of(first)

    assert json.loads(told.text) == Event.of(
        first, stream_id=examples.EXAMPLE_STREAM_ID
    ).model_dump(mode="json")
    assert told.frame.endswith(told.text.encode())
    assert texts.of(first) is told
    assert json.loads(texts.of(second).text)["position"] != json.loads(told.text)["position"]
    assert texts.of(first) is not told
    assert len(texts._by_position) == 1
