"""Tests of ``app.cli.client.watch``."""

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
from app.cli.client.client_errors import RefusedError
from app.cli.client.event_stream import StreamLostError, Subscription
from app.cli.client.service_address import ServiceAddress
from app.cli.client.watch import watch_events
from tests.support.fake_service import QUICK, FakeService, PlannedClose
from tests.support.waiting import eventually
from tests.unit.cli.client.order_builders import BODY


async def watched(
    fake: FakeService,
    capsys: pytest.CaptureFixture[str],
    *,
    lines: int,
    subscription: Subscription | None = None,
    as_json: bool = False,
) -> tuple[list[str], str]:
    """Watch from the beginning and interrupt after some lines; return both outputs."""
    running = asyncio.create_task(
        watch_events(
            fake.address,
            subscription or Subscription(),
            after="beginning",
            as_json=as_json,
            retries=QUICK,
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
    """At the end the command to resume is printed."""
    for _ in range(3):
        fake.accept(BODY)

    lines, said = await watched(fake, capsys, lines=3)

    assert [line.split("  ")[1] for line in lines] == list(fake.orders)
    assert said == (
        f"papertape: to resume from here: papertape watch --after p3 --url {fake.url}\n"
    )


async def test_as_json_each_event_is_a_document(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each document is exactly the service's message."""
    fake.accept(BODY)

    lines, _ = await watched(fake, capsys, lines=1, as_json=True)

    assert [json.loads(line) for line in lines] == fake.events


async def test_a_lost_stream_is_resumed_and_the_filters_are_kept(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each event is printed once, and the resume command has the same filters."""
    ids = [fake.accept(BODY)["order_id"] for _ in range(3)]
    fake.planned_streams.append(PlannedClose(code=1013, reason="resume after p1", after_events=1))
    subscription = Subscription(order_ids=ids[:2], symbols=["LTCBTC"])

    lines, said = await watched(fake, capsys, lines=2, subscription=subscription)

    assert [line.split("  ")[1] for line in lines] == ids[:2]
    assert f"papertape watch {ids[0]} {ids[1]} --symbol LTCBTC --after p2" in said


async def test_a_lost_stream_prints_the_resume_command(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """The position is not lost."""
    fake.planned_streams.extend([PlannedClose(code=1012)] * 5)

    with pytest.raises(StreamLostError):
        await watch_events(fake.address, Subscription(), after=None, as_json=False, retries=QUICK)

    assert "--after p0" in capsys.readouterr().err


async def test_a_refused_position_is_reported(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the service's message is printed, without a resume command."""
    with pytest.raises(RefusedError, match="position_beyond_head"):
        await watch_events(fake.address, Subscription(), after="p9", as_json=False, retries=QUICK)

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
async def test_a_position_refused_later_is_not_used_again(
    fake: FakeService, capsys: pytest.CaptureFixture[str], error: PositionRefusedError
) -> None:
    """The database was restored or pruned while the connection was down."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error=error.code, after_events=1))

    with pytest.raises(RefusedError, match=error.code):
        await watch_events(
            fake.address, Subscription(), after="beginning", as_json=False, retries=QUICK
        )

    assert not capsys.readouterr().err


async def test_another_refusal_prints_the_resume_command(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    """A revoked key can be replaced, and the seen events are not printed again."""
    fake.accept(BODY)
    fake.planned_streams.append(PlannedClose(code=1008, error="unauthorized", after_events=1))

    with pytest.raises(RefusedError):
        await watch_events(
            fake.address, Subscription(), after="beginning", as_json=False, retries=QUICK
        )

    assert "--after p1" in capsys.readouterr().err


async def test_an_unreachable_service_has_no_resume_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the error is printed."""
    address = ServiceAddress(url="http://127.0.0.1:1")

    for after in (None, "p1"):
        with pytest.raises(StreamLostError):
            await watch_events(address, Subscription(), after=after, as_json=False, retries=QUICK)

    assert capsys.readouterr() == ("", "")
