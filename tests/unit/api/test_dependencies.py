"""The dependencies that routes share, tested in a separate application."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from app.access.key_file import KeyFileAccess
from app.api.authorization import Authorizer, RateLimiter
from app.api.dependencies import OrderIdOfPath, ReadingCaller
from app.api.problems import MethodNotAllowedError
from app.domain.caller import Scope
from app.domain.errors import MissingScopeError, OrderNotFoundError, UnauthorizedError
from tests.support.hand_driven import HandClock
from tests.support.in_process import client_of
from tests.support.keys import BOB, NOBODY, SCOPE_KEYS, authorization, write_key_file

ORDER_ID = "0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"


@pytest.fixture
def toy(tmp_path: Path) -> FastAPI:
    """Return an application with keys and two routes that use the dependencies."""
    application = FastAPI()
    clock = HandClock()
    access = KeyFileAccess(write_key_file(tmp_path / "keys.json"), clock=clock)
    application.state.authorizer = Authorizer(access, RateLimiter(0, clock=clock))

    @application.get("/owner")
    async def owner(caller: ReadingCaller) -> str:
        return caller.owner

    @application.get("/order/{order_id}")
    async def order(order_id: OrderIdOfPath) -> str:
        return order_id

    return application


@pytest.fixture
async def client(toy: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of the toy application."""
    async with client_of(toy) as client:
        yield client


async def test_a_route_gets_its_caller(client: httpx2.AsyncClient) -> None:
    """A route receives its caller without knowing how callers are identified."""
    assert (await client.get("/owner", headers=authorization(BOB))).json() == "bob"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, UnauthorizedError),
        (authorization(NOBODY), UnauthorizedError),
        (authorization(SCOPE_KEYS[Scope.METRICS]), MissingScopeError),
    ],
)
async def test_a_route_is_not_called_for_others(
    client: httpx2.AsyncClient, headers: dict[str, str], error: type[Exception]
) -> None:
    """A request without the required scope does not reach the route."""
    with pytest.raises(error):
        await client.get("/owner", headers=headers)


async def test_an_id_is_read_in_lower_case(client: httpx2.AsyncClient) -> None:
    """A UUID is accepted in upper or lower case and read in lower case."""
    assert (await client.get(f"/order/{ORDER_ID.upper()}")).json() == ORDER_ID


@pytest.mark.parametrize(
    ("text", "error"), [("1", OrderNotFoundError), ("LIMIT", MethodNotAllowedError)]
)
async def test_a_text_that_is_no_id_is_refused(
    client: httpx2.AsyncClient, text: str, error: type[Exception]
) -> None:
    """``GET /order/limit`` is answered with 405, and not as an unknown order."""
    with pytest.raises(error):
        await client.get(f"/order/{text}")
