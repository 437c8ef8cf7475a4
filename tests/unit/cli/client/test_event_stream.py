"""Tests of ``app.cli.client.event_stream``."""

import contextlib
import random
import socket
from dataclasses import replace

import pytest
from starlette.responses import HTMLResponse
from websockets.asyncio.server import ServerConnection, serve

from app.cli.client.client_errors import RefusedError, UnexpectedAnswerError
from app.cli.client.event_stream import EventStream, StreamLostError, Subscription
from app.cli.client.retries import RetryPolicy
from app.cli.client.service_address import ServiceAddress
from tests.support.fake_service import QUICK, FakeService, PlannedClose, problem

BODY = {"symbol": "LTCBTC", "order_size": "100", "price": "0.0026"}


def stream_of(
    fake: FakeService,
    subscription: Subscription | None = None,
    *,
    after: str | None = None,
    was_reached: bool = False,
    told: list[str] | None = None,
    retries: RetryPolicy = QUICK,
) -> EventStream:
    """Make a stream of all orders, from now on unless told otherwise."""
    return EventStream(
        fake.address,
        subscription or Subscription(),
        retries=retries,
        random_source=random.Random(1),
        tell=(told if told is not None else []).append,
        after=after,
        was_reached=was_reached,
    )


async def positions(stream: EventStream, count: int) -> list[str]:
    """Return the positions of the first events."""
    found: list[str] = []
    async with contextlib.aclosing(stream.messages()) as messages:
        async for message in messages:
            if message["type"] == "event":
                found.append(message["position"])
            if len(found) == count:
                break
    return found


def make_events(fake: FakeService, count: int) -> None:
    """Let that many things happen."""
    for _ in range(count):
        fake.accept(BODY)


async def test_events_are_told_from_where_one_asks(fake: FakeService) -> None:
    """After a position, in order; the stream knows how far it is."""
    make_events(fake, 4)
    stream = stream_of(fake, after="p1")

    assert await positions(stream, 3) == ["p2", "p3", "p4"]
    assert stream.position == "p4"


async def test_the_subscription_says_whose_events(fake: FakeService) -> None:
    """Orders and symbols are asked for as they were given."""
    make_events(fake, 2)
    second = fake.events[1]["order_id"]
    subscription = Subscription(order_ids=[second], symbols=["LTCBTC"])

    await positions(stream_of(fake, subscription, after="beginning"), 1)

    assert fake.subscriptions == [
        {
            "type": "subscribe",
            "order_ids": [second],
            "symbols": ["LTCBTC"],
            "after": "beginning",
        }
    ]


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1012, "resume after p2"), (1013, "resume after p2"), (1011, ""), (1000, "")],
)
async def test_a_broken_stream_is_taken_up_where_it_broke(
    fake: FakeService, code: int, reason: str
) -> None:
    """Each event is told once, whatever ended the connection."""
    make_events(fake, 4)
    fake.planned_streams.append(PlannedClose(code=code, reason=reason, after_events=2))

    assert await positions(stream_of(fake, after="beginning"), 4) == ["p1", "p2", "p3", "p4"]
    assert [one["after"] for one in fake.subscriptions] == ["beginning", "p2"]


async def test_the_service_knows_best_where_to_resume(fake: FakeService) -> None:
    """It has skipped what is not asked for, and says so when it closes."""
    make_events(fake, 3)
    fake.planned_streams.append(PlannedClose(code=1013, reason="resume after p3"))
    stream = stream_of(fake, Subscription(symbols=["ETHBTC"]), after="beginning")
    async with contextlib.aclosing(stream.messages()) as messages:
        await anext(messages)
        fake.planned_streams.clear()
        assert (await anext(messages))["type"] == "subscribed"

    assert [one["after"] for one in fake.subscriptions] == ["beginning", "p3"]


async def test_a_break_before_the_first_old_event_loses_nothing(fake: FakeService) -> None:
    """The head that a subscription names is not where it has got to."""
    make_events(fake, 2)
    fake.planned_streams.append(PlannedClose(code=1011))

    assert await positions(stream_of(fake, after="beginning"), 2) == ["p1", "p2"]


async def test_a_break_before_the_first_new_event_resumes_at_the_head(fake: FakeService) -> None:
    """Who asked for what comes from now on misses nothing of it while the connection is down."""
    make_events(fake, 2)
    fake.planned_streams.append(PlannedClose(code=1011))
    stream = stream_of(fake)
    async with contextlib.aclosing(stream.messages()) as messages:
        await anext(messages)
        make_events(fake, 1)
        await anext(messages)
        assert (await anext(messages))["position"] == "p3"

    assert fake.subscriptions[1]["after"] == "p2"


async def test_a_stream_that_always_breaks_is_given_up(fake: FakeService) -> None:
    """After a bounded number of failures in a row."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 20)

    with pytest.raises(StreamLostError):
        await positions(stream_of(fake), 1)

    assert len(fake.subscriptions) == QUICK.attempts_max


async def test_each_event_renews_the_patience(fake: FakeService) -> None:
    """A stream that gets on is not given up, however often it breaks."""
    make_events(fake, 6)
    fake.planned_streams.extend([PlannedClose(code=1012, after_events=1)] * 6)

    assert len(await positions(stream_of(fake, after="beginning"), 6)) == 6


async def test_an_error_that_may_pass_is_tried_again(fake: FakeService) -> None:
    """The close after it says so: the database of the service, say, does not answer now."""
    make_events(fake, 1)
    fake.planned_streams.append(PlannedClose(code=1013, error="database_unavailable"))
    told: list[str] = []

    assert await positions(stream_of(fake, after="beginning", told=told), 1) == ["p1"]
    assert "said database_unavailable" in told[0]


async def test_a_connection_that_held_renews_the_patience(fake: FakeService) -> None:
    """Also when nothing happened on it: a quiet stream that is cut now and then is not given up."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 3 * QUICK.attempts_max)
    make_events(fake, 1)
    stream = stream_of(fake, after="beginning", retries=replace(QUICK, steady_seconds=0))

    assert await positions(stream, 1) == ["p1"]


async def test_a_connection_that_is_cut_is_taken_up() -> None:
    """Without a word of the service, as when the network fails."""
    subscriptions: list[str | bytes] = []

    async def cut(connection: ServerConnection) -> None:
        subscriptions.append(await connection.recv())
        await connection.send('{"type": "subscribed", "position": "p7"}')
        connection.transport.abort()

    async with serve(cut, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = stream_of(FakeService(url=f"http://127.0.0.1:{port}"))
        with pytest.raises(StreamLostError):
            await positions(stream, 1)

    assert len(subscriptions) == QUICK.attempts_max
    assert '"after":"p7"' in str(subscriptions[1])


@pytest.mark.parametrize("text", ["hello", '{"kind": "event"}', '{"type": "event"}'])
async def test_what_is_no_message_is_told(fake: FakeService, text: str) -> None:
    """Somebody else serves this path."""
    fake.greeting = text

    with pytest.raises(UnexpectedAnswerError, match="ws://"):
        await positions(stream_of(fake), 1)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_stream_that_is_refused_for_now_is_tried_again(
    fake: FakeService, status: int
) -> None:
    """The handshake may pass later."""
    make_events(fake, 1)
    fake.planned_streams.append(PlannedClose(refusal=problem(status, "not_now")))

    assert await positions(stream_of(fake, after="beginning"), 1) == ["p1"]


async def test_a_stream_that_is_refused_for_good_is_told(fake: FakeService) -> None:
    """With the service's own words."""
    fake.planned_streams.append(PlannedClose(refusal=problem(403, "missing_scope", "not yours")))

    with pytest.raises(RefusedError, match="not yours"):
        await positions(stream_of(fake), 1)


async def test_a_server_without_the_stream_is_told(fake: FakeService) -> None:
    """It is not a Papertape service, or an old one."""
    fake.planned_streams.append(PlannedClose(refusal=HTMLResponse("no", status_code=404)))

    with pytest.raises(UnexpectedAnswerError, match="HTTP 404 instead of a WebSocket"):
        await positions(stream_of(fake), 1)


async def test_an_error_on_the_stream_is_told(fake: FakeService) -> None:
    """A position that cannot be resumed from is no reason to try again."""
    with pytest.raises(RefusedError) as refused:
        await positions(stream_of(fake, after="p99"), 1)

    assert refused.value.reason_code == "position_beyond_head"
    assert str(refused.value) == "said position_beyond_head"
    assert len(fake.subscriptions) == 1


async def test_a_close_for_a_violation_is_final(fake: FakeService) -> None:
    """Also when no error was told before it."""
    fake.planned_streams.append(PlannedClose(code=1008, reason="too many streams"))

    with pytest.raises(RefusedError, match="too many streams"):
        await positions(stream_of(fake), 1)


async def test_the_key_goes_with_the_handshake(fake: FakeService) -> None:
    """A service that asks for one gives the stream to who has it."""
    fake.key = "secret"
    make_events(fake, 1)

    assert await positions(stream_of(fake, after="beginning"), 1) == ["p1"]


async def test_a_key_that_is_not_known_is_told(fake: FakeService) -> None:
    """By an answer to the handshake or on the stream, in the words of the command line."""
    fake.key = "secret"
    stream = stream_of(fake)
    fake.planned_streams.append(PlannedClose(refusal=problem(401, "unauthorized")))
    with pytest.raises(RefusedError, match=r"^the service does not know this key$"):
        await positions(stream, 1)

    fake.key = None
    stream = stream_of(fake)
    fake.key = "secret"
    with pytest.raises(RefusedError, match=r"^the service asks for a key: give --key or set PAPER"):
        await positions(stream, 1)


async def test_a_secure_address_of_a_plain_service_is_told(fake: FakeService) -> None:
    """With the address that would work."""
    plain_url = fake.url
    fake.url = plain_url.replace("http:", "https:")

    with pytest.raises(StreamLostError, match=f"not speak https there; try {plain_url}$"):
        await positions(stream_of(fake), 1)


@pytest.mark.parametrize("was_reached", [True, False])
async def test_nobody_there_is_told(was_reached: bool) -> None:  # noqa: FBT001 - a case
    """At once if it never answered, after some attempts if it did."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = ServiceAddress(url=f"http://127.0.0.1:{reserved.getsockname()[1]}")
        told: list[str] = []
        stream = EventStream(
            address,
            Subscription(),
            retries=QUICK,
            random_source=random.Random(1),
            tell=told.append,
            was_reached=was_reached,
        )
        with pytest.raises(StreamLostError, match=address.url):
            await positions(stream, 1)

    assert len(told) == (QUICK.attempts_max - 1 if was_reached else 0)
