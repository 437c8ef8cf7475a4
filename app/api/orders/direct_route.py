"""A route that FastAPI documents and that calls its endpoint without FastAPI's general handler.

It is for the hot path, the placing of orders. FastAPI's handler solves any tree of dependencies for
each request, which took a third of the processor time of accepting an order. FastAPI names
``get_route_handler`` as the place to replace it. Decision 5 has the figures.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from starlette.requests import Request
from starlette.responses import Response

from app.api.dependencies import CallerByKey


class DirectRoute(APIRoute):
    """Calls an endpoint that takes the request and its caller, and returns a ready response.

    It reads the scope of the caller from the declared dependency, as FastAPI does, so the route and
    its documentation have one source. An endpoint that declares anything else is a mistake of ours.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests, made once when the route is defined."""
        declared = self.dependant
        assert len(declared.dependencies) == 1, "the caller is the only dependency"
        (dependency,) = declared.dependencies
        identify = dependency.call
        assert isinstance(identify, CallerByKey), "the dependency is the caller"
        others = (
            *(declared.path_params, declared.query_params, declared.header_params),
            *(declared.cookie_params, declared.body_params),
        )
        assert not any(others), "the endpoint reads the request itself"
        assert declared.request_param_name == "request", "the endpoint takes the request"
        assert dependency.name == "caller", "the endpoint takes the caller"
        scopes = SecurityScopes(
            [*(dependency.parent_oauth_scopes or ()), *(dependency.own_oauth_scopes or ())]
        )
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            response = await endpoint(request, await identify(request, scopes))
            assert isinstance(response, Response), "the endpoint returns a ready response"
            return response

        return handle
