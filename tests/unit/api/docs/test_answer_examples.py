"""The examples of answers and errors; ``test_openapi`` compares them with the schemas."""

import pytest

from app.api.docs.answer_examples import problem_examples
from app.api.problems import NotReadyError, refusal_of
from app.domain.caller import Scope
from app.domain.errors import MissingScopeError, OutcomeUnknownError


@pytest.mark.parametrize("code", ["invalid_query", "outcome_unknown", "order_not_found"])
def test_examples_of_an_error_have_its_code(code: str) -> None:
    """The examples of an error code have that code and a single status."""
    errors = problem_examples("cancelOrders", code, [Scope.ORDERS_WRITE])

    assert {error.code for error in errors} == {code}
    assert len({refusal_of(type(error)).status for error in errors}) == 1


def test_an_operation_has_examples_of_its_own() -> None:
    """Examples name the operation: a cancel, or the scope that the route needs."""
    (unknown,) = problem_examples("cancelOrder", OutcomeUnknownError.code, [])
    (missing,) = problem_examples("metrics", MissingScopeError.code, [Scope.METRICS])

    assert "canceled" in str(unknown)
    assert "metrics" in str(missing)
    assert len(problem_examples("readyz", NotReadyError.code, [])) == 2
