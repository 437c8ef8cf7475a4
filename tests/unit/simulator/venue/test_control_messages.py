"""Tests of ``app.simulator.venue.control_messages``."""

import json

import pytest

from app.simulator.venue.control_messages import Subscriptions, answer
from app.simulator.venue.venue_limits import STREAMS_MAX

EXPECTED = (
    "expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, "
    "`GET_PROPERTY`"
)


def make_subscriptions(*streams: str, is_combined: bool = False) -> Subscriptions:
    """Return the subscriptions of a connection."""
    return Subscriptions(streams=dict.fromkeys(streams), is_combined=is_combined)


def ask(subscriptions: Subscriptions, **fields: object) -> object:
    """Send a control message and return the reply."""
    return json.loads(answer(json.dumps(fields), subscriptions).text)


def test_subscribe_is_answered_with_result_null() -> None:
    """Binance: if the result received is null the request sent was a success."""
    subscriptions = make_subscriptions()
    message = '{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","nonsense"],"id":1}'
    reply = answer(message, subscriptions)

    assert reply.text == '{"result":null,"id":1}'
    assert list(subscriptions.streams) == ["btcusdt@aggTrade", "nonsense"]
    assert (reply.method, reply.params) == ("SUBSCRIBE", ("btcusdt@aggTrade", "nonsense"))


def test_unsubscribe_removes_a_stream_and_accepts_unknown_ones() -> None:
    """An UNSUBSCRIBE of an unknown stream succeeds."""
    subscriptions = make_subscriptions("a", "b")
    reply = ask(subscriptions, method="UNSUBSCRIBE", params=["a", "x"], id=312)

    assert reply == {"result": None, "id": 312}
    assert list(subscriptions.streams) == ["b"]


def test_list_subscriptions_names_them_in_order() -> None:
    """The streams are listed in the order of subscribing."""
    reply = ask(make_subscriptions("b", "a"), method="LIST_SUBSCRIPTIONS", id=3)

    assert reply == {"result": ["b", "a"], "id": 3}


@pytest.mark.parametrize("params", [None, []])
def test_list_subscriptions_takes_empty_parameters(params: list[str] | None) -> None:
    """Some clients always send the field, so it may be null or empty."""
    reply = ask(make_subscriptions(), method="LIST_SUBSCRIPTIONS", params=params, id=3)

    assert reply == {"result": [], "id": 3}


def test_the_combined_property_can_be_set_and_read() -> None:
    """SET_PROPERTY and GET_PROPERTY support this property."""
    subscriptions = make_subscriptions()

    assert ask(subscriptions, method="SET_PROPERTY", params=["combined", True], id=5) == {
        "result": None,
        "id": 5,
    }
    assert ask(subscriptions, method="GET_PROPERTY", params=["combined"], id=2) == {
        "result": True,
        "id": 2,
    }


@pytest.mark.parametrize(
    "request_id", [0, -5, 2**63 - 1, None, "abc", "0199c0de-0000-7000-8000-000000000001"]
)
def test_ids_of_the_documented_kinds_come_back(request_id: object) -> None:
    """64-bit integers, short names, UUIDs and null are returned in the reply."""
    reply = ask(make_subscriptions(), method="LIST_SUBSCRIPTIONS", id=request_id)

    assert reply == {"result": [], "id": request_id}


@pytest.mark.parametrize(
    "fields",
    [{}, {"id": True}, {"id": 1.5}, {"id": ""}, {"id": "a b"}, {"id": []}, {"id": 2**63}],
)
def test_other_ids_are_refused(fields: dict[str, object]) -> None:
    """A missing id is refused with the same text of Binance."""
    assert ask(make_subscriptions(), method="LIST_SUBSCRIPTIONS", **fields) == {
        "code": 2,
        "msg": "Invalid request: request ID must be an unsigned integer",
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("{nonsense", (3, "Invalid JSON: expected value at line 1 column 2")),
        ("", (3, "Invalid JSON: expected value at line 1 column 1")),
        ('{\n "method": x}', (3, "Invalid JSON: expected value at line 2 column 12")),
        ("[" * 100_000, (3, "Invalid JSON: expected value at line 1 column 1")),
        ("[" * 301 + "]" * 301, (3, "Invalid JSON: expected value at line 1 column 1")),
        ("1" * 5_000, (3, "Invalid JSON: expected value at line 1 column 1")),
        ("[]", (2, "Invalid request: invalid type: expected struct Request at line 1 column 2")),
        (
            '{"params":["a"],"id":1}',
            (2, "Invalid request: missing field `method` at line 1 column 23"),
        ),
        (
            '{"method":"SUBSCRIBE","id":1}',
            (2, "Invalid request: missing field `params` at line 1 column 29"),
        ),
        (
            '{"method":"SUBSCRIBE","params":"a","id":1}',
            (2, "Invalid request: invalid type: expected a sequence at line 1 column 42"),
        ),
        (
            '{"method":"SUBSCRIBE","params":[1],"id":1}',
            (2, "Invalid request: stream names must be strings"),
        ),
        (
            '{"method":"SUBSCRIVE","params":["a"],"id":1}',
            (
                2,
                f"Invalid request: unknown variant `SUBSCRIVE`, {EXPECTED} at line 1 column 21",
            ),
        ),
        (
            '{"method":7,"id":1}',
            (
                2,
                f"Invalid request: unknown variant `7`, {EXPECTED} at line 1 column 19",
            ),
        ),
        (
            '{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}',
            (2, "Invalid request: too many parameters"),
        ),
        (
            '{"method":"GET_PROPERTY","params":["combined",1],"id":1}',
            (2, "Invalid request: too many parameters"),
        ),
        (
            '{"method":"GET_PROPERTY","params":[1],"id":1}',
            (2, "Invalid request: property name must be a string"),
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined",1],"id":1}',
            (1, "Invalid value type: expected Boolean"),
        ),
        (
            '{"method":"SET_PROPERTY","params":["combined"],"id":1}',
            (1, "Invalid value type: expected Boolean"),
        ),
    ],
)
def test_a_bad_message_is_refused_in_binances_words(
    message: str, expected: tuple[int, str]
) -> None:
    """Code and text are as documented, and no stream is added."""
    subscriptions = make_subscriptions()
    reply = json.loads(answer(message, subscriptions).text)

    assert reply == {"code": expected[0], "msg": expected[1]}
    assert not subscriptions.streams


def test_an_unknown_property_names_the_request() -> None:
    """This is the only documented error that carries the id."""
    assert ask(make_subscriptions(), method="GET_PROPERTY", params=["x"], id=9) == {
        "code": 0,
        "msg": "Unknown property",
        "id": 9,
    }


def test_more_streams_than_allowed_are_refused_as_a_whole() -> None:
    """The recorded answer, and none of the message's streams is subscribed."""
    subscriptions = make_subscriptions(*(f"s{number}" for number in range(STREAMS_MAX - 1)))

    assert ask(subscriptions, method="SUBSCRIBE", params=["s0", "x", "y"], id=19) == {
        "error": {"code": 4, "msg": "Too many subscriptions"},
        "id": 19,
    }
    assert len(subscriptions.streams) == STREAMS_MAX - 1
    ask(subscriptions, method="SUBSCRIBE", params=["s0", "x"], id=20)
    assert len(subscriptions.streams) == STREAMS_MAX
