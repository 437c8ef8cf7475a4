"""Puts the edge together: routes, guard, errors, documentation."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from app.api.authorization import Admission, Endpoint
from app.api.docs.docs_page import (
    ASSETS_PATH,
    ASYNCAPI_PATH,
    DOCS_PATH,
    OPENAPI_PATH,
    DocsRoutes,
    assets,
    behind_a_proxy,
)
from app.api.guard import Guard
from app.api.orders.place_order import PlacementRoute
from app.api.orders.read_orders import OrderRoutes
from app.api.problems import (
    MethodNotAllowedError,
    RouteNotFoundError,
)
from app.api.rate_limit import RequestRates
from app.api.service.metrics import MetricsRoute
from app.api.service.probes import ProbeRoutes
from app.api.service.symbol_info import SymbolRoutes
from app.api.services import ApiOptions, ApiServices
from app.api.stream.order_stream import OrderStream
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
        redirect_slashes=False,
        # The document and its page are ours.
        openapi_url=None,
        # Measuring is not the web framework's to decide; it would read the environment for it.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    application.router.default = _serve_nothing
    # Instead of the layers that come by default: they do what the guard does, or serve routes with
    # dependencies, and took an eighth of what it costs to accept an order.
    application.middleware_stack = Guard(
        application.router,
        allowed_hosts=options.allowed_hosts,
        routing_refusal=partial(_routing_refusal, application),
    )
    return application


class _Handler:
    """An endpoint as ASGI; errors are the guard's."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def _route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    return Route(path, _Handler(endpoint), methods=[method])


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
        _route(
            "/order/limit", needs(Scope.ORDERS_WRITE, placement.place), "POST"
        ),  # first: the most asked
        _route("/", _go_to_docs),
        _route("/order/{order_id}", needs(Scope.ORDERS_READ, orders.show)),
        _route("/order/{order_id}", needs(Scope.ORDERS_WRITE, orders.cancel), "DELETE"),
        _route("/order/{order_id}/splits", needs(Scope.ORDERS_READ, orders.list_splits)),
        _route("/order/{order_id}/events", needs(Scope.ORDERS_READ, orders.list_events)),
        _route("/orders", needs(Scope.ORDERS_READ, orders.list_orders)),
        _route("/orders", needs(Scope.ORDERS_WRITE, orders.cancel_all), "DELETE"),
        WebSocketRoute("/ws/orders", stream.serve),
        _route("/symbols/{symbol}", needs(Scope.ORDERS_READ, symbols.show)),
        _route("/healthz", probes.healthz),
        _route("/readyz", probes.readyz),
        _route("/metrics", needs(Scope.METRICS, metrics.show)),
        _route(OPENAPI_PATH, docs.openapi),
        Route(ASYNCAPI_PATH, behind_a_proxy(_Handler(docs.asyncapi)), methods=["GET"]),
        _route(DOCS_PATH, docs.page),
        Mount(ASSETS_PATH, assets()),
    ]


async def _go_to_docs(_request: Request) -> Response:
    """Send whoever opens the bare address to the page one can work from."""
    return RedirectResponse(DOCS_PATH, status_code=HTTPStatus.TEMPORARY_REDIRECT)


async def _serve_nothing(_scope: AsgiScope, _receive: Receive, _send: Send) -> None:
    """Refuse a path that no route has; the router would close a WebSocket without a word."""
    raise RouteNotFoundError


def _routing_refusal(
    application: FastAPI, scope: AsgiScope, error: HTTPException
) -> PapertapeError:
    """Return what to tell where the router refuses by itself."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowedError(_allowed_methods(application, scope))
    return RouteNotFoundError()


def _allowed_methods(application: FastAPI, scope: AsgiScope) -> list[str]:
    """Return the methods of every route with the path; the router knows of the first one only."""
    routes = [route for route in application.routes if isinstance(route, Route)]
    for first in routes:
        if first.matches(scope)[0] is not Match.NONE:
            same_path = [route for route in routes if route.path == first.path]
            return sorted({method for route in same_path for method in route.methods or ()})
    return ["GET", "HEAD"]  # a file of the docs page
