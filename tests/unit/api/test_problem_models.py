"""The errors that routes declare; ``test_openapi`` compares them with the document."""

from app.api.problem_models import (
    CODES_EXTENSION,
    ClosedOrderProblem,
    InputProblem,
    OrderProblem,
    Problem,
    header_docs,
    problem_responses,
)
from app.api.problems import REFUSALS, OrderClosedError
from app.domain import errors


def test_errors_of_one_status_are_one_response() -> None:
    """Errors with the same status share one response, with the codes and titles of the table."""
    responses = problem_responses(
        errors.InvalidOrderError,
        errors.ClientOrderIdReusedError,
        OrderClosedError,
        errors.UnauthorizedError,
    )

    assert list(responses) == [401, 409, 422]
    assert responses[422]["model"] == InputProblem | OrderProblem
    assert responses[422][CODES_EXTENSION] == ["invalid_order", "idempotency_key_reused"]
    assert responses[422]["description"] == (
        "Invalid order (`invalid_order`) · Key used before (`idempotency_key_reused`)"
    )
    assert responses[409]["model"] is ClosedOrderProblem
    assert responses[401]["headers"] == header_docs("WWW-Authenticate")


def test_every_unavailability_tells_when_to_come_back() -> None:
    """Errors with the status 503 share a model and the header Retry-After."""
    (response,) = problem_responses(
        errors.RulesNotLoadedError, errors.DatabaseUnavailableError
    ).values()

    assert response["model"] is Problem
    assert list(response["headers"]) == ["Retry-After"]


def test_every_error_of_the_table_can_be_declared() -> None:
    """Each error has a status and a description with its code."""
    for kind in REFUSALS:
        if hasattr(kind, "code"):
            ((status, response),) = problem_responses(kind).items()
            assert 400 <= int(status) < 600
            assert kind.code in response["description"]
