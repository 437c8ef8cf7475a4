"""Tests of ``app.cli.client.place_order``."""

import asyncio
from functools import partial

import pytest

from app.cli.client.client_errors import RefusedError, ServiceUnreachableError
from app.cli.client.place_order import Until, place_order
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import (
    AT,
    FakeService,
    HangingAnswer,
    LostAnswer,
    PlannedAnswer,
    PlannedClose,
    problem,
)
from tests.support.waiting import eventually
from tests.unit.cli.client.order_builders import BODY
from tests.unit.cli.conftest import Printed

place = partial(place_order, body=BODY, until=Until.CLOSED, as_json=False)


def fill_in_two(fake: FakeService, order_id: str) -> None:
    """Fill an order with two splits."""
    fake.fill(order_id, "60", "0.00251")
    fake.fill(order_id, "40", "0.00251")


@pytest.fixture
def filling(fake: FakeService) -> FakeService:
    """The service, which fills every order as soon as it is accepted."""
    fake.on_accepted = partial(fill_in_two, fake)
    return fake


async def test_a_fulfilled_order_is_a_summary_and_a_table(
    filling: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A pipe gets nothing else, and the exit status is 0."""
    assert await place(client) == 0

    (order_id,) = filling.orders
    assert printed.lines == [
        f"{order_id} BUY 100 LTCBTC at 0.0026",
        "FILLED: 100 of 100 at 0.00251 on average in 2 splits",
        (
            "0.00009 better than the limit; 0.00001 worse than the price at arrival, 0.0025; "
            "first fill after 3 ms, the last after 9 ms; 5 quotes seen"
        ),
        "split update id price quantity filled at",
        f"1 1 0.00251 60 {AT}",
        f"2 2 0.00251 40 {AT}",
    ]
    assert not printed.err
    assert filling.bodies == [BODY]


async def test_an_order_is_followed_until_it_is_closed(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A slow order is followed too; an unfulfilled one gives exit status 1."""
    running = asyncio.create_task(place(client))
    await eventually(lambda: fake.subscriptions)
    (order_id,) = fake.orders
    fake.fill(order_id, "60", "0.00251")
    fake.close(order_id, "EXPIRED", "TIMEOUT")

    assert await running == 1

    lines = printed.out.splitlines()
    assert lines[1].startswith("EXPIRED, TIMEOUT: 60 of 100")
    assert lines[2] == "it expired at its timeout"


async def test_async_returns_after_the_acceptance(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The output has the id and the commands to show and cancel it at the same service."""
    assert await place(client, until=Until.ACCEPTED) == 0

    (order_id,) = fake.orders
    assert printed.out.splitlines() == [
        "BUY 100 LTCBTC at 0.0026: accepted, NEW",
        f"  order     {order_id}",
        f"  show      papertape show {order_id} --url {fake.url}",
        f"  cancel    papertape cancel {order_id} --url {fake.url}",
    ]
    assert not fake.subscriptions


@pytest.mark.usefixtures("filling")
async def test_watch_prints_each_event_as_a_line(client: ServiceClient, printed: Printed) -> None:
    """The events start with the acceptance; the summary is last."""
    assert await place(client, until=Until.CLOSED_LINE_BY_LINE) == 0

    lines = printed.out.splitlines()
    assert [line.split("  ")[3] for line in lines[:3]] == ["#1", "#2", "#3"]
    assert lines[4].startswith("FILLED: 100 of 100")
    assert "update id" not in "".join(lines)


@pytest.mark.usefixtures("filling")
@pytest.mark.parametrize(
    ("until", "total"), [(Until.ACCEPTED, 1), (Until.CLOSED, 1), (Until.CLOSED_LINE_BY_LINE, 4)]
)
async def test_json_is_one_document_per_line(
    client: ServiceClient, printed: Printed, until: Until, total: int
) -> None:
    """The last document is the order."""
    assert await place(client, until=until, as_json=True) == 0

    documents = printed.documents
    assert len(documents) == total
    assert documents[-1]["status"] == "FILLED"
    assert [one["type"] for one in documents[:-1]] == ["event"] * (total - 1)


async def test_an_order_placed_before_is_recognized(
    filling: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A repeated client order id means the same order."""
    filling.accept(BODY)

    assert await place(client) == 0

    assert "mine was used before" in printed.err
    assert len(filling.orders) == 1


async def test_a_refused_order_prints_nothing(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """Only the refusal is printed."""
    fake.plan("POST /order", PlannedAnswer(answer=problem(422, "invalid_order")))

    with pytest.raises(RefusedError):
        await place(client)

    assert printed.both() == ("", "")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([PlannedAnswer(answer=LostAnswer())] * 3, ServiceUnreachableError),
        ([PlannedAnswer(answer=problem(503, "outcome_unknown"))] * 3, RefusedError),
    ],
    ids=["lost", "outcome unknown"],
)
async def test_an_unknown_outcome_is_reported_with_the_next_step(
    fake: FakeService,
    client: ServiceClient,
    printed: Printed,
    answers: list[PlannedAnswer],
    error: type[Exception],
) -> None:
    """The message says how to check, and that repeating is safe."""
    fake.plan("POST /order", *answers)

    with pytest.raises(error):
        await place(client)

    said = printed.err
    assert f"papertape orders --client-order-id mine --url {fake.url}" in said
    assert "never placed twice" in said


async def interrupted(running: asyncio.Task[int]) -> bool:
    """Interrupt a command as Ctrl-C does; return whether it ended."""
    running.cancel()
    await asyncio.wait({running})
    return running.cancelled()


async def test_an_interrupt_does_not_cancel_the_order(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The message has the commands to show and to cancel the order."""
    running = asyncio.create_task(place(client))
    await eventually(lambda: fake.subscriptions)

    assert await interrupted(running)

    (order_id,) = fake.orders
    assert fake.orders[order_id]["status"] == "NEW"
    assert printed.err.splitlines() == [
        "papertape: the order is not canceled",
        f"  show      papertape show {order_id} --url {fake.url}",
        f"  cancel    papertape cancel {order_id} --url {fake.url}",
    ]


async def test_an_interrupt_before_the_answer_leaves_an_unknown_outcome(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The order may have been accepted."""
    fake.plan("POST /order", PlannedAnswer(answer=HangingAnswer()))
    running = asyncio.create_task(place(client))
    await eventually(lambda: fake.asked)

    assert await interrupted(running)

    assert "it is unknown whether the order was accepted" in printed.err


async def test_an_accepted_order_that_cannot_be_followed_is_named(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A key that may place orders need not be allowed to read them."""
    fake.planned_streams.append(PlannedClose(refusal=problem(403, "missing_scope")))
    fake.plan("GET /order", PlannedAnswer(answer=problem(403, "missing_scope", "may not read")))

    with pytest.raises(RefusedError, match="may not read"):
        await place(client)

    (order_id,) = fake.orders
    assert f"papertape show {order_id}" in printed.err
