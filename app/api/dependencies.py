"""The dependencies that routes share: services, options, the caller behind a key.

All of them are coroutines: FastAPI runs a plain function in a thread, which costs more than any of
these. A route names its caller first, so that nothing of a request is read for a stranger.
"""

from typing import Annotated, Final

from fastapi import Depends, Path, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from app.api.authorization import Authorizer, bearer_of
from app.api.fields import is_order_id
from app.api.problems import MethodNotAllowedError
from app.api.services import ApiOptions, ApiServices
from app.domain.caller import Caller, Scope
from app.domain.errors import OrderNotFoundError
from app.domain.order import OrderId

KEY_SCHEME: Final = "key"
_LIMIT_ORDER: Final = "limit"


_KEY_MODEL: Final = HTTPBearerModel(
    description="A key that `papertape keys create` printed. Needed where the service is set up "
    "with `API_KEYS_FILE`."
)


class CallerByKey(SecurityBase):
    """Identifies the caller, who has the scope that the route declares, and counts the request.

    It is the security scheme of the document and the check in one, since each dependency takes
    FastAPI some 10 us. FastAPI's ``HTTPBearer`` would take the first of two headers.
    """

    scheme_name = KEY_SCHEME
    model = _KEY_MODEL

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes) -> Caller:
        """Return the caller; raises like ``Authorizer.authorize``."""
        (scope,) = scopes.scopes
        return authorizer_of(connection).authorize(bearer_of(connection.headers), Scope(scope))


class RecognizedKey(SecurityBase):
    """Checks whether a request has a valid key, for a route that shows more with one."""

    scheme_name = KEY_SCHEME
    model = _KEY_MODEL

    async def __call__(self, connection: HTTPConnection) -> bool:
        """Return whether the key is valid, with any scope."""
        return authorizer_of(connection).recognizes(bearer_of(connection.headers))


def authorizer_of(connection: HTTPConnection) -> Authorizer:
    """Return the authorizer of the application that serves a connection."""
    authorizer = connection.app.state.authorizer
    assert isinstance(authorizer, Authorizer), "set by build_application"
    return authorizer


def options_of(connection: HTTPConnection) -> ApiOptions:
    """Return the settings of the application that serves a connection."""
    options = connection.app.state.options
    assert isinstance(options, ApiOptions), "set by build_application"
    return options


def services_of(connection: HTTPConnection) -> ApiServices:
    """Return the ports of the application that serves a connection."""
    services = connection.app.state.services
    assert isinstance(services, ApiServices), "set by build_application"
    return services


async def get_services(connection: HTTPConnection) -> ApiServices:
    """Return the ports behind the routes."""
    return services_of(connection)


async def get_options(connection: HTTPConnection) -> ApiOptions:
    """Return the settings of the routes."""
    return options_of(connection)


async def get_order_id(
    order_id: Annotated[
        str,
        Path(
            description="The order's id, from the answer to placing it.",
            json_schema_extra={"format": "uuid"},
            openapi_examples={"order": {"value": "0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"}},
        ),
    ],
) -> OrderId:
    """Return the id of the path, in lower case.

    Raises:
        OrderNotFoundError: it is not in the form of an id.
        MethodNotAllowedError: it is the path of placing an order, called with another method.
    """
    text = order_id.lower()
    if text == _LIMIT_ORDER:
        raise MethodNotAllowedError(["POST"])
    if not is_order_id(text):
        raise OrderNotFoundError(OrderId(text))
    return OrderId(text)


Services = Annotated[ApiServices, Depends(get_services)]
Options = Annotated[ApiOptions, Depends(get_options)]
_CALLER: Final = CallerByKey()
ReadingCaller = Annotated[Caller, Security(_CALLER, scopes=[Scope.ORDERS_READ])]
WritingCaller = Annotated[Caller, Security(_CALLER, scopes=[Scope.ORDERS_WRITE])]
MetricsCaller = Annotated[Caller, Security(_CALLER, scopes=[Scope.METRICS])]
IsKeyValid = Annotated[bool, Depends(RecognizedKey())]
OrderIdOfPath = Annotated[OrderId, Depends(get_order_id)]
