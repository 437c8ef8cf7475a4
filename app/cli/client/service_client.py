"""Send requests to the service, and retry them after a temporary failure.

Every request may be repeated. Reading and canceling are idempotent. Placing is idempotent because
each order has a client order id, and the service places only one order per id.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self, TypeVar
from urllib.parse import quote

import httpx2

from app import __version__
from app.cli.client import answers as wire
from app.cli.client.client_errors import (
    RefusedError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
    cause_of,
    refusal,
    shorten,
)
from app.cli.client.retries import Attempts, RetryPolicy
from app.cli.client.service_address import ServiceAddress

CONNECT_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS_MAX: Final = 20.0
"""The service answers within some 5 s, even if its database does not."""

PAGE_LIMIT_MAX: Final = 1_000

USER_AGENT: Final = f"papertape/{__version__}"

_TEMPORARY_STATUSES: Final = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
_RATE_LIMITED: Final = "rate_limited"

_Shape = TypeVar("_Shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An accepted order; ``is_replay`` if an earlier command placed it with the same id."""

    order: wire.Order
    is_replay: bool


class ServiceClient:
    """A client with persistent connections."""

    def __init__(self, address: ServiceAddress, retries: RetryPolicy) -> None:
        self.address = address
        self.retries = retries
        self._was_reached = False
        # Only the options count: proxies of the environment and .netrc would redirect or sign in.
        self._http = httpx2.AsyncClient(
            headers={"User-Agent": USER_AGENT, **address.headers},
            timeout=httpx2.Timeout(ANSWER_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            trust_env=False,
            verify=_trusted_certificates(address),
        )

    async def __aenter__(self) -> Self:
        """Return the client; it connects with its first request."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def place(self, body: Mapping[str, str]) -> Placed:
        """Place an order and return it as accepted; ``body`` names a client order id.

        Raises:
            ServiceUnreachableError: if ``was_sent``, the order may have been placed.
        """
        assert body["client_order_id"], "without it a repeated request might place a second order"
        answer, attempts = await self._request(
            "POST", "/order/limit", body=body, headers={"Prefer": "respond-async"}
        )
        return Placed(
            order=self._read(answer, wire.Order),
            # After a retry the replay may be of this command's own first request.
            is_replay=attempts == 1 and answer.headers.get("Idempotent-Replayed") == "true",
        )

    async def order(self, order_id: str) -> wire.Order:
        """Return an order as it is now."""
        return await self._ask(wire.Order, "GET", _path(order_id))

    async def splits_page(self, order_id: str, *, cursor: str | None) -> wire.SplitsPage:
        """Return a page of an order's splits."""
        path = f"{_path(order_id)}/splits"
        return await self._ask(wire.SplitsPage, "GET", path, limit=PAGE_LIMIT_MAX, cursor=cursor)

    async def events_page(self, order_id: str, *, cursor: str | None) -> wire.EventsPage:
        """Return a page of an order's events."""
        path = f"{_path(order_id)}/events"
        return await self._ask(wire.EventsPage, "GET", path, limit=PAGE_LIMIT_MAX, cursor=cursor)

    async def orders_page(
        self, filters: Mapping[str, str | None], *, limit: int, cursor: str | None
    ) -> wire.OrdersPage:
        """Return a page of the orders that pass the filters, the newest first."""
        return await self._ask(
            wire.OrdersPage, "GET", "/orders", **filters, limit=limit, cursor=cursor
        )

    async def cancel(self, order_id: str) -> wire.Order:
        """Cancel an order and return it.

        Raises:
            RefusedError: with ``order_closed`` if the order was filled or had expired.
        """
        return await self._ask(wire.Order, "DELETE", _path(order_id))

    async def cancel_all(self, symbol: str) -> wire.CanceledOrders:
        """Cancel the open orders of a symbol."""
        return await self._ask(wire.CanceledOrders, "DELETE", "/orders", symbol=symbol)

    async def _ask(
        self, shape: type[_Shape], method: str, path: str, **query: str | int | None
    ) -> _Shape:
        """Return the answer to a request; a parameter of the query that is None is not sent."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        answer, _ = await self._request(method, path, query=given)
        return self._read(answer, shape)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[httpx2.Response, int]:
        """Return a successful answer and the number of attempts."""
        attempts = Attempts(self.retries)
        count = 0
        while True:
            count += 1
            retry_after_seconds = None
            try:
                answer = await self._http.request(
                    method, self.address.url + path, params=query, json=body, headers=headers
                )
            except httpx2.TransportError as error:
                cause = f"cannot reach {self.address.url} ({cause_of(error)})"
                failure: Exception = self._unreachable(error, count)
                # An address that never answered is probably wrong, so the command fails at once.
                if count == 1 and not self._was_reached and _is_unsent(error):
                    raise failure from None
            else:
                self._was_reached = True
                if answer.is_success:
                    return answer, count
                failure = self._failure(answer)
                cause = str(failure).splitlines()[0]
                if not _is_temporary(answer, failure):
                    raise failure
                retry_after_seconds = _retry_after_seconds(answer)
            pause_seconds = attempts.fail(retry_after_seconds)
            if attempts.is_exhausted:
                raise failure
            self.retries.on_retry(attempts.message(cause, pause_seconds))
            await asyncio.sleep(pause_seconds)

    def _unreachable(self, error: httpx2.TransportError, count: int) -> ServiceUnreachableError:
        was_sent = count > 1 or not _is_unsent(error)
        return ServiceUnreachableError(self.address.url, cause_of(error), was_sent=was_sent)

    def _failure(self, answer: httpx2.Response) -> RefusedError | UnexpectedAnswerError:
        try:
            problem = wire.read_shape(answer.content, wire.Problem)
        except wire.UnexpectedShapeError:
            what = f"HTTP {answer.status_code} {answer.reason_phrase}".rstrip()
            if location := answer.headers.get("Location"):
                what += f", a redirect to {shorten(location)}"
            return UnexpectedAnswerError(self.address.url, what)
        return refusal(problem, has_key=self.address.key is not None)

    def _read(self, answer: httpx2.Response, shape: type[_Shape]) -> _Shape:
        try:
            return wire.read_shape(answer.content, shape)
        except wire.UnexpectedShapeError as error:
            raise UnexpectedAnswerError(self.address.url, shorten(str(error))) from None


def _trusted_certificates(address: ServiceAddress) -> ssl.SSLContext | bool:
    """Return the default certificates for https, and an empty context for http.

    Loading the certificates takes a tenth of a second, which a command over http need not spend.
    """
    if address.url.startswith("https:"):
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _path(order_id: str) -> str:
    return f"/order/{quote(order_id, safe='')}"


def _is_unsent(error: httpx2.TransportError) -> bool:
    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def _is_temporary(answer: httpx2.Response, failure: Exception) -> bool:
    # 429 also reports too many open orders, which a retry within seconds does not change.
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return isinstance(failure, RefusedError) and failure.reason_code == _RATE_LIMITED
    return answer.status_code in _TEMPORARY_STATUSES


def _retry_after_seconds(answer: httpx2.Response) -> float | None:
    """Return the header's seconds; a date, its other form, is ignored."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None
