"""Tests of ``app.simulator.venue.control_messages``."""

import json

import pytest

from app.simulator.venue.control_messages import Subscriptions, answer
from app.simulator.venue.venue_limits import STREAMS_MAX

EXPECTED = (
    "expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, "
    "`GET_PROPERTY`"
)

PREFIXES = {
    1: "Invalid value type: expected Boolean",
    2: "Invalid request: ",
    3: "Invalid JSON: expected value at ",
}


def make_subscriptions(*streams: str) -> Subscriptions:
    """Return the subscriptions of a connection with raw frames."""
    return Subscriptions(streams=dict.fromkeys(streams), is_combined=False)


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


@pytest.mark.parametrize(
    ("message", "result", "streams"),
    [
        # An UNSUBSCRIBE of an unknown stream succeeds.
        ({"method": "UNSUBSCRIBE", "params": ["b", "x"]}, None, ["a"]),
        # The streams are listed in the order of subscribing.
        ({"method": "LIST_SUBSCRIPTIONS"}, ["b", "a"], ["b", "a"]),
        # Some clients always send the field, so it may be null or empty.
        ({"method": "LIST_SUBSCRIPTIONS", "params": None}, ["b", "a"], ["b", "a"]),
        ({"method": "LIST_SUBSCRIPTIONS", "params": []}, ["b", "a"], ["b", "a"]),
    ],
)
def test_streams_are_unsubscribed_and_listed(
    message: dict[str, object], result: object, streams: list[str]
) -> None:
    """The reply has the result and the id."""
    subscriptions = make_subscriptions("b", "a")

    assert ask(subscriptions, **message, id=312) == {"result": result, "id": 312}
    assert list(subscriptions.streams) == streams


def test_the_combined_property_can_be_set_and_read() -> None:
    """SET_PROPERTY and GET_PROPERTY support this property."""
    subscriptions = make_subscriptions()
    replies = [
        ask(subscriptions, method="SET_PROPERTY", params=["combined", True], id=5),
        ask(subscriptions, method="GET_PROPERTY", params=["combined"], id=2),
    ]

    assert replies == [{"result": None, "id": 5}, {"result": True, "id": 2}]


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
    ("message", "code", "text"),
    [
        ("{nonsense", 3, "line 1 column 2"),
        ("", 3, "line 1 column 1"),
        ('{\n "method": x}', 3, "line 2 column 12"),
        ("[" * 100_000, 3, "line 1 column 1"),
        ("[" * 301 + "]" * 301, 3, "line 1 column 1"),
        ("1" * 5_000, 3, "line 1 column 1"),
        ("[]", 2, "invalid type: expected struct Request at line 1 column 2"),
        ('{"params":["a"],"id":1}', 2, "missing field `method` at line 1 column 23"),
        ('{"method":"SUBSCRIBE","id":1}', 2, "missing field `params` at line 1 column 29"),
        (
            '{"method":"SUBSCRIBE","params":"a","id":1}',
            2,
            "invalid type: expected a sequence at line 1 column 42",
        ),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "stream names must be strings"),
        (
            '{"method":"SUBSCRIVE","params":["a"],"id":1}',
            2,
            f"unknown variant `SUBSCRIVE`, {EXPECTED} at line 1 column 21",
        ),
        ('{"method":7,"id":1}', 2, f"unknown variant `7`, {EXPECTED} at line 1 column 19"),
        ('{"method":"LIST_SUBSCRIPTIONS","params":["a"],"id":1}', 2, "too many parameters"),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "too many parameters"),
        ('{"method":"GET_PROPERTY","params":[1],"id":1}', 2, "property name must be a string"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, ""),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 1, ""),
    ],
)
def test_a_bad_message_is_refused_in_binances_words(message: str, code: int, text: str) -> None:
    """Code and text are as documented, and no stream is added."""
    subscriptions = make_subscriptions()
    reply = json.loads(answer(message, subscriptions).text)

    assert reply == {"code": code, "msg": PREFIXES[code] + text}
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
