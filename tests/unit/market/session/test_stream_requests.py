"""Tests of ``StreamRequests``."""

import json

import pytest

from app.domain.order import Symbol
from app.market.session.stream_requests import (
    CONTROL_BYTES_MAX,
    TIME_STREAM,
    ControlMessage,
    ControlMethod,
    StreamRequests,
)
from tests.support.market import LTCBTC

ETHBTC = Symbol("ETHBTC")


@pytest.fixture
def wanted() -> set[Symbol]:
    """Make the set of symbols with listeners."""
    return {LTCBTC}


@pytest.fixture
def requests(wanted: set[Symbol]) -> StreamRequests:
    """Make the requests of a new connection."""
    return StreamRequests(wanted, wanted)


def symbols(count: int) -> list[Symbol]:
    """Make symbols."""
    return [Symbol(f"COIN{number}USDT") for number in range(count)]


def next_message(requests: StreamRequests) -> ControlMessage:
    """Return the next message, which must exist."""
    message = requests.next_message()
    assert message is not None
    return message


def acknowledge_next(requests: StreamRequests) -> tuple[Symbol, ...]:
    """Take the next message and acknowledge it."""
    return requests.acknowledge(next_message(requests).request_id)


def test_message_is_what_the_venue_documents() -> None:
    """A message has lower-case stream names and an id, as the venue documents."""
    message = ControlMessage(
        request_id=7, method=ControlMethod.SUBSCRIBE, symbols=(LTCBTC, Symbol("币安人生USDT"))
    )

    assert json.loads(message.encode()) == {
        "method": "SUBSCRIBE",
        "params": ["ltcbtc@bookTicker", "币安人生usdt@bookTicker"],
        "id": 7,
    }


def test_everything_wanted_is_subscribed_in_order_in_one_message() -> None:
    """A new connection subscribes all symbols in one message, oldest first."""
    wanted = symbols(50)
    requests = StreamRequests(wanted, wanted)

    message = next_message(requests)

    assert message.symbols == tuple(wanted)
    assert requests.next_message() is None
    assert not requests.has_changes
    assert requests.is_awaited(message.request_id)
    assert not requests.is_acknowledged(wanted[0])
    assert requests.acknowledge(message.request_id) == tuple(wanted)
    assert requests.is_acknowledged(wanted[0])
    assert not requests.is_awaited(message.request_id)


@pytest.mark.parametrize("prefix", ["COIN", "币安人生币安人生币安人生币安"])
def test_message_is_never_longer_than_the_venue_reads(prefix: str) -> None:
    """No message exceeds the length that the venue reads."""
    wanted = [Symbol(f"{prefix}{number}") for number in range(1_000)]
    requests = StreamRequests(wanted, wanted)
    sent: list[Symbol] = []

    while requests.has_changes:
        message = next_message(requests)
        assert len(message.encode()) <= CONTROL_BYTES_MAX
        sent.extend(message.symbols)

    assert sent == wanted


def test_what_came_and_went_before_the_message_costs_none(requests: StreamRequests) -> None:
    """A symbol that came and went before a message needs no message."""
    acknowledge_next(requests)

    requests.note_change(ETHBTC)
    requests.note_change(LTCBTC)

    assert requests.next_message() is None
    assert not requests.has_changes
    assert requests.is_acknowledged(LTCBTC)


def test_unwanted_stream_is_unsubscribed_after_new_ones_are_subscribed(
    wanted: set[Symbol], requests: StreamRequests
) -> None:
    """Subscriptions are sent before unsubscriptions."""
    acknowledge_next(requests)
    wanted.clear()
    wanted.add(ETHBTC)
    requests.note_change(LTCBTC)
    requests.note_change(ETHBTC)

    first, second = next_message(requests), next_message(requests)

    assert (first.method, first.symbols) == (ControlMethod.SUBSCRIBE, (ETHBTC,))
    assert (second.method, second.symbols) == (ControlMethod.UNSUBSCRIBE, (LTCBTC,))
    assert not requests.is_acknowledged(LTCBTC)
    assert requests.acknowledge(second.request_id) == ()


def test_late_acknowledgment_does_not_count_for_a_newer_subscription(
    wanted: set[Symbol], requests: StreamRequests
) -> None:
    """Only the acknowledgment of the newest subscription counts."""
    first = next_message(requests)
    wanted.clear()
    requests.note_change(LTCBTC)
    next_message(requests)
    wanted.add(LTCBTC)
    requests.note_change(LTCBTC)
    third = next_message(requests)

    assert requests.acknowledge(first.request_id) == ()
    assert not requests.is_acknowledged(LTCBTC)
    assert requests.acknowledge(third.request_id) == (LTCBTC,)


def test_refused_subscription_may_be_asked_for_again(requests: StreamRequests) -> None:
    """A refused stream does not flow and can be requested again."""
    refused = requests.refuse(next_message(requests).request_id)
    requests.note_change(LTCBTC)

    assert refused == (LTCBTC,)
    assert not requests.is_acknowledged(LTCBTC)
    assert acknowledge_next(requests) == (LTCBTC,)


def test_full_connection_makes_room_before_it_subscribes() -> None:
    """A full connection unsubscribes before it subscribes."""
    wanted = set(symbols(3))
    requests = StreamRequests(wanted, sorted(wanted), symbols_max=3)
    acknowledge_next(requests)
    wanted.clear()
    wanted.update({LTCBTC, ETHBTC})
    for symbol in (LTCBTC, ETHBTC, *symbols(3)):
        requests.note_change(symbol)

    first, second = next_message(requests), next_message(requests)

    assert first.method is ControlMethod.UNSUBSCRIBE
    assert set(first.symbols) == set(symbols(3))
    assert (second.method, second.symbols) == (ControlMethod.SUBSCRIBE, (LTCBTC, ETHBTC))


def test_time_is_asked_for_once_and_last_in_a_message_of_its_own(requests: StreamRequests) -> None:
    """The time is requested once, last, and in a separate message.

    An answer concerns the time only if no awaited message with its id has symbols.
    """
    requests.request_time()

    first, second = next_message(requests), next_message(requests)

    assert first.symbols == (LTCBTC,)
    assert json.loads(second.encode())["params"] == [TIME_STREAM]
    assert requests.next_message() is None
    assert not requests.has_changes
    ids = (first.request_id, second.request_id, None)
    assert [requests.is_for_time_only(one) for one in ids] == [False, True, False]
    requests.acknowledge(first.request_id)
    assert requests.is_for_time_only(None)
    assert requests.refuse(second.request_id) == ()
    assert not requests.is_for_time_only(None)


def test_answer_to_an_unknown_message_is_ignored(requests: StreamRequests) -> None:
    """An answer with an unknown id is ignored."""
    assert requests.acknowledge(77) == ()
    assert requests.refuse(77) == ()
