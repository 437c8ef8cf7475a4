"""The one table of errors: statuses and problem documents (RFC 9457).

What only HTTP knows, a wrong route or host, has its classes here; everything else is raised by
``app.domain.errors``. A client relies on ``code``; ``title`` and ``detail`` are for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from app.api.orders.order_models import Order
from app.domain.errors import (
    CallerError,
    ClientOrderIdReusedError,
    DatabaseUnavailableError,
    InvalidInputError,
    InvalidOrderError,
    InvalidQueryError,
    JournalBacklogError,
    JournalUnavailableError,
    MalformedRequestError,
    MissingScopeError,
    OrderNotFoundError,
    OrderPrunedError,
    OutcomeUnknownError,
    PapertapeError,
    RateLimitedError,
    RulesNotLoadedError,
    TooManyOrdersError,
    UnauthorizedError,
    UnavailableError,
    UnknownSymbolError,
)
from app.domain.order import OrderSnapshot, Split

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
PROBLEM_TYPE_PREFIX: Final = "urn:papertape:problem:"
READINESS_RETRY_AFTER_SECONDS: Final = 2
STREAM_RETRY_AFTER_SECONDS: Final = 5


class RouteNotFoundError(CallerError):
    """Nothing is served at this path."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("nothing is served at this path; /docs lists what is")


class MethodNotAllowedError(CallerError):
    """The path is served, but not for this method."""

    code = "method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"this path takes {', '.join(self.allowed)}")


class BodyTooLargeError(CallerError):
    """The body has more bytes than we read."""

    code = "body_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"the body may have at most {bytes_max} bytes")


class BodyTooSlowError(CallerError):
    """The body did not arrive in time; the connection is closed (RFC 9110 section 15.5.9)."""

    code = "request_timeout"

    def __init__(self) -> None:
        super().__init__("the body did not arrive in time; nothing was executed")


class MalformedHttpError(CallerError):
    """The bytes are not an HTTP/1.1 request."""

    code = "malformed_http"

    def __init__(self) -> None:
        super().__init__("this is not an HTTP/1.1 request")


class HeadTooLargeError(CallerError):
    """The request line and the headers together have more bytes than we read."""

    code = "head_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"request line and headers may have at most {bytes_max} bytes together")


class UnknownHostError(CallerError):
    """The request is meant for a host that we are not.

    A page of a stranger may point a name of its own at this machine (DNS rebinding); its requests
    then carry that name.
    """

    code = "unknown_host"

    def __init__(self) -> None:
        super().__init__(
            "the service does not answer under the name in the Host header; "
            "HTTP_ALLOWED_HOSTS lists the names under which it does"
        )


class ForeignOriginError(CallerError):
    """A web page of another origin wants to change something.

    The body is read as JSON for any content type, so browsers send no preflight request first.
    """

    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("a page of another origin may not send this request")


class OrderClosedError(CallerError):
    """The order cannot be canceled: it was filled, or its time ran out, before."""

    code = "order_closed"

    def __init__(self, snapshot: OrderSnapshot, splits: Sequence[Split]) -> None:
        self.snapshot = snapshot
        self.splits = splits
        super().__init__(f"the order is {snapshot.status} and cannot be canceled any more")


class TooManyStreamsError(UnavailableError):
    """As many connections follow events as are allowed: in all, of one owner, of strangers."""

    code = "too_many_websockets"

    def __init__(self, websockets_max: int, whose: str) -> None:
        super().__init__(
            f"there are at most {websockets_max} WebSocket connections {whose}",
            retry_after_seconds=STREAM_RETRY_AFTER_SECONDS,
        )


class NotReadyError(UnavailableError):
    """Orders cannot be accepted durably now."""

    code = "not_ready"

    def __init__(self, missing: Sequence[str], readiness: Mapping[str, object]) -> None:
        self.readiness = readiness
        cause = f"; missing: {', '.join(missing)}" if missing else ""
        super().__init__(
            f"orders cannot be accepted now{cause}",
            retry_after_seconds=READINESS_RETRY_AFTER_SECONDS,
        )


class StoppingError(UnavailableError):
    """The service ends, and could not wait for what the request needs."""

    code = "stopping"

    def __init__(self) -> None:
        super().__init__(
            "the service is stopping and did not finish this request; what it was to change "
            "may have been changed",
            retry_after_seconds=READINESS_RETRY_AFTER_SECONDS,
        )


class InternalError(PapertapeError):
    """Our own mistake; what went wrong stands in the log."""

    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("the service made a mistake; its log has the cause")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status of an error, and the title that is the same for its code."""

    status: HTTPStatus
    title: str


REFUSALS: Final[dict[type[PapertapeError], Refusal]] = {
    MalformedRequestError: Refusal(HTTPStatus.BAD_REQUEST, "Malformed JSON"),
    MalformedHttpError: Refusal(HTTPStatus.BAD_REQUEST, "Malformed HTTP"),
    UnauthorizedError: Refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized"),
    MissingScopeError: Refusal(HTTPStatus.FORBIDDEN, "Missing scope"),
    ForeignOriginError: Refusal(HTTPStatus.FORBIDDEN, "Foreign origin"),
    RouteNotFoundError: Refusal(HTTPStatus.NOT_FOUND, "Not found"),
    OrderNotFoundError: Refusal(HTTPStatus.NOT_FOUND, "Order not found"),
    UnknownSymbolError: Refusal(HTTPStatus.NOT_FOUND, "Unknown symbol"),
    OrderPrunedError: Refusal(HTTPStatus.GONE, "Order not kept any more"),
    OrderClosedError: Refusal(HTTPStatus.CONFLICT, "Order closed"),
    MethodNotAllowedError: Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed"),
    BodyTooSlowError: Refusal(HTTPStatus.REQUEST_TIMEOUT, "Request timeout"),
    BodyTooLargeError: Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large"),
    UnknownHostError: Refusal(HTTPStatus.MISDIRECTED_REQUEST, "Unknown host"),
    InvalidOrderError: Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid order"),
    InvalidQueryError: Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid query"),
    ClientOrderIdReusedError: Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Key used before"),
    RateLimitedError: Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Rate limited"),
    HeadTooLargeError: Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Head too large"),
    TooManyOrdersError: Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many open orders"),
    TooManyStreamsError: Refusal(HTTPStatus.TOO_MANY_REQUESTS, "Too many WebSockets"),
    InternalError: Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"),
    RulesNotLoadedError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Trading rules not loaded"),
    JournalUnavailableError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Database not writable"),
    JournalBacklogError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Database too slow"),
    DatabaseUnavailableError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Database not answering"),
    OutcomeUnknownError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Outcome unknown"),
    NotReadyError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready"),
    StoppingError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Stopping"),
    UnavailableError: Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Unavailable"),
}
"""The one place where an error gets its status: 400 is malformed, 422 understood but refused.

A class that is not listed has the status of the nearest one above it.
"""


def refusal_of(kind: type[PapertapeError]) -> Refusal:
    """Return the status and title of a class of errors: its own, or the nearest above it."""
    return next(REFUSALS[one] for one in kind.__mro__ if one in REFUSALS)


def problem_document(error: PapertapeError) -> dict[str, object]:
    """Return the problem document of an error."""
    refusal = refusal_of(type(error))
    return {
        "type": PROBLEM_TYPE_PREFIX + error.code,
        "title": refusal.title,
        "status": int(refusal.status),
        **_described(error),
    }


def error_message(error: PapertapeError) -> dict[str, object]:
    """Return the message of an error on a WebSocket: its problem document without HTTP's members.

    Some errors occur there alone and have no status.
    """
    return {"type": "error", **_described(error)}


def _described(error: PapertapeError) -> dict[str, object]:
    described: dict[str, object] = {"detail": str(error), "code": error.code}
    if isinstance(error, InvalidInputError):
        total = len(error.problems)
        described["detail"] = f"{total} problem{'s' if total > 1 else ''} found; see errors"
        described["errors"] = [
            {"field": problem.field, "code": problem.code, "message": problem.message}
            for problem in error.problems
        ]
    return described | _members(error)


def _members(error: PapertapeError) -> dict[str, object]:
    """Return the extension members of an error's document (RFC 9457 section 3.2)."""
    match error:
        case NotReadyError():
            return dict(error.readiness)
        case ClientOrderIdReusedError() | OrderPrunedError():
            return {"order_id": error.order_id}
        case OrderClosedError():
            return {"order": Order.of(error.snapshot, error.splits).model_dump(mode="json")}
    return {}


def problem_headers(error: PapertapeError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    if isinstance(error, UnavailableError):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, MethodNotAllowedError):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, BodyTooSlowError):
        return {"Connection": "close"}
    return {}


def problem_response(error: PapertapeError) -> Response:
    """Answer an error."""
    return Response(
        msgspec.json.encode(problem_document(error)),
        status_code=refusal_of(type(error)).status,
        headers=problem_headers(error),
        media_type=PROBLEM_MEDIA_TYPE,
    )
