"""Tests of ``app.cli.client.order_follower``."""

import asyncio

import pytest
from starlette.responses import HTMLResponse

from app.cli.client.client_errors import RefusedError, ServiceUnreachableError
from app.cli.client.order_follower import OrderFollower
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import (
    FakeService,
    LostAnswer,
    PlannedAnswer,
    PlannedClose,
    problem,
)
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

BODY = {"symbol": "LTCBTC", "order_size": "100", "price": "0.0026"}
NO_STREAM = PlannedClose(refusal=HTMLResponse("no", status_code=404))


async def follow(fake: FakeService, client: ServiceClient, order_id: str) -> list[tuple[int, str]]:
    """Follow an order to its end, filling it by a tenth with each event that arrives."""
    steps = []
    async for event in OrderFollower(client, order_id).events():
        steps.append((event["sequence"], event["filled_quantity"]))
        if fake.orders[order_id]["remaining_quantity"] != "0":
            fake.fill(order_id, "10", "0.0025")
    return steps


EVERY_STEP = [(1 + tenth, str(10 * tenth)) for tenth in range(11)]


async def test_every_event_is_told_once_from_the_first_to_the_last(
    fake: FakeService, client: ServiceClient
) -> None:
    """Also what happened before the stream began, and nothing of other orders."""
    fake.accept(BODY)
    order_id = fake.accept(BODY)["order_id"]

    assert await follow(fake, client, order_id) == EVERY_STEP
    assert fake.subscriptions == [{"type": "subscribe", "order_ids": [order_id]}]


async def test_an_order_that_is_closed_already_is_told_from_the_record(
    fake: FakeService, client: ServiceClient
) -> None:
    """Nothing more will come on the stream."""
    order_id = fake.accept(BODY)["order_id"]
    fake.fill(order_id, "100", "0.0025")

    assert await follow(fake, client, order_id) == [(1, "0"), (2, "100")]


async def test_a_stream_that_breaks_is_taken_up(fake: FakeService, client: ServiceClient) -> None:
    """With the position of the last event."""
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
async def test_where_no_stream_can_be_had_the_order_is_asked_for(
    fake: FakeService, client: ServiceClient, plan: PlannedClose
) -> None:
    """Nothing is missed and nothing told twice."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.extend([plan] * 20)

    assert await follow(fake, client, order_id) == EVERY_STEP
    assert "GET /order" in fake.asked


async def test_an_order_is_asked_for_until_something_happens(
    fake: FakeService, client: ServiceClient
) -> None:
    """Now and then, and its events only when it changed."""
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


async def test_the_record_is_read_page_by_page(fake: FakeService, client: ServiceClient) -> None:
    """An order of many splits has more events than a page."""
    fake.page_limit = 2
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(NO_STREAM)

    assert await follow(fake, client, order_id) == EVERY_STEP


async def test_what_is_missing_in_the_stream_is_read_from_the_record(
    fake: FakeService, client: ServiceClient
) -> None:
    """A gap in the numbers of the events is closed."""
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


async def test_who_may_not_read_is_told(fake: FakeService, client: ServiceClient) -> None:
    """Asking for the order shows what is wrong."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(PlannedClose(refusal=problem(403, "missing_scope")))
    fake.plan("GET /order", PlannedAnswer(answer=problem(403, "missing_scope", "may not read")))

    with pytest.raises(RefusedError, match="may not read"):
        await follow(fake, client, order_id)


async def test_a_service_that_stays_away_ends_it(fake: FakeService, client: ServiceClient) -> None:
    """The order goes on without us."""
    order_id = fake.accept(BODY)["order_id"]
    fake.planned_streams.append(NO_STREAM)
    fake.plan("GET /order", *[PlannedAnswer(answer=LostAnswer())] * 3)

    with pytest.raises(ServiceUnreachableError):
        await follow(fake, client, order_id)
