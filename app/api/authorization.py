"""Who may go on: the caller behind a key, its scope, its rate.

Routes that need a key are wrapped where they are put together, so that a handler cannot forget it,
and a test asks every documented route.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.api.rate_limit import RequestRates
from app.domain.access import Caller, Scope
from app.domain.errors import UnauthorizedError
from app.domain.order import Owner
from app.ports import Access

Endpoint = Callable[[Request], Awaitable[Response]]

_SCHEME: Final = "bearer "  # RFC 9110 section 11.1: in any case of letters


class Admission:
    """Lets callers pass who may do what they ask for; the same for HTTP and WebSocket."""

    def __init__(self, access: Access, rates: RequestRates) -> None:
        self._access = access
        self._rates = rates

    @property
    def asks_for_keys(self) -> bool:
        """Whether somebody without a key is refused."""
        try:
            self._access.identify(None)
        except UnauthorizedError:
            return True
        return False

    def admit(self, bearer: str | None, scope: Scope) -> Caller:
        """Return whose key it is, and count the request.

        Raises:
            UnauthorizedError: no key, or nobody's.
            RateLimitedError: the owner's requests come too fast.
            MissingScopeError: the key is not good for ``scope``.
        """
        caller = self._access.identify(bearer)
        self._rates.take(caller.owner)
        caller.check(scope)
        return caller

    def confirm(self, bearer: str | None, scope: Scope, *, owner: Owner) -> None:
        """See that a key which was admitted is still good, as a connection goes on with it.

        Raises:
            UnauthorizedError, MissingScopeError: it was revoked, or is another owner's now.
        """
        caller = self._access.identify(bearer)
        if caller.owner != owner:
            raise UnauthorizedError
        caller.check(scope)

    def knows(self, request: Request) -> bool:
        """Whether the request has a valid key, whatever it is good for."""
        try:
            self._access.identify(bearer_of(request.headers))
        except UnauthorizedError:
            return False
        return True

    def needs(self, scope: Scope, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint for callers with ``scope`` only; it finds them by ``caller_of``."""

        async def admitted(request: Request) -> Response:
            request.state.caller = self.admit(bearer_of(request.headers), scope)
            return await endpoint(request)

        return admitted


def caller_of(request: Request) -> Caller:
    """Return who sends a request that was admitted."""
    caller = request.state.caller
    assert isinstance(caller, Caller), "the route is wrapped"
    return caller


def bearer_of(headers: Headers) -> str | None:
    """Return the key that the only Authorization header holds (RFC 6750 section 2.1)."""
    values = headers.getlist("authorization")
    if len(values) != 1 or not values[0].lower().startswith(_SCHEME):
        return None
    return values[0][len(_SCHEME) :].strip()
