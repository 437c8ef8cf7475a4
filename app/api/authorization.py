"""Decides what a caller may do: by the key, its scopes, and the owner's rate of requests."""

from typing import Final

from starlette.datastructures import Headers

from app.api.rate_limit import RateLimiter
from app.domain.caller import Caller, Scope
from app.domain.errors import UnauthorizedError
from app.domain.order import Owner
from app.ports import Access

_SCHEME: Final = "bearer "  # RFC 9110 section 11.1: case-insensitive


class Authorizer:
    """Identifies callers and checks their scopes, the same for HTTP and WebSocket."""

    def __init__(self, access: Access, limiter: RateLimiter) -> None:
        self._access = access
        self._limiter = limiter

    @property
    def requires_keys(self) -> bool:
        """Whether a caller without a key is refused."""
        return not self.recognizes(None)

    def authorize(self, key: str | None, scope: Scope) -> Caller:
        """Return the caller behind a key, and count the request.

        Raises:
            UnauthorizedError: the key is missing or unknown.
            RateLimitedError: the owner's requests come too fast.
            MissingScopeError: the key does not have ``scope``.
        """
        caller = self._access.identify(key)
        self._limiter.count(caller.owner)
        caller.check(scope)
        return caller

    def confirm(self, key: str | None, scope: Scope, *, owner: Owner) -> None:
        """Check that the key of an open connection is still valid; this counts no request.

        Raises:
            UnauthorizedError: it was revoked, or belongs to another owner now.
            MissingScopeError: it lost ``scope``.
        """
        caller = self._access.identify(key)
        if caller.owner != owner:
            raise UnauthorizedError
        caller.check(scope)

    def recognizes(self, key: str | None) -> bool:
        """Whether a key is valid, with any scope; this counts no request."""
        try:
            self._access.identify(key)
        except UnauthorizedError:
            return False
        return True


def bearer_of(headers: Headers) -> str | None:
    """Return the key of the only Authorization header (RFC 6750 section 2.1)."""
    values = headers.getlist("authorization")
    # Two headers are refused: a proxy and this service might each believe another one.
    if len(values) != 1 or not values[0].lower().startswith(_SCHEME):
        return None
    return values[0][len(_SCHEME) :].strip()
