"""Tests of ``app.cli.client.order_follower``."""

import asyncio

import pytest
from starlette.responses import HTMLResponse

from app.cli.client.client_errors import ServiceUnreachableError
from app.cli.client.order_follower import OrderFollower
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import FakeService, LostAnswer, PlannedAnswer, PlannedClose, problem
from tests.support.waiting import WAIT_SECONDS_MAX, eventually
from tests.unit.cli.client.order_builders import BODY

NO_STREAM = PlannedClose(refusal=HTMLResponse("no", status_code=404))


async def follow(fake: FakeService, client: ServiceClient, order_id: str) -> list[tuple[int, str]]:
    """Follow an order to its end, and fill a tenth of it after each event."""
    steps = []
    async for event in OrderFollower(client, order_id).events():
        steps.append((event["sequence"], event["filled_quantity"]))
        if fake.orders[order_id]["remaining_quantity"] != "0":
            fake.fill(order_id, "10", "0.0025")
    return steps


EVERY_STEP = [(1 + tenth, str(10 * tenth)) for tenth in range(11)]


async def test_every_event_is_yielded_once_from_first_to_last(
    fake: FakeService, client: ServiceClient
) -> None:
    """Events from before the stream are included, and events of other orders are not."""
    fake.accept(BODY)
    order_id = fake.accept(BODY)["order_id"]

    assert await follow(fake, client, order_id) == EVERY_STEP
    assert fake.subscriptions == [{"type": "subscribe", "order_ids": [order_id]}]


async def test_the_events_of_a_closed_order_are_read_by_request(
    fake: FakeService, client: ServiceClient
) -> None:
    """The stream has no more events for it."""
    order_id = fake.accept(BODY)["order_id"]
    fake.fill(order_id, "100", "0.0025")

    assert await follow(fake, client, order_id) == [(1, "0"), (2, "100")]


async def test_a_lost_stream_is_resumed(fake: FakeService, client: ServiceClient) -> None:
    """The stream resumes after the position of the last event."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.extend([PlannedClose(code=1012, after_events=3)] * 2)

    assert await follow(fake, client, order_id) == EVERY_STEP
    assert [one.get("after") for one in fake.subscriptions] == [None, "p4", "p7"]


@pytest.mark.parametrize(
    "plan",
    [
        NO_STREAM,
        PlannedClose(refusal=problem(403, "missing_scope")),
        PlannedClose(code=1008, reason="no"),
        PlannedClose(code=1012),
    ],
    ids=["no stream", "refused", "violation", "always broken"],
)
async def test_without_a_stream_the_order_is_polled(
    fake: FakeService, client: ServiceClient, plan: PlannedClose
) -> None:
    """Each event is yielded once."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.extend([plan] * 20)

    assert await follow(fake, client, order_id) == EVERY_STEP
    assert "GET /order" in fake.asked


async def test_polling_waits_for_a_change(fake: FakeService, client: ServiceClient) -> None:
    """The events are read only after the order changed."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(NO_STREAM)
    events = OrderFollower(client, order_id).events()
    await anext(events)
    rest = asyncio.create_task(anext(events))
    await eventually(lambda: fake.asked.count("GET /order") > 3)
    assert not rest.done()

    fake.fill(order_id, "100", "0.0025")

    assert (await rest)["status"] == "FILLED"
    await events.aclose()


async def test_events_are_read_page_by_page(fake: FakeService, client: ServiceClient) -> None:
    """An order with many splits has more events than a page."""
    fake.page_limit = 2
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(NO_STREAM)

    assert await follow(fake, client, order_id) == EVERY_STEP


async def test_events_missing_in_the_stream_are_read_by_request(
    fake: FakeService, client: ServiceClient
) -> None:
    """A gap in the sequence numbers is filled."""
    order_id = fake.accept(BODY)["order_id"]
    events = OrderFollower(client, order_id).events()
    steps = [await anext(events)]
    fake.unheard = {"p2", "p3"}
    for _ in range(3):
        fake.fill(order_id, "30", "0.0025")
    fake.fill(order_id, "10", "0.0025")

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        steps += [event async for event in events]

    assert [event["sequence"] for event in steps] == [1, 2, 3, 4, 5]
    assert fake.asked.count("WS") == 1


async def test_a_lost_service_ends_the_following(fake: FakeService, client: ServiceClient) -> None:
    """The order is not affected."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(NO_STREAM)
    fake.plan("GET /order", *[PlannedAnswer(answer=LostAnswer())] * 3)

    with pytest.raises(ServiceUnreachableError):
        await follow(fake, client, order_id)
