"""The table of errors."""

from http import HTTPStatus

import pytest

import app.domain.errors as domain_errors
from app.api.problems import (
    REFUSALS,
    BodyTooSlowError,
    error_message,
    problem_document,
    problem_headers,
    problem_response,
)
from app.api.stream.stream_cursors import PositionPrunedError
from app.domain.errors import (
    CallerError,
    ClientOrderIdTakenError,
    FieldProblem,
    InvalidOrderError,
    UnavailableError,
)


def leaves(error: type[Exception]) -> set[type[Exception]]:
    """Return the subclasses of ``error`` that have a code of their own."""
    below = {leaf for child in error.__subclasses__() for leaf in leaves(child)}
    return below | ({error} if "code" in vars(error) else set())


@pytest.mark.parametrize("branch", [CallerError, UnavailableError])
def test_every_error_of_a_caller_has_a_status(branch: type[Exception]) -> None:
    """Every error that a request can cause has its own row, so a new one fails here."""
    raised = {
        error
        for error in leaves(branch)
        # Errors of the order stream alone are sent in messages, which have no status.
        if error.__module__.startswith("app.") and not error.__module__.startswith("app.api.stream")
    }

    # A taken key is answered with the order that has it, or with ClientOrderIdReusedError.
    assert raised - {ClientOrderIdTakenError} <= set(REFUSALS)


def test_error_that_a_port_adds_is_told_as_its_kind() -> None:
    """An error without a row in the table is answered like its kind and not with 500."""

    class MoonPhaseError(UnavailableError):
        code = "moon_phase"

    class SpellingError(CallerError):
        code = "spelling"

    response = problem_response(MoonPhaseError("wait for the moon", retry_after_seconds=9))

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.headers["retry-after"] == "9"
    assert b'"code":"moon_phase"' in bytes(response.body)
    assert problem_response(SpellingError("wrong")).status_code == HTTPStatus.BAD_REQUEST


def test_problem_has_the_members_of_rfc_9457_and_our_code() -> None:
    """The members have a fixed order, and the type contains the code."""
    error = InvalidOrderError([FieldProblem(field="price", code="required", message="is missing")])

    assert problem_document(error) == {
        "type": "urn:papertape:problem:invalid_order",
        "title": "Invalid order",
        "status": 422,
        "detail": "1 problem found; see errors",
        "code": "invalid_order",
        "errors": [{"field": "price", "code": "required", "message": "is missing"}],
    }
    assert problem_headers(error) == {}


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (domain_errors.UnauthorizedError(), ("WWW-Authenticate", "Bearer")),
        (domain_errors.RateLimitedError(3), ("Retry-After", "1")),
        (BodyTooSlowError(), ("Connection", "close")),
    ],
)
def test_errors_that_http_wants_a_header_for_have_it(
    error: domain_errors.PapertapeError, header: tuple[str, str]
) -> None:
    """Each of these statuses has the header that RFC 9110 defines for it."""
    assert problem_headers(error) == dict([header])


def test_missing_scope_is_named() -> None:
    """A 403 names the missing scope."""
    document = problem_document(domain_errors.MissingScopeError("orders:write"))

    assert document["detail"] == "the key does not have the scope orders:write"


def test_response_carries_status_headers_and_type() -> None:
    """The answer to a temporary error has Retry-After."""
    response = problem_response(domain_errors.JournalBacklogError())

    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert response.headers["retry-after"] == "1"
    assert response.media_type == "application/problem+json"


def test_error_on_a_websocket_has_no_status() -> None:
    """An error message on a WebSocket has a code and the field problems, but no status."""
    invalid = InvalidOrderError([FieldProblem(field="type", code="required", message="is missing")])

    pruned = error_message(PositionPrunedError())

    assert list(pruned) == ["type", "detail", "code"]
    assert (pruned["type"], pruned["code"]) == ("error", "position_pruned")
    assert error_message(invalid) == {
        "type": "error",
        "detail": "1 problem found; see errors",
        "code": "invalid_order",
        "errors": [{"field": "type", "code": "required", "message": "is missing"}],
    }
