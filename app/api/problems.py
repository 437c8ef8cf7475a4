"""The one table of errors: statuses and problem documents (RFC 9457).

What only HTTP knows, a wrong route or host, has its classes here; everything else is raised by
``app.domain.errors``. A client relies on ``code``; ``title`` and ``detail`` are for people.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from starlette.responses import Response

from app.api.orders.order_models import Order
from app.domain import errors
from app.domain.errors import CallerError, PapertapeError, UnavailableError
from app.domain.order import OrderSnapshot, Split

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
PROBLEM_TYPE_PREFIX: Final = "urn:papertape:problem:"
READINESS_RETRY_AFTER_SECONDS: Final = 2
STREAM_RETRY_AFTER_SECONDS: Final = 5


class FixedTextError(CallerError):
    """A mistake of the caller with the same text every time."""

    text: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self.text)


class RouteNotFoundError(FixedTextError):
    """Nothing is served at this path."""

    code = "not_found"
    text = "nothing is served at this path; /docs lists what is"


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


class BodyTooSlowError(FixedTextError):
    """The body did not arrive in time; the connection is closed (RFC 9110 section 15.5.9)."""

    code = "request_timeout"
    text = "the body did not arrive in time; nothing was executed"


class ContentEncodingError(FixedTextError):
    """The body is compressed, or encoded otherwise (RFC 9110 section 15.5.16)."""

    code = "unsupported_content_encoding"
    text = "the body has a Content-Encoding; send it as it is, without gzip or another coding"


class MalformedHttpError(FixedTextError):
    """The bytes are not an HTTP/1.1 request."""

    code = "malformed_http"
    text = "this is not an HTTP/1.1 request"


class HeadTooLargeError(CallerError):
    """The request line and the headers together have more bytes than we read."""

    code = "head_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"request line and headers may have at most {bytes_max} bytes together")


class UnknownHostError(FixedTextError):
    """The request is meant for a host that we are not.

    A page of a stranger may point a name of its own at this machine (DNS rebinding); its requests
    then carry that name.
    """

    code = "unknown_host"
    text = (
        "the service does not answer under the name in the Host header; "
        "HTTP_ALLOWED_HOSTS lists the names under which it does"
    )


class ForeignOriginError(FixedTextError):
    """A web page of another origin wants to change something.

    The body is read as JSON for any content type, so browsers send no preflight request first.
    """

    code = "foreign_origin"
    text = "a page of another origin may not send this request"


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


class Refusal(NamedTuple):
    """The status of an error, and the title that is the same for its code."""

    status: int
    title: str


REFUSALS: Final[dict[type[PapertapeError], Refusal]] = {
    errors.MalformedRequestError: Refusal(400, "Malformed JSON"),
    MalformedHttpError: Refusal(400, "Malformed HTTP"),
    errors.UnauthorizedError: Refusal(401, "Unauthorized"),
    errors.MissingScopeError: Refusal(403, "Missing scope"),
    ForeignOriginError: Refusal(403, "Foreign origin"),
    RouteNotFoundError: Refusal(404, "Not found"),
    errors.OrderNotFoundError: Refusal(404, "Order not found"),
    # Only where the address names the symbol. In the body of an order it is one field of an input
    # that was understood, so it is a problem of that field, beside any others, in a 422.
    errors.UnknownSymbolError: Refusal(404, "Unknown symbol"),
    errors.OrderPrunedError: Refusal(410, "Order not kept any more"),
    OrderClosedError: Refusal(409, "Order closed"),
    MethodNotAllowedError: Refusal(405, "Method not allowed"),
    BodyTooSlowError: Refusal(408, "Request timeout"),
    BodyTooLargeError: Refusal(413, "Body too large"),
    ContentEncodingError: Refusal(415, "Unsupported content encoding"),
    UnknownHostError: Refusal(421, "Unknown host"),
    errors.InvalidOrderError: Refusal(422, "Invalid order"),
    errors.InvalidQueryError: Refusal(422, "Invalid query"),
    errors.ClientOrderIdReusedError: Refusal(422, "Key used before"),
    errors.RateLimitedError: Refusal(429, "Rate limited"),
    HeadTooLargeError: Refusal(431, "Head too large"),
    errors.TooManyOrdersError: Refusal(429, "Too many open orders"),
    TooManyStreamsError: Refusal(429, "Too many WebSockets"),
    InternalError: Refusal(500, "Internal error"),
    errors.RulesNotLoadedError: Refusal(503, "Trading rules not loaded"),
    errors.JournalUnavailableError: Refusal(503, "Database not writable"),
    errors.JournalBacklogError: Refusal(503, "Database too slow"),
    errors.DatabaseUnavailableError: Refusal(503, "Database not answering"),
    errors.OutcomeUnknownError: Refusal(503, "Outcome unknown"),
    NotReadyError: Refusal(503, "Not ready"),
    StoppingError: Refusal(503, "Stopping"),
    UnavailableError: Refusal(503, "Unavailable"),
    CallerError: Refusal(400, "Bad request"),
}
"""The one place where an error gets its status: 400 is malformed, 422 understood but refused.

A class that is not listed has the status of the nearest one above it. The last two rows are for
such classes; a test demands a row for each class of ours that HTTP may answer with.
"""


HEADERS: Final[tuple[tuple[type[PapertapeError], str, Callable[[Any], str]], ...]] = (
    (UnavailableError, "Retry-After", lambda error: str(error.retry_after_seconds)),
    (MethodNotAllowedError, "Allow", lambda error: ", ".join(error.allowed)),
    (errors.UnauthorizedError, "WWW-Authenticate", lambda _: "Bearer"),
    (BodyTooSlowError, "Connection", lambda _: "close"),
    (ContentEncodingError, "Accept-Encoding", lambda _: "identity"),
)
"""The headers that RFC 9110 wants with an error: of which class, and how their value is written."""


def refusal_of(kind: type[PapertapeError]) -> Refusal:
    """Return the status and title of a class of errors: its own, or the nearest above it."""
    return next(REFUSALS[one] for one in kind.__mro__ if one in REFUSALS)


def problem_document(error: PapertapeError) -> dict[str, object]:
    """Return the problem document of an error."""
    refusal = refusal_of(type(error))
    return {
        "type": PROBLEM_TYPE_PREFIX + error.code,
        "title": refusal.title,
        "status": refusal.status,
        **_described(error),
    }


def error_message(error: PapertapeError) -> dict[str, object]:
    """Return the message of an error on a WebSocket: its problem document without HTTP's members.

    Some errors occur there alone and have no status.
    """
    return {"type": "error", **_described(error)}


def _described(error: PapertapeError) -> dict[str, object]:
    described: dict[str, object] = {"detail": str(error), "code": error.code}
    if isinstance(error, errors.InvalidInputError):
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
        case errors.ClientOrderIdReusedError() | errors.OrderPrunedError():
            return {"order_id": error.order_id}
        case OrderClosedError():
            return {"order": Order.of(error.snapshot, error.splits).model_dump(mode="json")}
    return {}


def problem_headers(error: PapertapeError) -> dict[str, str]:
    """Return the headers that belong to an error."""
    return {name: write(error) for kind, name, write in HEADERS if isinstance(error, kind)}


def problem_response(error: PapertapeError) -> Response:
    """Answer an error."""
    return Response(
        msgspec.json.encode(problem_document(error)),
        status_code=refusal_of(type(error)).status,
        headers=problem_headers(error),
        media_type=PROBLEM_MEDIA_TYPE,
    )
