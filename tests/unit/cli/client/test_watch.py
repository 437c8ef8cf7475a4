"""Tests of ``app.cli.client.watch``."""

import asyncio
from functools import partial

import pytest

from app.api.stream.stream_cursors import (
    ForeignPositionError,
    InvalidPositionError,
    PositionBeyondHeadError,
    PositionPrunedError,
    PositionRefusedError,
)
from app.cli.client import watch
from app.cli.client.client_errors import RefusedError
from app.cli.client.event_stream import StreamLostError, Subscription
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import QUICK, FakeService, PlannedClose
from tests.support.waiting import eventually
from tests.unit.cli.client.order_builders import BODY
from tests.unit.cli.conftest import Printed

ALL = Subscription()

watch_events = partial(watch.watch_events, as_json=False)


async def watch_lines(
    client: ServiceClient,
    printed: Printed,
    *,
    lines: int,
    subscription: Subscription = ALL,
    as_json: bool = False,
) -> None:
    """Watch from the beginning and interrupt after some lines."""
    running = asyncio.create_task(
        watch_events(client, subscription, after="beginning", as_json=as_json)
    )
    await eventually(lambda: len(printed.lines) >= lines)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


async def test_each_event_is_a_line_until_the_interrupt(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """At the end the command to resume is printed."""
    for _ in range(3):
        fake.accept(BODY)

    await watch_lines(client, printed, lines=3)

    assert [line.split()[1] for line in printed.lines] == list(fake.orders)
    assert printed.err == (
        f"papertape: to resume from here: papertape watch --after p3 --url {fake.url}\n"
    )


async def test_as_json_each_event_is_a_document(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """Each document is exactly the service's message."""
    fake.accept(BODY)

    await watch_lines(client, printed, lines=1, as_json=True)

    assert printed.documents == fake.events


async def test_a_lost_stream_is_resumed_and_the_filters_are_kept(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """Each event is printed once, and the resume command has the same filters."""
    ids = [fake.accept(BODY)["order_id"] for _ in range(3)]
    fake.planned_streams.append(PlannedClose(code=1013, reason="resume after p1", after_events=1))
    subscription = Subscription(order_ids=ids[:2], symbols=["LTCBTC"])

    await watch_lines(client, printed, lines=2, subscription=subscription)

    assert [line.split()[1] for line in printed.lines] == ids[:2]
    assert f"papertape watch {ids[0]} {ids[1]} --symbol LTCBTC --after p2" in printed.err


async def test_a_lost_stream_prints_the_resume_command(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The position is not lost."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 5)

    with pytest.raises(StreamLostError):
        await watch_events(client, ALL, after=None)

    assert "--after p0" in printed.err


async def test_a_refused_position_is_reported(client: ServiceClient, printed: Printed) -> None:
    """Only the service's message is printed, without a resume command."""
    with pytest.raises(RefusedError, match="position_beyond_head"):
        await watch_events(client, ALL, after="p9")

    assert printed.both() == ("", "")


@pytest.mark.parametrize(
    "error",
    [
        InvalidPositionError(),
        ForeignPositionError(),
        PositionBeyondHeadError(),
        PositionPrunedError(),
    ],
    ids=lambda error: error.code,
)
async def test_a_position_refused_later_is_not_used_again(
    fake: FakeService, client: ServiceClient, printed: Printed, error: PositionRefusedError
) -> None:
    """The database was restored or pruned while the connection was down."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error=error.code, after_events=1))

    with pytest.raises(RefusedError, match=error.code):
        await watch_events(client, ALL, after="beginning")

    assert not printed.err


async def test_another_refusal_prints_the_resume_command(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A revoked key can be replaced, and the seen events are not printed again."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error="unauthorized", after_events=1))

    with pytest.raises(RefusedError):
        await watch_events(client, ALL, after="beginning")

    assert "--after p1" in printed.err


@pytest.mark.parametrize("after", [None, "p1"])
async def test_an_unreachable_service_has_no_resume_command(
    unreachable: ServiceAddress, printed: Printed, after: str | None
) -> None:
    """Only the error is printed."""
    with pytest.raises(StreamLostError):
        async with ServiceClient(unreachable, QUICK) as client:
            await watch_events(client, ALL, after=after)

    assert printed.both() == ("", "")
