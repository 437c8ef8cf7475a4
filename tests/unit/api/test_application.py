"""The assembled API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from httpx2 import AsyncClient

from app.api.application import ApiOptions, ApiServices, build_application

OURS = {"/", "/openapi.json", "/docs", "/docs/asyncapi.json"}


def test_every_route_is_documented_and_every_documented_route_exists(
    application: FastAPI,
) -> None:
    """The document lists exactly the paths and methods that are served."""
    documented = {
        (path, method.upper())
        for path, methods in application.openapi()["paths"].items()
        for method in methods
    }

    served = {
        (route.path, method)
        for route in iter_route_contexts(application.routes)
        for method in route.methods or ()
        if method != "HEAD"
    }

    assert served - {(path, "GET") for path in OURS} == documented


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/order/limit", "POST"),
        ("GET", "/order/limit", "POST"),
        ("POST", "/order/0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10", "DELETE, GET, HEAD"),
        ("PUT", "/orders", "DELETE, GET, HEAD"),
        ("POST", "/order/0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10/events", "GET, HEAD"),
        ("PATCH", "/symbols/LTCBTC", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/order/limit", "POST"),
        ("BREW", "/docs", "GET, HEAD"),
        ("DELETE", "/docs-assets/swagger-ui.css", "GET, HEAD"),
    ],
)
async def test_wrong_method_is_told_the_right_ones(
    client: AsyncClient, method: str, path: str, allowed: str
) -> None:
    """A 405 names the methods that the path allows."""
    response = await client.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path",
    [
        "/order",
        "/order/",
        "/order/limit/",
        "/orders/",
        "/redoc",
        "/docs-assets/x.js",
        "/docs-assets/../application.py",
        "/docs-assets/%2e%2e/core.py",
        "/favicon.ico",
    ],
)
async def test_unknown_path_is_a_problem_too(client: AsyncClient, path: str) -> None:
    """A 404 has the form of every other error."""
    response = await client.get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/orders", "/docs"])
async def test_head_answers_like_get_without_a_body(client: AsyncClient, path: str) -> None:
    """HEAD is answered like GET, but without a body."""
    response = await client.head(path)

    assert response.status_code == 200
    assert response.content == b""


async def test_lifespan_surrounds_serving(services: ApiServices, options: ApiOptions) -> None:
    """The lifespan starts before serving and stops after it."""
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncIterator[None]:
        steps.append("start")
        yield
        steps.append("stop")

    application = build_application(services, options, lifespan)
    async with application.router.lifespan_context(application):
        steps.append("serve")

    assert steps == ["start", "serve", "stop"]


async def test_the_bare_address_leads_to_the_docs_page(client: AsyncClient) -> None:
    """The root path redirects to the docs page."""
    response = await client.get("/")

    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


async def test_refusal_by_the_web_framework_is_a_problem_too(
    application: FastAPI, client: AsyncClient
) -> None:
    """A parameter error found by FastAPI has the form of our errors."""

    @application.get("/toy")
    async def toy(number: int) -> int:
        return number

    response = await client.get("/toy?number=one")

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "invalid_query"
    assert [error["field"] for error in response.json()["errors"]] == ["number"]
