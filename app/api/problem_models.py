"""The response models of errors, and what a route declares of the errors that it gives.

``problems`` builds the documents that are sent; these models describe them in OpenAPI.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

from pydantic import Field

from app.api.models import ResponseModel
from app.api.orders.order_models import Order
from app.api.problems import (
    HEADERS,
    ForeignOriginError,
    InternalError,
    OrderClosedError,
    StoppingError,
    UnknownHostError,
    refusal_of,
)
from app.domain import errors
from app.domain.errors import PapertapeError

KEYED: Final = (
    errors.UnauthorizedError,
    errors.MissingScopeError,
    errors.RateLimitedError,
    UnknownHostError,
    StoppingError,
    InternalError,
)
"""The errors of every route that needs a key."""

CHANGING: Final = (*KEYED, ForeignOriginError)
"""The errors of every route that changes something."""

CODES_EXTENSION: Final = "x-codes"
"""The member of a documented response that lists the codes of its problem documents."""

_HEADERS: Final = {
    "Accept-Encoding": "`identity`: how a body may be encoded (RFC 9110 section 12.5.3).",
    "Allow": "The methods that the path takes.",
    "Idempotent-Replayed": "`true` if the order was placed by an earlier request.",
    "Link": 'The address of the remaining splits: `rel="next"` (RFC 8288).',
    "Location": "The address of the order.",
    "Preference-Applied": "The preference of `Prefer` that was granted (RFC 7240).",
    "Connection": "`close`: the service reads no more of this connection.",
    "Retry-After": "Seconds after which the same request may pass.",
    "WWW-Authenticate": "`Bearer`: how to send a key (RFC 6750).",
}


class FieldProblem(ResponseModel):
    """What is wrong with one field."""

    field: str = Field(description="Field, query parameter or header.")
    code: str = Field(description="Stable name of the problem.")
    message: str = Field(description="What is wrong, and what to do about it.")


class Problem(ResponseModel):
    """An error as RFC 9457 defines it; `code` is stable, the texts are for people."""

    type: str = Field(description="`urn:papertape:problem:` and the code.")
    title: str = Field(description="The same for the same code.")
    status: int = Field(ge=400, le=599, description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    code: str = Field(description="Stable name of the error.")


class OrderProblem(Problem):
    """An error about an order that exists."""

    order_id: str = Field(description="Which one.")


class ClosedOrderProblem(Problem):
    """An error that an order is closed."""

    order: Order = Field(description="The order.")


class InputProblem(Problem):
    """An error of the input, with every problem found."""

    errors: list[FieldProblem] = Field(min_length=1, description="Every problem found.")


def header_docs(*names: str) -> dict[str, Any]:
    """Return the description of response headers in OpenAPI."""
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def problem_responses(
    *kinds: type[PapertapeError], models: Mapping[type[PapertapeError], Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return what a route declares to FastAPI (``responses=``) of the errors that it gives.

    Args:
        kinds: The classes of the errors; the table in ``problems`` has their statuses.
        models: The models of documents with members of their own.
    """
    by_status: dict[int, list[type[PapertapeError]]] = {}
    for kind in kinds:
        by_status.setdefault(refusal_of(kind).status, []).append(kind)
    return {
        status: _problem_response(by_status[status], models or {}) for status in sorted(by_status)
    }


def _problem_response(
    kinds: list[type[PapertapeError]], models: Mapping[type[PapertapeError], Any]
) -> dict[str, Any]:
    used = [models.get(kind, _model_of(kind)) for kind in kinds]
    headers = dict.fromkeys(
        name for kind in kinds for above, name, _ in HEADERS if issubclass(kind, above)
    )
    return {
        "model": reduce(or_, used),
        "description": " · ".join(f"{refusal_of(kind).title} (`{kind.code}`)" for kind in kinds),
        "headers": header_docs(*headers),
        CODES_EXTENSION: [kind.code for kind in kinds],
    }


def _model_of(kind: type[PapertapeError]) -> type[Problem]:
    if issubclass(kind, errors.InvalidInputError):
        return InputProblem
    if issubclass(kind, errors.ClientOrderIdReusedError | errors.OrderPrunedError):
        return OrderProblem
    return ClosedOrderProblem if issubclass(kind, OrderClosedError) else Problem
