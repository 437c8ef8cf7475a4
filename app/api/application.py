"""Puts the edge together: routes, guard, errors, documentation."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.api.admission import Admission
from app.api.docs import (
    ASSETS_PATH,
    ASYNCAPI_PATH,
    DOCS_PATH,
    OPENAPI_PATH,
    DocsRoutes,
    assets,
)
from app.api.errors import (
    REFUSALS,
    MethodNotAllowedError,
    RouteNotFoundError,
    problem_response,
)
from app.api.guard import Guard
from app.api.metrics import MetricsRoute
from app.api.order_stream import OrderStream
from app.api.orders import OrderRoutes
from app.api.placement import PlacementRoute
from app.api.probes import ProbeRoutes
from app.api.rates import RequestRates
from app.api.services import ApiOptions, ApiServices
from app.api.symbols import SymbolRoutes
from app.domain.access import Scope
from app.domain.errors import PapertapeError

__all__ = ["ApiOptions", "ApiServices", "Lifespan", "build_application"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_application(
    services: ApiServices, options: ApiOptions, lifespan: Lifespan | None = None
) -> FastAPI:
    """Return the service's web application; ``lifespan`` surrounds its time of serving."""
    application = FastAPI(
        title="Papertape",
        version=options.version,
        lifespan=lifespan,
        routes=_routes(services, options),
        middleware=[Middleware(Guard, allowed_hosts=options.allowed_hosts)],
        exception_handlers={
            HTTPException: _answer_routing_error,
            **dict.fromkeys(REFUSALS, _answer_error),
        },
        redirect_slashes=False,
        # The document and its page are ours.
        openapi_url=None,
        # Measuring is not the web framework's to decide; it would read the environment for it.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    application.router.default = _serve_nothing
    return application


def _routes(services: ApiServices, options: ApiOptions) -> list[BaseRoute]:
    rates = RequestRates(options.requests_per_second_max, clock=services.clock)
    admission = Admission(services.access, rates)
    needs = admission.needs
    placement = PlacementRoute(services, options)
    orders = OrderRoutes(services)
    stream = OrderStream(services, options, admission)
    symbols = SymbolRoutes(services)
    probes = ProbeRoutes(services, options, admission)
    metrics = MetricsRoute(services, options)
    docs = DocsRoutes(options, asks_for_keys=admission.asks_for_keys)
    return [
        Route("/", _go_to_docs),
        Route("/order/limit", needs(Scope.ORDERS_WRITE, placement.place), methods=["POST"]),
        Route("/order/{order_id}", needs(Scope.ORDERS_READ, orders.show)),
        Route("/order/{order_id}", needs(Scope.ORDERS_WRITE, orders.cancel), methods=["DELETE"]),
        Route("/order/{order_id}/splits", needs(Scope.ORDERS_READ, orders.list_splits)),
        Route("/order/{order_id}/events", needs(Scope.ORDERS_READ, orders.list_events)),
        Route("/orders", needs(Scope.ORDERS_READ, orders.list_orders)),
        Route("/orders", needs(Scope.ORDERS_WRITE, orders.cancel_all), methods=["DELETE"]),
        WebSocketRoute("/ws/orders", stream.serve),
        Route("/symbols/{symbol}", needs(Scope.ORDERS_READ, symbols.show)),
        Route("/healthz", probes.healthz),
        Route("/readyz", probes.readyz),
        Route("/metrics", needs(Scope.METRICS, metrics.show)),
        Route(OPENAPI_PATH, docs.openapi),
        Route(ASYNCAPI_PATH, docs.asyncapi),
        Route(DOCS_PATH, docs.page),
        Mount(ASSETS_PATH, assets()),
    ]


async def _go_to_docs(_request: Request) -> Response:
    """Send whoever opens the bare address to the page one can work from."""
    return RedirectResponse(DOCS_PATH, status_code=HTTPStatus.TEMPORARY_REDIRECT)


async def _serve_nothing(_scope: AsgiScope, _receive: Receive, _send: Send) -> None:
    """Refuse a path that no route has; the router would close a WebSocket without a word."""
    raise RouteNotFoundError


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, PapertapeError), "only our own errors stand in the table"
    return problem_response(error)


async def _answer_routing_error(request: Request, error: Exception) -> Response:
    """Answer what the router refuses by itself."""
    assert isinstance(error, HTTPException), "registered for this class alone"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_response(MethodNotAllowedError(_allowed_methods(request)))
    return problem_response(RouteNotFoundError())


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of every route with the path; the router knows of the first one only."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    for first in routes:
        if first.matches(request.scope)[0] is not Match.NONE:
            same_path = [route for route in routes if route.path == first.path]
            return sorted({method for route in same_path for method in route.methods or ()})
    return ["GET", "HEAD"]  # a file of the docs page
