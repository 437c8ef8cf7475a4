"""Tests of ``app.client.watch``."""

import asyncio
import json

import pytest

from app.api.stream.stream_cursors import (
    ForeignPositionError,
    InvalidPositionError,
    PositionBeyondHeadError,
    PositionPrunedError,
    PositionRefusedError,
)
from app.client.address import ServiceAddress
from app.client.errors import RefusedError
from app.client.event_stream import StreamLostError, Subscription
from app.client.watch import watch_events
from tests.support.fake_service import QUICK, FakeService, PlannedClose
from tests.support.waiting import eventually
from tests.unit.client.orders import BODY


async def watched(
    fake: FakeService,
    capsys: pytest.CaptureFixture[str],
    *,
    lines: int,
    subscription: Subscription | None = None,
    as_json: bool = False,
) -> tuple[list[str], str]:
    """Watch from the beginning, interrupt after some lines; return them and what was said."""
    running = asyncio.create_task(
        watch_events(
            fake.address,
            subscription or Subscription(),
            after="beginning",
            as_json=as_json,
            patience=QUICK,
        )
    )
    output: list[str] = []

    def is_printed() -> bool:
        output.append(capsys.readouterr().out)
        return "".join(output).count("\n") >= lines

    await eventually(is_printed)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    rest = capsys.readouterr()
    return ("".join(output) + rest.out).splitlines(), rest.err


async def test_each_event_is_a_line_until_the_interrupt(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the end it says how to go on from there."""
    for _ in range(3):
        fake.accept(BODY)

    lines, said = await watched(fake, capsys, lines=3)

    assert [line.split("  ")[1] for line in lines] == list(fake.orders)
    assert said == (f"papertape: to go on from here: papertape watch --after p3 --url {fake.url}\n")


async def test_as_json_each_event_is_a_document(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly what the service sent."""
    fake.accept(BODY)

    lines, _ = await watched(fake, capsys, lines=1, as_json=True)

    assert [json.loads(line) for line in lines] == fake.events


async def test_a_broken_stream_is_taken_up_and_what_was_asked_for_is_named(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user sees each event once, and the next command asks for the same events."""
    ids = [fake.accept(BODY)["order_id"] for _ in range(3)]
    fake.planned_streams.append(PlannedClose(code=1013, reason="resume after p1", after_events=1))
    subscription = Subscription(order_ids=ids[:2], symbols=["LTCBTC"])

    lines, said = await watched(fake, capsys, lines=2, subscription=subscription)

    assert [line.split("  ")[1] for line in lines] == ids[:2]
    assert f"papertape watch {ids[0]} {ids[1]} --symbol LTCBTC --after p2" in said


async def test_a_stream_that_is_lost_says_where_to_go_on(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """The position is not lost with it."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 5)

    with pytest.raises(StreamLostError):
        await watch_events(fake.address, Subscription(), after=None, as_json=False, patience=QUICK)

    assert "--after p0" in capsys.readouterr().err


async def test_a_refused_position_is_told(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the service's words alone: nobody is advised to go on from it."""
    with pytest.raises(RefusedError, match="position_beyond_head"):
        await watch_events(fake.address, Subscription(), after="p9", as_json=False, patience=QUICK)

    assert capsys.readouterr() == ("", "")


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
async def test_a_position_that_is_refused_later_is_not_gone_on_from(
    fake: FakeService, capsys: pytest.CaptureFixture[str], error: PositionRefusedError
) -> None:
    """The database was put back or pruned while the connection was broken."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error=error.code, after_events=1))

    with pytest.raises(RefusedError, match=error.code):
        await watch_events(
            fake.address, Subscription(), after="beginning", as_json=False, patience=QUICK
        )

    assert not capsys.readouterr().err


async def test_another_refusal_says_where_to_go_on(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that was revoked can be replaced, and what was seen is not told again."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error="unauthorized", after_events=1))

    with pytest.raises(RefusedError):
        await watch_events(
            fake.address, Subscription(), after="beginning", as_json=False, patience=QUICK
        )

    assert "--after p1" in capsys.readouterr().err


async def test_where_nobody_is_there_is_nothing_to_go_on_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the error is told."""
    address = ServiceAddress(url="http://127.0.0.1:1")

    for after in (None, "p1"):
        with pytest.raises(StreamLostError):
            await watch_events(address, Subscription(), after=after, as_json=False, patience=QUICK)

    assert capsys.readouterr() == ("", "")
