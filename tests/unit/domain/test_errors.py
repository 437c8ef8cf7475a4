"""Tests of ``app.domain.errors``."""

import inspect
import re

import pytest

from app.domain import errors
from app.domain.order import OrderId, Symbol

ORDER_ID = OrderId("0199c0de-0000-7000-8000-000000000001")
PROBLEMS = (
    errors.FieldProblem(field="price", code="price_filter", message="is not a multiple of 0.01"),
    errors.FieldProblem(field="order_size", code="lot_size", message="is below the minimum 1"),
)
EVERY_ERROR: list[tuple[errors.PapertapeError, type[errors.PapertapeError], str]] = [
    (errors.MalformedRequestError("not an object"), errors.CallerError, "malformed_json"),
    (errors.InvalidOrderError(PROBLEMS), errors.CallerError, "invalid_order"),
    (errors.InvalidQueryError(PROBLEMS), errors.CallerError, "invalid_query"),
    (errors.UnauthorizedError(), errors.CallerError, "unauthorized"),
    (errors.MissingScopeError("metrics"), errors.CallerError, "missing_scope"),
    (errors.UnknownSymbolError(), errors.CallerError, "unknown_symbol"),
    (errors.OrderNotFoundError(ORDER_ID), errors.CallerError, "order_not_found"),
    (errors.OrderPrunedError(ORDER_ID), errors.CallerError, "order_pruned"),
    (errors.ClientOrderIdTakenError(ORDER_ID), errors.CallerError, "client_order_id_taken"),
    (errors.ClientOrderIdReusedError(ORDER_ID), errors.CallerError, "idempotency_key_reused"),
    (errors.RulesNotLoadedError(), errors.UnavailableError, "rules_not_loaded"),
    (errors.JournalUnavailableError(), errors.UnavailableError, "journal_unavailable"),
    (errors.JournalBacklogError(), errors.UnavailableError, "journal_backlog"),
    (errors.DatabaseUnavailableError(), errors.UnavailableError, "database_unavailable"),
    (errors.TooManyOrdersError(100_000), errors.UnavailableError, "too_many_open_orders"),
    (errors.RateLimitedError(10_000), errors.UnavailableError, "rate_limited"),
    (errors.OutcomeUnknownError(ORDER_ID), errors.UnavailableError, "outcome_unknown"),
    (errors.VenueUnreachableError("refused"), errors.VenueError, "venue_unreachable"),
    (errors.VenueThrottledError(12.5), errors.VenueError, "venue_throttled"),
    (errors.SymbolNotTradingError(Symbol("LTCBTC")), errors.VenueError, "symbol_not_trading"),
    (errors.StartupError("another process serves this database"), errors.PapertapeError, "startup"),
]


def _classes_with_a_code() -> set[type[errors.PapertapeError]]:
    return {
        value
        for value in vars(errors).values()
        if inspect.isclass(value)
        and issubclass(value, errors.PapertapeError)
        and "code" in vars(value)
    }


@pytest.mark.parametrize(
    ("error", "branch", "code"),
    EVERY_ERROR,
    ids=[type(error).__name__ for error, *_ in EVERY_ERROR],
)
def test_error_keeps_its_branch_and_its_code(
    error: errors.PapertapeError, branch: type[errors.PapertapeError], code: str
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


@pytest.mark.parametrize("error_class", [errors.InvalidOrderError, errors.InvalidQueryError])
def test_refusal_keeps_and_names_its_problems(
    error_class: type[errors.InvalidOrderError | errors.InvalidQueryError],
) -> None:
    """The message lists the fields in the order found."""
    error = error_class(list(PROBLEMS))

    assert error.problems == PROBLEMS
    assert str(error) == ("price: is not a multiple of 0.01; order_size: is below the minimum 1")


def test_refusal_without_a_cause_is_our_own_mistake() -> None:
    """Every refusal has at least one problem."""
    with pytest.raises(AssertionError, match="names its cause"):
        errors.InvalidOrderError([])


def test_errors_about_an_order_keep_its_id() -> None:
    """Code that catches the error can name the order."""
    assert errors.OrderNotFoundError(ORDER_ID).order_id == ORDER_ID
    for error in (
        errors.OutcomeUnknownError(ORDER_ID),
        errors.OrderPrunedError(ORDER_ID),
        errors.ClientOrderIdTakenError(ORDER_ID),
        errors.ClientOrderIdReusedError(ORDER_ID),
    ):
        assert error.order_id == ORDER_ID
        assert ORDER_ID in str(error)


def test_an_unknown_outcome_names_the_operation() -> None:
    """The message says whether an order was stored, or one or several orders were canceled."""
    of_many = errors.OutcomeUnknownError(None, doing="canceled")

    assert "was stored" in str(errors.OutcomeUnknownError(ORDER_ID))
    assert f"order {ORDER_ID} was canceled" in str(
        errors.OutcomeUnknownError(ORDER_ID, doing="canceled")
    )
    assert of_many.order_id is None
    assert "the orders were canceled" in str(of_many)


def test_unavailability_says_when_to_retry_and_that_nothing_was_done() -> None:
    """Each error asks for whole seconds; a refused order says that nothing was executed."""
    executes_nothing_or_unknown = (errors.DatabaseUnavailableError, errors.OutcomeUnknownError)
    for error, branch, _code in EVERY_ERROR:
        if branch is errors.UnavailableError:
            assert isinstance(error, errors.UnavailableError)
            assert error.retry_after_seconds >= 1
            says_so = "nothing was executed" in str(error)
            assert says_so is not isinstance(error, executes_nothing_or_unknown)


def test_bounds_are_kept_as_values() -> None:
    """Code can read the numbers without parsing the messages."""
    too_many, throttled = errors.TooManyOrdersError(100_000), errors.VenueThrottledError(12.5)
    of_owner = errors.TooManyOrdersError(5, scope="an owner")

    assert errors.RateLimitedError(7).requests_per_second_max == 7
    assert (too_many.open_orders_max, throttled.retry_after_seconds) == (100_000, 12.5)
    assert str(too_many).startswith("the service may have at most 100000 open orders")
    assert str(of_owner).startswith("an owner may have at most 5 open orders")
    assert str(throttled) == "the venue asked us to wait 12.5 s"


def test_messages_say_how_to_continue() -> None:
    """A client that cannot repeat its request learns what to do in its place."""
    pruned = str(errors.OrderPrunedError(ORDER_ID))

    assert "it was finished and has been deleted" in pruned
    assert pruned.endswith("so choose a new key")
    assert str(errors.RulesNotLoadedError()).endswith("the service keeps trying to load them")
