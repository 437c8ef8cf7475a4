"""Tests of ``app.domain.errors``."""

import inspect
import re

import pytest

from app.domain import errors
from app.domain.errors import (
    CallerError,
    ClientOrderIdReusedError,
    ClientOrderIdTakenError,
    DatabaseUnavailableError,
    FieldProblem,
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
    StartupError,
    TooManyOrdersError,
    UnauthorizedError,
    UnavailableError,
    UnknownSymbolError,
    VenueError,
    VenueThrottledError,
    VenueUnreachableError,
)
from app.domain.order import OrderId

ORDER_ID = OrderId("0199c0de-0000-7000-8000-000000000001")
PROBLEMS = (
    FieldProblem(field="price", code="price_filter", message="is not a multiple of 0.01"),
    FieldProblem(field="order_size", code="lot_size", message="is below the minimum 1"),
)
EVERY_ERROR: list[tuple[PapertapeError, type[PapertapeError], str]] = [
    (MalformedRequestError("not an object"), CallerError, "malformed_json"),
    (InvalidOrderError(PROBLEMS), CallerError, "invalid_order"),
    (InvalidQueryError(PROBLEMS), CallerError, "invalid_query"),
    (UnauthorizedError(), CallerError, "unauthorized"),
    (MissingScopeError("metrics"), CallerError, "missing_scope"),
    (UnknownSymbolError(), CallerError, "unknown_symbol"),
    (OrderNotFoundError(ORDER_ID), CallerError, "order_not_found"),
    (OrderPrunedError(ORDER_ID), CallerError, "order_pruned"),
    (ClientOrderIdTakenError(ORDER_ID), CallerError, "client_order_id_taken"),
    (ClientOrderIdReusedError(ORDER_ID), CallerError, "idempotency_key_reused"),
    (RulesNotLoadedError(), UnavailableError, "rules_not_loaded"),
    (JournalUnavailableError(), UnavailableError, "journal_unavailable"),
    (JournalBacklogError(), UnavailableError, "journal_backlog"),
    (DatabaseUnavailableError(), UnavailableError, "database_unavailable"),
    (TooManyOrdersError(100_000), UnavailableError, "too_many_open_orders"),
    (RateLimitedError(10_000), UnavailableError, "rate_limited"),
    (OutcomeUnknownError(ORDER_ID), UnavailableError, "outcome_unknown"),
    (VenueUnreachableError("refused"), VenueError, "venue_unreachable"),
    (VenueThrottledError(12.5), VenueError, "venue_throttled"),
    (StartupError("another process serves this database"), PapertapeError, "startup"),
]


def _classes_with_a_code() -> set[type[PapertapeError]]:
    return {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, PapertapeError) and "code" in vars(value)
    }


@pytest.mark.parametrize(
    ("error", "branch", "code"),
    EVERY_ERROR,
    ids=[type(error).__name__ for error, *_ in EVERY_ERROR],
)
def test_error_keeps_its_branch_and_its_code(
    error: PapertapeError, branch: type[PapertapeError], code: str
) -> None:
    """Clients rely on the code, the API on the branch, and every error has a message."""
    assert isinstance(error, branch)
    assert error.code == code
    assert str(error)


def test_every_error_has_a_code_of_its_own() -> None:
    """The list above is complete, and each code is unique."""
    assert {type(error) for error, *_ in EVERY_ERROR} == _classes_with_a_code()
    assert len({code for *_, code in EVERY_ERROR}) == len(EVERY_ERROR)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Each error stands in the drawing under one of its base classes."""
    drawn: dict[str, str] = {}
    branch = "PapertapeError"
    for indent, name in re.findall(r"^    ([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE):
        if not indent:
            branch = name
        drawn[name] = branch if indent else "PapertapeError"

    for error_class in _classes_with_a_code():
        assert issubclass(error_class, vars(errors)[drawn[error_class.__name__]])


@pytest.mark.parametrize("error_class", [InvalidOrderError, InvalidQueryError])
def test_refusal_keeps_and_names_its_problems(
    error_class: type[InvalidOrderError | InvalidQueryError],
) -> None:
    """The message lists the fields in the order found."""
    error = error_class(list(PROBLEMS))

    assert error.problems == PROBLEMS
    assert str(error) == ("price: is not a multiple of 0.01; order_size: is below the minimum 1")


def test_refusal_without_a_cause_is_our_own_mistake() -> None:
    """Every refusal has at least one problem."""
    with pytest.raises(AssertionError, match="names its cause"):
        InvalidOrderError([])


def test_errors_about_an_order_keep_its_id() -> None:
    """Code that catches the error can name the order."""
    assert OrderNotFoundError(ORDER_ID).order_id == ORDER_ID
    for error in (
        OutcomeUnknownError(ORDER_ID),
        OrderPrunedError(ORDER_ID),
        ClientOrderIdTakenError(ORDER_ID),
        ClientOrderIdReusedError(ORDER_ID),
    ):
        assert error.order_id == ORDER_ID
        assert ORDER_ID in str(error)


def test_an_unknown_outcome_names_the_operation() -> None:
    """The message says whether an order was stored, or one or several orders were canceled."""
    of_many = OutcomeUnknownError(None, doing="canceled")

    assert "was stored" in str(OutcomeUnknownError(ORDER_ID))
    assert f"order {ORDER_ID} was canceled" in str(OutcomeUnknownError(ORDER_ID, doing="canceled"))
    assert of_many.order_id is None
    assert "the orders were canceled" in str(of_many)


def test_unavailability_says_when_to_retry_and_that_nothing_was_done() -> None:
    """Each error asks for whole seconds; a refused order says that nothing was executed."""
    executes_nothing_or_unknown = (DatabaseUnavailableError, OutcomeUnknownError)
    for error, branch, _code in EVERY_ERROR:
        if branch is UnavailableError:
            assert isinstance(error, UnavailableError)
            assert error.retry_after_seconds >= 1
            says_so = "nothing was executed" in str(error)
            assert says_so is not isinstance(error, executes_nothing_or_unknown)


def test_bounds_are_kept_as_values() -> None:
    """Code can read the numbers without parsing the messages."""
    too_many, throttled = TooManyOrdersError(100_000), VenueThrottledError(12.5)
    of_owner = TooManyOrdersError(5, scope="an owner")

    assert RateLimitedError(7).requests_per_second_max == 7
    assert (too_many.open_orders_max, throttled.retry_after_seconds) == (100_000, 12.5)
    assert str(too_many).startswith("the service may have at most 100000 open orders")
    assert str(of_owner).startswith("an owner may have at most 5 open orders")
    assert str(throttled) == "the venue asked us to wait 12.5 s"


def test_messages_say_how_to_continue() -> None:
    """A client that cannot repeat its request learns what to do in its place."""
    pruned = str(OrderPrunedError(ORDER_ID))

    assert "it was finished and has been deleted" in pruned
    assert pruned.endswith("so choose a new key")
    assert str(RulesNotLoadedError()).endswith("the service keeps trying to load them")
