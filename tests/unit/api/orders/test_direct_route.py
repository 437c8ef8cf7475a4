"""The direct route behaves like FastAPI's own route with the same endpoint."""

from pathlib import Path
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.access.key_file import KeyFileAccess
from app.api.authorization import Authorizer, RateLimiter
from app.api.dependencies import ReadingCaller, WritingCaller
from app.api.orders.direct_route import DirectRoute
from app.domain.caller import Scope
from app.domain.errors import MissingScopeError, UnauthorizedError
from tests.support.hand_driven import HandClock
from tests.support.in_process import client_of
from tests.support.keys import BOB, SCOPE_KEYS, authorization, write_key_file


async def tell_owner(request: Request, caller: WritingCaller) -> Response:
    """Return the caller's owner and the request method."""
    return PlainTextResponse(f"{caller.owner} {request.method}")


def application(route_class: type[APIRoute], tmp_path: Path) -> FastAPI:
    """Return an application with one route of the given class."""
    application = FastAPI()
    clock = HandClock()
    keys = tmp_path / f"{route_class.__name__}.json"
    access = KeyFileAccess(write_key_file(keys), clock=clock)
    application.state.authorizer = Authorizer(access, RateLimiter(0, clock=clock))
    router = APIRouter(route_class=route_class)
    router.post("/owner", operation_id="tellOwner")(tell_owner)
    application.router.routes.extend(router.routes)
    return application


@pytest.mark.parametrize("route_class", [APIRoute, DirectRoute])
async def test_endpoint_gets_the_caller_with_the_declared_scope(
    route_class: type[APIRoute], tmp_path: Path
) -> None:
    """Both classes identify the caller and refuse requests without the scope."""
    async with client_of(application(route_class, tmp_path)) as client:
        answer = await client.post("/owner", headers=authorization(BOB))
        with pytest.raises(UnauthorizedError):
            await client.post("/owner")
        with pytest.raises(MissingScopeError):
            await client.post("/owner", headers=authorization(SCOPE_KEYS[Scope.METRICS]))

    assert (answer.status_code, answer.text) == (200, "bob POST")


def test_both_routes_are_documented_alike(tmp_path: Path) -> None:
    """FastAPI documents both routes alike, because it reads the declarations."""
    ours, theirs = (
        application(route_class, tmp_path).openapi()["paths"]["/owner"]["post"]
        for route_class in (DirectRoute, APIRoute)
    )

    assert ours == theirs
    assert ours["security"] == [{"key": ["orders:write"]}]


async def _depend() -> int:
    return 1


async def _without_caller(request: Request) -> Response:
    raise AssertionError(request)


async def _with_a_dependency(
    request: Request, caller: ReadingCaller, number: Annotated[int, Depends(_depend)]
) -> Response:
    raise AssertionError(request, caller, number)


async def _with_a_parameter(request: Request, caller: ReadingCaller, limit: int) -> Response:
    raise AssertionError(request, caller, limit)


@pytest.mark.parametrize("endpoint", [_without_caller, _with_a_dependency, _with_a_parameter])
def test_endpoint_that_declares_anything_else_is_our_mistake(endpoint: object) -> None:
    """The direct route refuses endpoints with dependencies or parameters that it cannot solve."""
    with pytest.raises(AssertionError):
        APIRouter(route_class=DirectRoute).post("/any")(endpoint)  # type: ignore[type-var] # any function
