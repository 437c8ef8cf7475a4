"""Tests of ``app.cli.client.event_stream``."""

import contextlib
from dataclasses import replace

import pytest
from starlette.responses import HTMLResponse
from websockets.asyncio.server import ServerConnection, serve

from app.cli.client.client_errors import RefusedError, UnexpectedAnswerError
from app.cli.client.event_stream import EventStream, StreamLostError, Subscription
from app.cli.client.retries import RetryPolicy
from app.cli.client.service_address import ServiceAddress
from tests.support.fake_service import QUICK, FakeService, PlannedClose, problem
from tests.unit.cli.client.order_builders import BODY

ALL = Subscription()
TEMPORARY_STATUSES = (429, 500, 502, 503, 504)


def stream_of(
    fake: FakeService,
    subscription: Subscription = ALL,
    *,
    after: str | None = None,
    retries: RetryPolicy = QUICK,
) -> EventStream:
    """Return a stream, by default of all new events."""
    return EventStream(fake.address, subscription, retries=retries, after=after)


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
    """Accept this many orders."""
    for _ in range(count):
        fake.accept(BODY)


async def test_events_start_after_the_given_position(fake: FakeService) -> None:
    """Events come in order after a position, and the stream knows its position."""
    make_events(fake, 4)
    stream = stream_of(fake, after="p1")

    assert await positions(stream, 3) == ["p2", "p3", "p4"]
    assert stream.position == "p4"


async def test_the_subscription_selects_events(fake: FakeService) -> None:
    """The message has the given orders and symbols."""
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
    "plans",
    [
        [PlannedClose(code=1012, reason="resume after p2", after_events=2)],
        [PlannedClose(code=1013, reason="resume after p2", after_events=2)],
        [PlannedClose(code=1011, after_events=2)],
        [PlannedClose(code=1000, after_events=2)],
        [PlannedClose(code=1011)],
        [PlannedClose(code=1012, after_events=1)] * 2 * QUICK.attempts_max,
        *([PlannedClose(refusal=problem(status, "not_now"))] for status in TEMPORARY_STATUSES),
    ],
    ids=[
        *("restart", "slow client", "failure", "end", "before the first event"),
        *("many losses, but progress", *TEMPORARY_STATUSES),
    ],
)
async def test_a_lost_stream_resumes_where_it_stopped(
    fake: FakeService, plans: list[PlannedClose]
) -> None:
    """Each event is yielded once, for every kind of disconnection."""
    make_events(fake, 7)
    fake.planned_streams.extend(plans)

    stream = stream_of(fake, after="beginning")

    assert await positions(stream, 7) == [f"p{number}" for number in range(1, 8)]


async def test_a_long_connection_resets_the_retries(fake: FakeService) -> None:
    """A quiet stream that is cut occasionally is never abandoned."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 3 * QUICK.attempts_max)
    make_events(fake, 1)
    stream = stream_of(fake, after="beginning", retries=replace(QUICK, steady_seconds=0))

    assert await positions(stream, 1) == ["p1"]


async def test_the_service_names_the_position_to_resume_after(fake: FakeService) -> None:
    """The service counts the events that the subscription leaves out."""
    make_events(fake, 3)
    fake.planned_streams.append(PlannedClose(code=1013, reason="resume after p3"))
    stream = stream_of(fake, Subscription(symbols=["ETHBTC"]), after="beginning")
    async with contextlib.aclosing(stream.messages()) as messages:
        await anext(messages)
        fake.planned_streams.clear()
        assert (await anext(messages))["type"] == "subscribed"

    assert [one["after"] for one in fake.subscriptions] == ["beginning", "p3"]


async def test_a_break_before_the_first_new_event_resumes_at_the_head(fake: FakeService) -> None:
    """New events are not lost while the connection is down."""
    make_events(fake, 2)
    fake.planned_streams.append(PlannedClose(code=1011))
    stream = stream_of(fake)
    async with contextlib.aclosing(stream.messages()) as messages:
        await anext(messages)
        make_events(fake, 1)
        await anext(messages)
        assert (await anext(messages))["position"] == "p3"

    assert fake.subscriptions[1]["after"] == "p2"


async def test_a_stream_that_always_fails_is_abandoned(fake: FakeService) -> None:
    """The number of successive failures is bounded."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 20)

    with pytest.raises(StreamLostError):
        await positions(stream_of(fake), 1)

    assert len(fake.subscriptions) == QUICK.attempts_max


async def test_a_temporary_error_is_retried(
    fake: FakeService, lines: list[str], retries: RetryPolicy
) -> None:
    """The close code says that the error is temporary, for example of the database."""
    make_events(fake, 1)
    fake.planned_streams.append(PlannedClose(code=1013, error="database_unavailable"))

    assert await positions(stream_of(fake, after="beginning", retries=retries), 1) == ["p1"]
    assert "said database_unavailable" in lines[0]


async def test_a_cut_connection_is_resumed() -> None:
    """The network may fail without a close frame."""
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
async def test_an_unexpected_message_is_reported(fake: FakeService, text: str) -> None:
    """Another server may use this path."""
    fake.greeting = text

    with pytest.raises(UnexpectedAnswerError, match="ws://"):
        await positions(stream_of(fake), 1)


async def test_an_error_on_the_stream_is_reported(fake: FakeService) -> None:
    """A refused position is not retried."""
    with pytest.raises(RefusedError) as refused:
        await positions(stream_of(fake, after="p99"), 1)

    assert refused.value.reason_code == "position_beyond_head"
    assert str(refused.value) == "said position_beyond_head"
    assert len(fake.subscriptions) == 1


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        (PlannedClose(refusal=problem(403, "scope", "not yours")), RefusedError, "not yours"),
        (PlannedClose(code=1008, reason="too many streams"), RefusedError, "too many streams"),
        (
            PlannedClose(refusal=HTMLResponse("no", status_code=404)),
            UnexpectedAnswerError,
            "HTTP 404 instead of a WebSocket",
        ),
    ],
    ids=["refused", "closed for a violation", "no stream"],
)
async def test_a_permanent_failure_is_reported(
    fake: FakeService, plan: PlannedClose, error: type[Exception], message: str
) -> None:
    """The error has the message of the service, which may be another server or an old one."""
    fake.planned_streams.append(plan)

    with pytest.raises(error, match=message):
        await positions(stream_of(fake), 1)


async def test_the_key_goes_with_the_handshake(fake: FakeService) -> None:
    """A service that requires a key accepts the stream."""
    fake.key = "secret"
    make_events(fake, 1)

    assert await positions(stream_of(fake, after="beginning"), 1) == ["p1"]


async def test_an_unknown_key_is_reported(fake: FakeService) -> None:
    """The refusal comes with the handshake or on the stream; the message names the options."""
    fake.key = "secret"
    stream = stream_of(fake)
    fake.planned_streams.append(PlannedClose(refusal=problem(401, "unauthorized")))
    with pytest.raises(RefusedError, match=r"^the service does not know this key$"):
        await positions(stream, 1)

    fake.key = None
    stream = stream_of(fake)
    fake.key = "secret"
    with pytest.raises(RefusedError, match=r"^the service requires a key: use --key or set PAPER"):
        await positions(stream, 1)


async def test_https_to_a_plain_service_is_reported(fake: FakeService) -> None:
    """The message has the address that would work."""
    plain_url = fake.url
    fake.url = plain_url.replace("http:", "https:")

    with pytest.raises(StreamLostError, match=f"not speak https there; try {plain_url}$"):
        await positions(stream_of(fake), 1)


@pytest.mark.parametrize("was_reached", [True, False])
async def test_an_unreachable_service_is_reported(
    unreachable: ServiceAddress, lines: list[str], retries: RetryPolicy, *, was_reached: bool
) -> None:
    """A service that never answered fails at once, another one after several attempts."""
    stream = EventStream(unreachable, ALL, retries=retries, was_reached=was_reached)

    with pytest.raises(StreamLostError, match=unreachable.url):
        await positions(stream, 1)

    assert len(lines) == (QUICK.attempts_max - 1 if was_reached else 0)
