"""Error documents help the caller, reveal no internals, and echo no long input."""

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.api.problems import (
    PROBLEM_TYPE_PREFIX,
    REFUSALS,
    HeadTooLargeError,
    MalformedHttpError,
    MethodNotAllowedError,
    RouteNotFoundError,
    TooManyStreamsError,
    problem_document,
)
from app.domain import errors
from app.domain.order import OrderId
from tests.support.in_memory import MemoryPorts
from tests.support.json_documents import objects_in

BUY: Final = {"symbol": "LTCBTC", "order_size": "1", "price": "0.0026"}
TEXT_CHARACTERS_MAX: Final = 300
INSIDE: Final = re.compile(
    r"traceback|\bfile \"|\.py\b|\.db\b|line \d+, in |0x[0-9a-f]{6}"
    r"|\bselect\b|\binsert\b|\bupdate [a-z]+ set\b|sql|asyncpg"
    r"|site-packages|/var/|/home/|/work/|/tmp/",
    re.IGNORECASE,
)
LONG: Final = "ABCDEFGHIJ" * 500

OUTSIDE_THE_DOCUMENT: Final = (
    TooManyStreamsError(1_000, "in all"),
    MalformedHttpError(),
    HeadTooLargeError(16_384),
    RouteNotFoundError(),
    MethodNotAllowedError(["GET", "HEAD"]),
)
"""Errors that no operation of the OpenAPI document names."""


def texts(part: object) -> Iterator[str]:
    """Yield every text of a document, including the names of members."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for name, value in part.items():
            yield name
            yield from texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts(value)


def assert_tells_only_what_it_should(document: dict[str, Any]) -> None:
    """Every text is short and reveals no internals."""
    assert {"type", "title", "status", "detail", "code"} <= set(document)
    for text in texts(document):
        assert len(text) <= TEXT_CHARACTERS_MAX
        assert not INSIDE.search(text), text
        assert LONG[:100] not in text


def test_no_error_tells_of_the_inside(application: FastAPI) -> None:
    """Every error of the table has an example, and no example reveals internals."""
    documents = [
        *[
            part
            for part in objects_in(application.openapi())
            if str(part.get("type")).startswith(PROBLEM_TYPE_PREFIX)
        ],
        *map(problem_document, OUTSIDE_THE_DOCUMENT),
    ]

    for document in documents:
        assert_tells_only_what_it_should(document)
    assert {document["code"] for document in documents} == {
        kind.code for kind in REFUSALS if hasattr(kind, "code")
    }


@pytest.mark.parametrize(
    "cause",
    [
        RuntimeError("SELECT * FROM orders WHERE owner = 'alice'"),
        OSError(28, "No space left on device", "/var/lib/papertape/database.db"),
        sqlite3.OperationalError("near UPDATE: syntax error"),
        KeyError(LONG),
        AssertionError("an order asks for something"),
        ExceptionGroup("File /home/papertape/app/desk.py", [ValueError(LONG)]),
    ],
    ids=lambda cause: type(cause).__name__,
)
async def test_a_mistake_of_ours_is_not_told(
    client: AsyncClient, ports: MemoryPorts, cause: Exception
) -> None:
    """The cause of an unexpected error goes to the log only; the answer has every header."""
    ports.desk.refusal = cause

    with capture_logs() as logs:
        response = await client.post("/order/limit", json=BUY)

    assert [log["event"] for log in logs] == ["request_failed"]
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.json()["detail"] == "the service made a mistake; its log has the cause"
    assert_tells_only_what_it_should(response.json())


@pytest.mark.parametrize(
    "error",
    [
        errors.JournalUnavailableError(),
        errors.JournalBacklogError(),
        errors.DatabaseUnavailableError(),
        errors.OutcomeUnknownError(OrderId("0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10")),
    ],
    ids=lambda error: error.code,
)
async def test_the_databases_trouble_is_told_without_its_words(
    client: AsyncClient, ports: MemoryPorts, error: errors.UnavailableError
) -> None:
    """Messages of SQLite or PostgreSQL go to the log only."""
    error.__cause__ = sqlite3.OperationalError("INSERT INTO orders: disk I/O error")
    ports.desk.refusal = error

    response = await client.post("/order/limit", json=BUY)

    assert response.status_code == 503
    assert_tells_only_what_it_should(response.json())


@pytest.mark.parametrize(
    "body",
    [
        LONG,
        json.dumps({LONG: LONG}),
        json.dumps({f"{number}{LONG[:50]}": 1 for number in range(200)}),
        json.dumps([LONG]),
        *[json.dumps(BUY | {field: LONG}) for field in (*BUY, "side", "time_in_force")],
        json.dumps(BUY | {"timeout_seconds": LONG}),
        *[json.dumps(BUY | {field: "1" * 5_000}) for field in BUY],
        json.dumps(BUY | {"order_size": "9" * 16 + "." + "9" * 12}),
        json.dumps(BUY | {"price": "0." + "0" * 11 + "1"}),
    ],
    ids=lambda body: body[:40],
)
async def test_a_body_is_not_echoed_at_length(client: AsyncClient, body: str) -> None:
    """The size of the answer does not grow with an invalid body."""
    response = await client.post("/order/limit", content=body)

    assert response.status_code in {400, 422}
    assert len(response.content) < 4_096
    assert_tells_only_what_it_should(response.json())


@pytest.mark.parametrize(
    ("method", "address", "headers"),
    [
        ("GET", f"/{LONG}", {}),
        ("GET", f"/order/{LONG}", {}),
        ("GET", f"/order/{LONG}/splits", {}),
        ("GET", f"/symbols/{LONG}", {}),
        ("GET", f"/orders?{LONG}=1", {}),
        ("GET", f"/orders?cursor={LONG}&status={LONG}&symbol={LONG}&limit={LONG}", {}),
        ("GET", "/orders", {"Host": LONG}),
        ("POST", "/order/limit", {"Origin": LONG}),
        ("POST", f"/order/limit?{LONG}", {}),
        ("POST", f"/orders/{LONG}", {}),
        (LONG, "/orders", {}),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_addresses_and_headers_are_not_echoed_at_length(
    client: AsyncClient, method: str, address: str, headers: dict[str, str]
) -> None:
    """Long addresses and headers give a short 4xx answer."""
    response = await client.request(method, address, headers=headers)

    assert 400 <= response.status_code < 500
    assert len(response.content) < 4_096
    assert_tells_only_what_it_should(response.json())
