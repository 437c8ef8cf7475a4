"""Messages of a client on the order stream; ``test_order_stream`` tests refusals too."""

import json

import pytest

from app.api.docs.examples import EXAMPLE_ORDER_ID
from app.api.json_body import read_json_object
from app.api.stream.client_messages import NAMED_MAX, InvalidMessageError, Subscribe


def read(text: str) -> Subscribe:
    """Read a subscribe message."""
    return Subscribe.model_validate(read_json_object(text.encode()))


def test_shortest_message_asks_for_all_orders_from_now_on() -> None:
    """A message without optional fields subscribes to all new events."""
    expected = Subscribe(type="subscribe")

    assert read('{"type": "subscribe"}') == expected
    assert read('{"type": "subscribe", "after": null}') == expected


def test_orders_and_symbols_are_read_in_our_spelling() -> None:
    """Ids and symbols are read in upper or lower case, and duplicates are dropped."""
    ids = [EXAMPLE_ORDER_ID, EXAMPLE_ORDER_ID.upper()]

    message = read(
        json.dumps({"type": "subscribe", "order_ids": ids, "symbols": ["ltcbtc"], "after": "x"})
    )

    assert message.order_ids == {EXAMPLE_ORDER_ID}
    assert message.symbols == {"LTCBTC"}
    assert message.after == "x"


def test_all_problems_of_a_message_are_told_at_once() -> None:
    """All problems are listed together, so a client can correct them in one attempt."""
    with pytest.raises(InvalidMessageError) as caught:
        read('{"order_ids": "mine", "symbols": [1], "after": 1, "aftr": ""}')

    assert [(problem.field, problem.code) for problem in caught.value.problems] == [
        ("type", "required"),
        ("order_ids", "wrong_type"),
        ("symbols", "wrong_type"),
        ("after", "wrong_type"),
        ("aftr", "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("order_ids", "code"),
    [(["mine"], "invalid_order_id"), ([EXAMPLE_ORDER_ID] * (NAMED_MAX + 1), "too_many")],
)
def test_what_can_never_be_heard_of_is_refused(order_ids: list[str], code: str) -> None:
    """Ids that can never match an event are refused, and so are too many ids."""
    with pytest.raises(InvalidMessageError) as caught:
        read(json.dumps({"type": "subscribe", "order_ids": order_ids}))

    assert [problem.code for problem in caught.value.problems] == [code]
