"""Puts the edge together: FastAPI with its routers, one layer around them, the documentation."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.authorization import Authorizer, RateLimiter
from app.api.docs import docs_page
from app.api.guard import Guard
from app.api.orders import cancel_orders, place_order, read_orders
from app.api.problems import MethodNotAllowedError, RouteNotFoundError
from app.api.service import service_routes
from app.api.services import ApiOptions, ApiServices
from app.api.stream import order_stream
from app.domain.errors import FieldProblem, InvalidQueryError, PapertapeError

__all__ = ["ApiOptions", "ApiServices", "Lifespan", "build_application"]

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_application(
    services: ApiServices, options: ApiOptions, lifespan: Lifespan | None = None
) -> FastAPI:
    """Return the service's web application; ``lifespan`` surrounds its time of serving."""
    application = PapertapeApi(options, lifespan)
    limiter = RateLimiter(options.requests_per_second_max, clock=services.clock)
    authorizer = Authorizer(services.access, limiter)
    # What the dependencies of the routes return.
    application.state.services = services
    application.state.options = options
    application.state.authorizer = authorizer
    application.state.order_stream = order_stream.OrderStream(services, options, authorizer)
    # Not include_router, which would match each request twice, through a copy of every route: a
    # fifth of what FastAPI itself takes for a request. The routers have no prefix to add.
    for router in (
        place_order.router,  # first: it has the most requests
        read_orders.router,
        cancel_orders.router,
        order_stream.router,
        service_routes.router,
        docs_page.router,
    ):
        application.router.routes.extend(router.routes)
    application.mount(docs_page.ASSETS_PATH, docs_page.assets())
    return application


class PapertapeApi(FastAPI):
    """FastAPI with our guard around the routes, and with a completed OpenAPI document."""

    def __init__(self, options: ApiOptions, lifespan: Lifespan | None) -> None:
        super().__init__(
            title="Papertape",
            version=options.version,
            license_info={"name": "Apache-2.0"},
            lifespan=lifespan,
            openapi_url=docs_page.OPENAPI_PATH,
            docs_url=None,  # the page is ours, see docs_page
            redoc_url=None,
            redirect_slashes=False,
            # Tracing is configured by our own settings; FastAPI would read the environment for it.
            telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        )
        self.router.default = _refuse_path
        self._options = options
        self._document: dict[str, Any] | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Return the routes behind the guard.

        The guard replaces the layers that come by default. They do the same work, and took an
        eighth of the time of accepting an order. FastAPI's routes rely on the exit stack alone.
        """
        return Guard(
            AsyncExitStackMiddleware(self.router),
            allowed_hosts=self._options.allowed_hosts,
            translate=self._translate,
        )

    def openapi(self) -> dict[str, Any]:
        """Return the generated document, completed with what FastAPI cannot say."""
        if self._document is None:
            # Imported here: a start, above all a restart after a crash, is spared the examples.
            from app.api.docs.openapi import complete_document  # noqa: PLC0415 - see above

            self._document = complete_document(
                super().openapi(),
                self._options,
                requires_keys=self.state.authorizer.requires_keys,
            )
        return self._document

    def _translate(self, scope: Scope, error: Exception) -> PapertapeError | None:
        """Return our error for one of the web framework, ``None`` for any other."""
        if isinstance(error, RequestValidationError):
            problems = [
                FieldProblem(field=str(one["loc"][-1]), code=one["type"], message=one["msg"])
                for one in error.errors()
            ]
            return InvalidQueryError(problems)
        if not isinstance(error, HTTPException):
            return None
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return MethodNotAllowedError(self._allowed_methods(scope["path"]))
        return RouteNotFoundError()

    def _allowed_methods(self, path: str) -> list[str]:
        """Return the methods of all routes with a path; the router knows the first one's only."""
        methods: set[str] = set()
        form = None
        for route in iter_route_contexts(self.routes):
            if route.path is None or not route.methods:
                continue
            one = compile_path(route.path)[0]
            if form is None and one.match(path):
                form = one
            if form == one:
                methods |= route.methods
        if not methods:
            methods = {"GET"}  # a file of the docs page, which has no route
        return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def _refuse_path(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Refuse a path without a route; the router would close a WebSocket without a reason."""
    raise RouteNotFoundError
