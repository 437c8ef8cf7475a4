"""The WebSocket of events over real sockets, the ports behind it in memory."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from starlette.types import Message, Scope
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus

from app.api.application import ApiOptions, ApiServices, build_application
from app.api.authorization import Authorizer, RateLimiter
from app.api.stream import event_sender
from app.api.stream.order_stream import OrderStream
from app.api.stream.stream_connection import EVENTS_PER_TURN
from app.api.stream.stream_cursors import write_position
from app.domain.errors import DatabaseUnavailableError
from app.domain.order import OrderId, Owner
from tests.support.connections import http_client
from tests.support.in_memory import STREAM_ID, MemoryPorts, quote
from tests.support.in_process import AsgiPeer
from tests.support.sent_orders import AT_ONCE, BUY, fill_in_lots, place_at_once
from tests.support.serving import serving
from tests.support.stream_client import Json, open_stream
from tests.support.waiting import eventually


def open_authorizer(services: ApiServices) -> Authorizer:
    """Return an authorizer with open access and no rate limit."""
    return Authorizer(services.access, RateLimiter(0, clock=services.clock))


EVENTS_PER_READ = 60
"""A small limit for a test that reads more than one page; the service reads far more."""

OTHER_STREAM_ID = "ffffffffffffffff"
"""The name of another database's stream."""


@pytest.fixture
async def url(application: FastAPI) -> AsyncIterator[str]:
    """Serve the application and return its address."""
    async with serving(application) as url:
        yield url


async def history(client: AsyncClient, order_id: str) -> list[Json]:
    """Return all events of an order from GET."""
    events: list[Json] = []
    query: dict[str, Any] = {}
    while True:
        page = (await client.get(f"/order/{order_id}/events", params=query)).json()
        events += page["events"]
        if page["next_cursor"] is None:
            return events
        query = {"cursor": page["next_cursor"]}


async def test_every_transition_is_told_as_it_is_read(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """The stream sends an order's events by position, numbered 1 to n, exactly as in GET."""
    async with open_stream(url) as stream:
        await stream.subscribe()
        ports.desk.show(quote(1, ask=("0.000912", "30")))
        order_id = await place_at_once(client, client_order_id="mine-1")
        ports.desk.show(quote(2, ask=("0.000912", "50")))
        ports.desk.show(quote(3, ask=("0.000911", "80")))

        events = await stream.events(4)

        assert [one["sequence"] for one in events] == [1, 2, 3, 4]
        assert [one["status"] for one in events] == [
            "NEW",
            "PARTIALLY_FILLED",
            "PARTIALLY_FILLED",
            "FILLED",
        ]
        assert [one["filled_quantity"] for one in events] == ["0", "30", "50", "100"]
        assert [one["remaining_quantity"] for one in events] == ["100", "70", "50", "0"]
        assert [one["split"] and one["split"]["quantity"] for one in events] == [
            None,
            "30",
            "20",
            "50",
        ]
        assert {one["client_order_id"] for one in events} == {"mine-1"}
        assert events == await history(client, order_id)


async def test_subscription_is_confirmed_with_the_newest_position(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """Without ``after``, a client receives the events after the confirmed position."""
    await place_at_once(client)

    async with open_stream(url) as stream:
        confirmed = await stream.subscribe()
        order_id = await place_at_once(client)

        assert confirmed == write_position(STREAM_ID, ports.orders.events[0].position)
        assert (await stream.event())["order_id"] == order_id


async def test_filters_admit_what_they_name(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """A client receives events of the named orders and symbols only, in upper or lower case."""
    first = await place_at_once(client)
    async with (
        open_stream(url) as by_id,
        open_stream(url) as by_symbol,
        open_stream(url) as by_both,
    ):
        await by_id.subscribe(order_ids=[first.upper()])
        await by_symbol.subscribe(symbols=["ethbtc"])
        await by_both.subscribe(order_ids=[first], symbols=["ETHBTC"])

        second = await place_at_once(client, symbol="ETHBTC")
        ports.desk.show(quote(1))

        assert [(one["order_id"], one["status"]) for one in await by_id.events(1)] == [
            (first, "FILLED")
        ]
        assert [(one["order_id"], one["status"]) for one in await by_symbol.events(1)] == [
            (second, "NEW")
        ]
        assert await by_both.nothing_more()


async def test_events_of_another_owner_are_not_told(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """A client never receives events of another owner, neither live nor when it resumes."""
    order_id = OrderId(await place_at_once(client))
    kept = ports.orders.events[-1]
    theirs = replace(kept.event.order, owner=Owner("somebody"))
    foreign = replace(kept, position=kept.position + 1, event=replace(kept.event, order=theirs))

    async with open_stream(url) as stream:
        await stream.subscribe(after="beginning")
        ports.orders.keep([foreign])
        ports.subscriptions.publish([foreign])

        assert (await stream.event())["order_id"] == order_id
        assert await stream.nothing_more()
    async with open_stream(url) as stream:
        await stream.subscribe(after="beginning")
        await stream.event()
        assert await stream.nothing_more()


@pytest.mark.parametrize("told", [0, 1, 3, 4])
async def test_resuming_tells_what_follows(
    url: str, client: AsyncClient, ports: MemoryPorts, told: int
) -> None:
    """A resuming client receives each missed event once, then the new ones."""
    ports.desk.show(quote(1, ask=("0.000912", "30")))
    order_id = await place_at_once(client)
    ports.desk.show(quote(2, ask=("0.000912", "50")))
    ports.desk.show(quote(3, ask=("0.000911", "80")))
    events = await history(client, order_id)

    async with open_stream(url) as stream:
        await stream.subscribe(after=events[told - 1]["position"] if told else "beginning")

        assert await stream.events(4 - told) == events[told:]
        later = await place_at_once(client)
        assert (await stream.event())["order_id"] == later


async def test_more_is_read_back_than_one_read_holds(
    url: str, client: AsyncClient, ports: MemoryPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missed events that need several reads are sent without gaps or repeats."""
    monkeypatch.setattr(event_sender, "EVENTS_PER_READ", EVENTS_PER_READ)
    order_id = await place_at_once(client, order_size="100000")
    fills = 2 * EVENTS_PER_READ + 7
    fill_in_lots(ports, fills)

    async with open_stream(url) as stream:
        await stream.subscribe(after="beginning")
        events = await stream.events(fills + 1)

        assert [one["sequence"] for one in events] == list(range(1, fills + 2))
        assert events == await history(client, order_id)
        assert await stream.nothing_more()


async def test_position_read_before_it_was_announced_is_good(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """A position from GET may be ahead of the announced events, so resuming waits for them."""
    order_id = await place_at_once(client)
    (event,) = await history(client, order_id)
    ports.journal.hold()
    canceling = asyncio.create_task(client.delete(f"/order/{order_id}"))
    await eventually(lambda: ports.journal.waiting_total == 2)
    announced, ports.subscriptions.head = ports.subscriptions.head, 0

    async with open_stream(url) as stream:
        await stream.send({"type": "subscribe", "after": event["position"]})
        await eventually(lambda: ports.journal.waiting_total == 3)
        ports.subscriptions.head = announced
        ports.journal.release()

        assert (await stream.receive())["type"] == "subscribed"
        assert (await stream.event())["status"] == "CANCELED"
    await canceling


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (write_position(STREAM_ID, 10**9), "position_beyond_head"),
        (write_position(OTHER_STREAM_ID, 1), "position_of_another_database"),
        (write_position(STREAM_ID, 100), "position_pruned"),
        ("the end", "invalid_position"),
        ("A" * 5_000, "invalid_position"),
    ],
)
async def test_position_that_leads_nowhere_is_refused_by_name(
    url: str, client: AsyncClient, ports: MemoryPorts, after: str, code: str
) -> None:
    """A position that cannot be resumed from gets an error with the cause and a close with 1008."""
    order_id = OrderId(await place_at_once(client))
    await client.delete(f"/order/{order_id}")
    ports.orders.prune(order_id)

    async with open_stream(url) as stream:
        await stream.send({"type": "subscribe", "after": after})
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == code
    assert closed.code == 1008


async def test_pruned_history_is_told_from_the_beginning_as_far_as_it_is_kept(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """``beginning`` starts at the first event still stored, so pruned orders are not a gap."""
    pruned = OrderId(await place_at_once(client))
    await client.delete(f"/order/{pruned}")
    kept = await place_at_once(client)
    ports.orders.prune(pruned)

    async with open_stream(url) as stream:
        await stream.subscribe(after="beginning")

        assert (await stream.event())["order_id"] == kept


async def test_pruning_while_a_client_catches_up_is_told(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """Pruning between two reads leaves a gap, which ends the connection with an error."""
    first = OrderId(await place_at_once(client))
    await client.delete(f"/order/{first}")
    position = (await history(client, first))[0]["position"]
    read = ports.orders.list_events

    async def prune_then_read(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - passed on
        ports.orders.list_events = read  # type: ignore[method-assign] # prune before the read
        ports.orders.prune(first)
        return await read(*arguments, **named)

    ports.orders.list_events = prune_then_read  # type: ignore[method-assign] # as above

    async with open_stream(url) as stream:
        await stream.subscribe(after=position)
        (error,), closed = await stream.rest()

    assert error["code"] == "position_pruned"
    assert closed.code == 1008


@pytest.mark.parametrize(
    ("sent", "code", "field"),
    [
        ("", "malformed_json", None),
        ("{" * 5_000, "malformed_json", None),
        ("{}", "invalid_message", "type"),
        ('{"type": "unsubscribe"}', "invalid_message", "type"),
        ('{"type": 1}', "invalid_message", "type"),
        ('{"type": "subscribe", "symbol": "LTCBTC"}', "invalid_message", "symbol"),
        ('{"type": "subscribe", "symbols": ["LTC/BTC"]}', "invalid_message", "symbols"),
        ('{"type": "subscribe", "order_ids": [1]}', "invalid_message", "order_ids"),
        (b'{"type": "subscribe"}', "invalid_message", None),
    ],
)
async def test_message_that_is_none_is_refused_by_name(
    url: str, sent: str | bytes, code: str, field: str | None
) -> None:
    """An invalid message gets an error with its cause, and the connection closes."""
    async with open_stream(url) as stream:
        await stream.connection.send(sent)
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == code
    assert field is None or field in {one["field"] for one in error["errors"]}
    assert code != "malformed_json" or "subscribe" in error["detail"] or "nested" in error["detail"]
    assert closed.code == 1008


@pytest.mark.parametrize("sent", ['{"type": "subscribe"}', "hello", b"\x00"])
async def test_second_message_ends_the_connection(url: str, sent: str | bytes) -> None:
    """A connection carries one subscription."""
    async with open_stream(url) as stream:
        await stream.subscribe()
        await stream.connection.send(sent)
        (error,), closed = await stream.rest()

    assert closed.code == 1008
    assert error["code"] in {"already_subscribed", "invalid_message"}


@pytest.mark.parametrize(("sent", "code"), [("x" * 70_000, 1009), (b"\xff", 1007)])
async def test_text_that_is_too_long_or_not_utf_8_ends_the_connection(
    url: str, ports: MemoryPorts, sent: str | bytes, code: int
) -> None:
    """The server closes by itself over the size or the encoding, also after subscribing."""
    async with open_stream(url) as stream:
        await stream.subscribe()
        await stream.connection.send(sent, text=True)
        messages, closed = await stream.rest()

    assert (messages, closed.code) == ([], code)
    await eventually(lambda: not ports.subscriptions._by_filter)


async def test_client_that_says_nothing_is_let_go(
    services: ApiServices, options: ApiOptions, application: FastAPI
) -> None:
    """A client that does not subscribe in time is disconnected."""
    application.state.order_stream = OrderStream(
        services, options, open_authorizer(services), subscribe_seconds_max=0.01
    )
    async with serving(application) as url, open_stream(url) as stream:
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "subscribe_timeout"
    assert closed.code == 1008


async def test_event_is_told_only_once_it_is_durable(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """No event is sent before it is durable."""
    async with open_stream(url) as stream:
        await stream.subscribe()
        ports.journal.hold()
        placing = asyncio.create_task(
            client.post("/order/limit", json=BUY | {"timeout_seconds": 30})
        )
        await eventually(lambda: ports.journal.waiting_total)
        assert await stream.nothing_more()

        ports.journal.release()

        assert (await stream.event())["status"] == "NEW"
        ports.journal.hold()
        ports.desk.show(quote(1))
        assert ports.journal.waiting_total
        assert await stream.nothing_more()
        ports.journal.release()
        assert (await stream.event())["status"] == "FILLED"
    await placing


async def test_database_that_does_not_answer_ends_the_connection_for_now(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """If events cannot be read, the connection closes with 1013, so the client retries later."""
    await place_at_once(client)
    ports.orders.refusal = DatabaseUnavailableError()

    async with open_stream(url) as stream:
        await stream.send({"type": "subscribe", "after": "beginning"})
        (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "database_unavailable"
    assert closed.code == 1013


async def test_service_that_stops_says_where_to_resume(
    url: str, client: AsyncClient, ports: MemoryPorts
) -> None:
    """A stop closes subscribers, early or late, with 1012 and the position to resume after."""
    async with open_stream(url) as stream, open_stream(url) as late:
        await stream.subscribe()
        order_id = await place_at_once(client)
        position = (await stream.event())["position"]

        await ports.subscriptions.stop(seconds=30)
        messages, closed = await stream.rest()

        assert (messages, closed.code, closed.resume_after) == ([], 1012, position)
        await late.send({"type": "subscribe", "after": "beginning"})
        (_, event), closed = await late.rest()
        assert event["order_id"] == order_id
        assert (closed.code, closed.resume_after) == (1012, position)


async def test_one_connection_too_many_is_refused_in_http(
    services: ApiServices, options: ApiOptions
) -> None:
    """The limit is answered with 429 at the handshake, and a freed slot can be used again."""
    application = build_application(services, replace(options, websockets_max=1))
    async with serving(application) as url:
        async with open_stream(url) as stream:
            await stream.subscribe()

            with pytest.raises(InvalidStatus) as refused:
                async with open_stream(url):
                    pass

            response = refused.value.response
            assert response.status_code == 429
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["retry-after"] == "5"
            assert json.loads(response.body)["code"] == "too_many_websockets"
        async with open_stream(url) as stream:
            await stream.subscribe()


def _all_told(messages: list[Json]) -> list[int]:
    return [one["sequence"] for one in messages]


async def test_slow_reader_is_told_where_to_resume_and_misses_nothing(
    options: ApiOptions,
) -> None:
    """A slow reader is closed with 1013, and resuming from that position completes the events."""
    ports = MemoryPorts(waiting_events_max=50)
    application = build_application(ports.services(), options)
    async with (
        serving(application, send_buffer_bytes=4_096) as url,
        http_client(base_url=url) as client,
        open_stream(url, reads_slowly=True) as slow,
    ):
        await slow.subscribe()
        await place_at_once(client, order_size="100000")
        fills = 0
        while not _has_ended(ports):
            fills += 1
            ports.desk.show(quote(2 * fills, ask=("0.000912", "1")))
            ports.desk.show(quote(2 * fills + 1, ask=("0.01", "1")))
            await asyncio.sleep(0)  # let the service send

        told, closed = await slow.rest()

        assert closed.code == 1013
        assert _all_told(told) == list(range(1, len(told) + 1))
        assert len(told) < fills
        assert closed.resume_after == told[-1]["position"]
        async with open_stream(url) as stream:
            await stream.subscribe(after=closed.resume_after)
            rest = await stream.events(1 + fills - len(told))
            assert _all_told(told + rest) == list(range(1, fills + 2))
            assert await stream.nothing_more()


def _has_ended(ports: MemoryPorts) -> bool:
    return all(
        subscription._end is not None
        for own in ports.subscriptions._by_filter.values()
        for subscription in own
    )


async def test_reader_that_never_reads_does_not_keep_its_place(options: ApiOptions) -> None:
    """A client that never reads is disconnected, and its subscription and slot are released."""
    ports = MemoryPorts(waiting_events_max=50)
    services = ports.services()
    application = build_application(services, options)
    stream = OrderStream(services, options, open_authorizer(services), send_seconds_max=0.05)
    application.state.order_stream = stream
    async with (
        serving(application, send_buffer_bytes=4_096) as url,
        http_client(base_url=url) as client,
        open_stream(url, reads_slowly=True) as slow,
    ):
        await slow.subscribe()
        await place_at_once(client, order_size="100000")
        for number in range(1, 1_000):
            ports.desk.show(quote(2 * number, ask=("0.000912", "1")))
            ports.desk.show(quote(2 * number + 1, ask=("0.01", "1")))
            await asyncio.sleep(0)  # let the service send

        await eventually(lambda: not ports.subscriptions._by_filter)
        await eventually(lambda: not stream._slots._taken)


SUBSCRIBE: Message = {"type": "websocket.receive", "text": '{"type": "subscribe"}'}
CONNECT: Message = {"type": "websocket.connect"}
HANDSHAKE: Scope = {
    "type": "websocket",
    "path": "/ws/orders",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


@contextlib.contextmanager
def no_task_left_behind() -> Iterator[None]:
    """Fail if the block leaves running tasks."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before


async def test_connection_that_is_cut_off_leaves_nothing_behind(
    application: FastAPI, ports: MemoryPorts
) -> None:
    """Canceling the server's task ends every task that the connection started."""
    client = AsgiPeer(CONNECT, SUBSCRIBE)
    with no_task_left_behind():
        serving_one = asyncio.ensure_future(application(HANDSHAKE, client.receive, client.send))
        await eventually(lambda: len(client.sent) == 2)

        serving_one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving_one

    assert not ports.subscriptions._by_filter


@pytest.mark.parametrize("error", [OSError("gone"), RuntimeError("after websocket.close")])
async def test_client_that_goes_while_it_is_told_is_nobodys_error(
    application: FastAPI, ports: MemoryPorts, client: AsyncClient, error: Exception
) -> None:
    """A send that fails because the client is gone ends the connection without an error."""
    gone = AsgiPeer(CONNECT, SUBSCRIBE)

    async def send(message: Message) -> None:
        gone.sent.append(message)
        if "event" in message.get("text", ""):
            raise error

    with no_task_left_behind():
        serving_one = asyncio.ensure_future(application(HANDSHAKE, gone.receive, send))
        await eventually(lambda: len(gone.sent) == 2)
        await client.post("/order/limit", json=BUY, headers=AT_ONCE)
        await serving_one

    assert [one["type"] for one in gone.sent][-1] == "websocket.send"
    assert not ports.subscriptions._by_filter


async def test_stop_is_told_before_what_waits(
    application: FastAPI, ports: MemoryPorts, client: AsyncClient
) -> None:
    """A stop takes precedence over queued events, which the client can read later."""
    hurried = AsgiPeer(CONNECT, SUBSCRIBE)

    async def send(message: Message) -> None:
        hurried.sent.append(message)
        if "event" in message.get("text", ""):
            stopping.append(asyncio.ensure_future(ports.subscriptions.stop(seconds=30)))
            await asyncio.sleep(0)  # let the stop begin

    stopping: list[asyncio.Future[None]] = []
    order_ids = [await place_at_once(client) for _ in range(9)]
    serving_one = asyncio.ensure_future(application(HANDSHAKE, hurried.receive, send))
    await eventually(lambda: len(hurried.sent) == 2)
    ports.desk.show(quote(1, ask=("0.000912", "100000")))
    await serving_one
    await asyncio.gather(*stopping)

    _, _, event, close = hurried.sent
    told = json.loads(event["text"])
    assert (told["order_id"], told["status"]) == (order_ids[0], "FILLED")
    assert (close["code"], close["reason"]) == (1012, f"resume after {told['position']}")


async def test_client_that_leaves_at_once_is_nobodys_error(application: FastAPI) -> None:
    """A client that leaves before it subscribes is disconnected without a message."""
    client = AsgiPeer(CONNECT, {"type": "websocket.disconnect", "code": 1001})

    await application(HANDSHAKE, client.receive, client.send)

    assert [one["type"] for one in client.sent] == ["websocket.accept"]


async def test_telling_much_to_one_client_leaves_others_their_turn(
    services: ApiServices, options: ApiOptions, client: AsyncClient
) -> None:
    """A long read for one client yields to other tasks, even if the client never blocks a send."""
    turn = 0
    told_in_turn = Counter[int]()

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    async def count_messages(message: Message) -> None:
        told_in_turn[turn] += message["type"] == "websocket.send"

    async def say() -> Message:
        return says.pop(0) if says else await asyncio.Future()

    says: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": '{"type": "subscribe", "after": "beginning"}'},
    ]
    for _ in range(4 * EVENTS_PER_TURN):
        await place_at_once(client)
    stream = OrderStream(services, options, open_authorizer(services))
    websocket = WebSocket({"type": "websocket", "headers": []}, say, count_messages)
    tasks = [asyncio.create_task(one) for one in (count_turns(), stream.serve(websocket))]

    await eventually(lambda: told_in_turn.total() == 1 + 4 * EVENTS_PER_TURN)

    assert max(told_in_turn.values()) <= 1 + EVENTS_PER_TURN
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
