"""Decides what a caller may do: by the key, its scopes, and the owner's rate of requests."""

from typing import Final

from starlette.datastructures import Headers

from app.domain.caller import Caller, Scope
from app.domain.errors import RateLimitedError, UnauthorizedError
from app.domain.order import Owner
from app.ports import Access, Clock

OWNERS_REMEMBERED: Final = 10_000
"""Beyond it, owners with a full bucket are forgotten, which changes nothing for them."""

_NANOSECONDS_PER_SECOND: Final = 1_000_000_000

_SCHEME: Final = "bearer "  # RFC 9110 section 11.1: case-insensitive


class Authorizer:
    """Identifies callers and checks their scopes, the same for HTTP and WebSocket."""

    def __init__(self, access: Access, limiter: "RateLimiter") -> None:
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


class RateLimiter:
    """A token bucket for each owner that holds the tokens of one second.

    A bucket is one number, the time at which it is full again. Each request moves that time by the
    time of one token, and may not move it beyond the time of all of them.
    """

    def __init__(self, per_second_max: int, *, clock: Clock) -> None:
        self._per_second_max = per_second_max
        self._clock = clock
        self._token_ns = _NANOSECONDS_PER_SECOND // per_second_max if per_second_max else 0
        self._full_at_ns: dict[Owner, int] = {}

    def count(self, owner: Owner) -> None:
        """Count one request of an owner.

        Raises:
            RateLimitedError: the bucket is empty; the request is not counted.
        """
        if not self._token_ns:
            return
        now_ns = self._clock.monotonic_ns()
        full_at_ns = max(now_ns, self._full_at_ns.get(owner, 0)) + self._token_ns
        if full_at_ns - now_ns > self._token_ns * self._per_second_max:
            raise RateLimitedError(self._per_second_max)
        if owner not in self._full_at_ns and len(self._full_at_ns) >= OWNERS_REMEMBERED:
            self._forget_full(now_ns)
        self._full_at_ns[owner] = full_at_ns

    def _forget_full(self, now_ns: int) -> None:
        self._full_at_ns = {
            owner: full_at_ns
            for owner, full_at_ns in self._full_at_ns.items()
            if full_at_ns > now_ns
        }


def bearer_of(headers: Headers) -> str | None:
    """Return the key of the only Authorization header (RFC 6750 section 2.1)."""
    values = headers.getlist("authorization")
    # Two headers are refused: a proxy and this service might each believe another one.
    if len(values) != 1 or not values[0].lower().startswith(_SCHEME):
        return None
    return values[0][len(_SCHEME) :].strip()
