"""Tests of ``app.cli.client.service_client``."""

import pytest
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.cli.client.client_errors import (
    RefusedError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
)
from app.cli.client.retries import RetryPolicy
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import QUICK, FakeService, LostAnswer, PlannedAnswer, problem
from tests.unit.cli.client.order_builders import BODY


async def test_amounts_are_sent_as_they_were_typed(
    fake: FakeService, client: ServiceClient
) -> None:
    """No amount is converted to a float."""
    await client.place({**BODY, "order_size": "1.000000000001"})

    (body,) = fake.bodies
    assert body["order_size"] == "1.000000000001"


async def test_a_lost_answer_is_requested_again_and_places_one_order(
    fake: FakeService, client: ServiceClient, lines: list[str]
) -> None:
    """The retry finds the order by its client order id, and is not reported as a replay."""
    fake.plan("POST /order", PlannedAnswer(answer=LostAnswer(), does_work=True))

    placed = await client.place(BODY)

    assert fake.asked == ["POST /order", "POST /order"]
    assert list(fake.orders) == [placed.order["order_id"]]
    assert not placed.is_replay
    assert "retrying" in lines[0]


@pytest.mark.parametrize(
    "answer",
    [
        problem(503, "outcome_unknown", retry_after="5"),
        problem(503, "journal_unavailable", retry_after="2"),
        problem(503, "not_ready", retry_after="Fri, 31 Dec 1999 23:59:59 GMT"),
        problem(429, "rate_limited", retry_after="1"),
        HTMLResponse("<h1>Bad Gateway</h1>", status_code=502),
    ],
    ids=["outcome_unknown", "journal_unavailable", "a date", "rate_limited", "gateway"],
)
async def test_a_temporary_failure_is_retried(
    fake: FakeService, client: ServiceClient, answer: Response
) -> None:
    """The same request is sent again after a pause."""
    fake.plan("POST /order", PlannedAnswer(answer=answer))

    await client.place(BODY)

    assert fake.asked == ["POST /order", "POST /order"]


async def test_retries_are_bounded(
    fake: FakeService, client: ServiceClient, lines: list[str]
) -> None:
    """After the last attempt the refusal is raised; its text is printed only once before."""
    refusal = problem(503, "journal_unavailable", "the disk is full", retry_after="2")
    unavailable = PlannedAnswer(answer=refusal)
    fake.plan("POST /order", *[unavailable] * 10)

    with pytest.raises(RefusedError) as refused:
        await client.place(BODY)

    assert refused.value.reason_code == "journal_unavailable"
    assert len(fake.asked) == QUICK.attempts_max
    assert lines == [
        "the disk is full; retrying up to 2 times, first in 0.0 s (Ctrl-C is safe)",
        "retrying in 0.0 s (2 of 2)",
    ]


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, "invalid_order"), (429, "too_many_open_orders"), (500, "internal_error")],
)
async def test_a_refusal_is_final(
    fake: FakeService, client: ServiceClient, status: int, code: str
) -> None:
    """A request that would be refused again is not repeated."""
    fake.plan("POST /order", PlannedAnswer(answer=problem(status, code)))

    with pytest.raises(RefusedError) as refused:
        await client.place(BODY)

    assert refused.value.reason_code == code
    assert fake.asked == ["POST /order"]


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (HTMLResponse("hello", status_code=404), "HTTP 404"),
        (RedirectResponse("https://elsewhere/"), "a redirect to https://elsewhere/"),
        (Response('{"hello": 1}'), "missing required field"),
    ],
    ids=["a page", "a redirect", "other JSON"],
)
async def test_another_server_is_recognized(
    fake: FakeService, client: ServiceClient, answer: Response, what: str
) -> None:
    """The message describes the answer; the key is not sent to a redirect."""
    fake.plan("GET /order", PlannedAnswer(answer=answer))

    with pytest.raises(UnexpectedAnswerError, match=what) as unexpected:
        await client.order("1")

    assert fake.url in str(unexpected.value)


async def test_an_unreachable_service_is_reported_at_once(
    unreachable: ServiceAddress, lines: list[str], retries: RetryPolicy
) -> None:
    """An address that never answered is not retried, and surely received nothing."""
    async with ServiceClient(unreachable, retries) as client:
        with pytest.raises(ServiceUnreachableError, match=unreachable.url) as error:
            await client.place(BODY)

    assert not error.value.was_sent
    assert not lines


async def test_a_service_without_https_is_reported(fake: FakeService) -> None:
    """An https address is never asked without encryption; the message has the http address."""
    url = fake.url.replace("http:", "https:")
    async with ServiceClient(ServiceAddress(url=url), QUICK) as client:
        with pytest.raises(
            ServiceUnreachableError, match=f"not speak https there; try {fake.url}$"
        ):
            await client.order("1")

    assert not fake.asked


async def test_a_repeatedly_lost_answer_leaves_an_unknown_outcome(
    fake: FakeService, client: ServiceClient
) -> None:
    """The error says that the order may have been placed."""
    fake.plan("POST /order", *[PlannedAnswer(answer=LostAnswer(), does_work=True)] * 3)

    with pytest.raises(ServiceUnreachableError) as unreachable:
        await client.place(BODY)

    assert unreachable.value.was_sent
    assert len(fake.orders) == 1


async def test_an_order_of_an_earlier_run_is_a_replay(
    fake: FakeService, client: ServiceClient
) -> None:
    """The service marks the answer, and the client passes the mark on."""
    earlier = fake.accept(BODY)

    placed = await client.place(BODY)

    assert placed.is_replay
    assert placed.order["order_id"] == earlier["order_id"]


async def test_the_key_is_sent(fake: FakeService, client: ServiceClient) -> None:
    """A service that requires a key accepts the request."""
    fake.key = "secret"
    with pytest.raises(RefusedError, match="the service requires a key: use --key or set"):
        await client.place(BODY)

    async with ServiceClient(fake.address, QUICK) as other:
        assert (await other.place(BODY)).order["status"] == "NEW"
        fake.key = "another"
        with pytest.raises(RefusedError, match=r"^the service does not know this key$"):
            await other.place(BODY)


async def test_an_id_stays_within_its_path(client: ServiceClient) -> None:
    """An id from the command line cannot change the path."""
    with pytest.raises(UnexpectedAnswerError, match="HTTP 404"):
        await client.order("../orders?limit=1")
