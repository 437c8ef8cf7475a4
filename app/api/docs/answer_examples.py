"""The examples of answers and errors in the OpenAPI document, made by the code that sends them."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from app.api.docs import examples
from app.api.models import ResponseModel
from app.api.orders.order_models import (
    CanceledOrders,
    Order,
    OrderAnswer,
    OrdersPage,
    OrderSummary,
    SplitsPage,
)
from app.api.problems import (
    BodyTooLargeError,
    BodyTooSlowError,
    ForeignOriginError,
    InternalError,
    NotReadyError,
    OrderClosedError,
    StoppingError,
    UnknownHostError,
)
from app.api.query_parameters import PAGE_LIMIT_MAX
from app.api.service.prometheus_metrics import Exposition
from app.api.service.readiness import Health, Readiness, ReadyAlone
from app.api.service.symbol_models import Symbol
from app.api.stream.event_models import EventsPage
from app.domain.caller import Scope
from app.domain.errors import (
    ClientOrderIdReusedError,
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
    TooManyOrdersError,
    UnauthorizedError,
    UnknownSymbolError,
)
from app.domain.rules import order_problems

Json = dict[str, Any]
"""A part of the document; OpenAPI defines its form."""

REQUEST_EXAMPLES: Final = {
    "sell": {
        "summary": "Sell 1,000 LTC at 0.0001 BTC or better",
        "value": examples.EXAMPLE_BODY,
    },
    "buy": {
        "summary": "Buy 100 LTC at 0.0026 BTC or better within 5 seconds, amounts as strings",
        "value": {
            "symbol": "LTCBTC",
            "order_size": "100",
            "price": "0.0026",
            "side": "BUY",
            "time_in_force": "GTD",
            "timeout_seconds": 5,
        },
    },
}
"""Bodies of ``POST /order/limit``."""

_PAGE_OF_TWO: Final = "A page of two"
_BELOW_TICK: Final = order_problems(
    examples.EXAMPLE_RULES, quantity=Decimal(1000), limit_price=Decimal("0.0000001")
)
_BAD_FIELDS: Final = (
    FieldProblem(field="price", code="required", message="is missing"),
    FieldProblem(field="order_size", code="not_positive", message="must be above zero"),
    FieldProblem(field="sise", code="unknown_field", message="is not known; did you mean side?"),
)
_UNKNOWN_SYMBOL: Final = FieldProblem(
    field="symbol", code="unknown_symbol", message=str(UnknownSymbolError())
)


def _bad_query(field: str, code: str, message: str) -> InvalidQueryError:
    return InvalidQueryError([FieldProblem(field=field, code=code, message=message)])


_BAD_CURSOR: Final = _bad_query(
    "cursor", "invalid_cursor", "must be the next_cursor of a page of this listing"
)

_PROBLEMS: Final[tuple[PapertapeError, ...]] = (
    UnauthorizedError(),
    RateLimitedError(10_000),
    MalformedRequestError("the body is not JSON at line 1 column 12"),
    BodyTooSlowError(),
    BodyTooLargeError(16_384),
    InvalidOrderError(_BELOW_TICK),
    InvalidOrderError(_BAD_FIELDS),
    InvalidOrderError([_UNKNOWN_SYMBOL]),
    _bad_query("verbose", "unknown_field", "is not known"),
    ClientOrderIdReusedError(examples.EXAMPLE_ORDER_ID),
    OrderPrunedError(examples.EXAMPLE_ORDER_ID),
    OrderNotFoundError(examples.EXAMPLE_ORDER_ID),
    OrderClosedError(*examples.filled_order()),
    UnknownSymbolError(),
    TooManyOrdersError(200_000),
    RulesNotLoadedError(),
    JournalUnavailableError(),
    JournalBacklogError(),
    DatabaseUnavailableError(),
    OutcomeUnknownError(examples.EXAMPLE_ORDER_ID),
    UnknownHostError(),
    ForeignOriginError(),
    StoppingError(),
    InternalError(),
)
"""An example of each error that any operation gives, unless the operation has its own."""

_PROBLEMS_OF: Final[dict[tuple[str, str], Sequence[PapertapeError]]] = {
    ("listSplits", "invalid_query"): [_BAD_CURSOR],
    ("listEvents", "invalid_query"): [_BAD_CURSOR],
    ("listOrders", "invalid_query"): [
        _bad_query("limit", "out_of_range", f"must be a whole number from 1 to {PAGE_LIMIT_MAX}")
    ],
    ("cancelOrders", "invalid_query"): [_bad_query("symbol", "required", "is missing")],
    ("cancelOrder", "outcome_unknown"): [
        OutcomeUnknownError(examples.EXAMPLE_ORDER_ID, doing="canceled")
    ],
    ("cancelOrders", "outcome_unknown"): [OutcomeUnknownError(None, doing="canceled")],
}


def problem_examples(operation_id: str, code: str, scopes: Sequence[str]) -> list[PapertapeError]:
    """Return the examples of an error of an operation that needs ``scopes``."""
    if code == NotReadyError.code:
        unready = _readiness(is_writable=False)
        return [
            NotReadyError(unready.missing, unready.model_dump(mode="json")),
            NotReadyError([], {"ready": False}),
        ]
    if code == MissingScopeError.code:
        return [MissingScopeError(Scope(scope)) for scope in scopes]
    own = _PROBLEMS_OF.get((operation_id, code))
    return list(own) if own else [error for error in _PROBLEMS if error.code == code]


def answer_examples() -> dict[tuple[str, str], Json]:
    """Return the examples of answers by operation and status."""
    return _order_examples() | _service_examples()


def _order_examples() -> dict[tuple[str, str], Json]:
    filled, splits = examples.filled_order()
    splits_page = SplitsPage.of(splits[:3], limit=2, splits_total=filled.splits_total)
    events_page = EventsPage.of(examples.events(), limit=2, stream_id=examples.EXAMPLE_STREAM_ID)
    canceled = examples.canceled_order()
    canceled_orders = CanceledOrders(
        symbol=examples.EXAMPLE_SYMBOL, canceled_total=1, orders=[OrderSummary.of(canceled[0])]
    )
    return {
        ("placeLimitOrder", "200"): {
            "fulfilled": _example("Fulfilled in several splits", OrderAnswer.of(filled, splits)),
            "not_fulfilled": _example(
                "Its time ran out", OrderAnswer.of(*examples.expired_order())
            ),
        },
        ("placeLimitOrder", "202"): {
            "not_finished": _example(
                "Accepted, not finished", OrderAnswer.of(*examples.open_order())
            )
        },
        ("showOrder", "200"): {
            "open": _example("Still open", examples.open_order_detail()),
            "fulfilled": _example("Fulfilled", examples.filled_order_detail()),
            "unfillable": _example(
                "FOK, and the quote had not all of it", examples.unfillable_order_detail()
            ),
        },
        ("listSplits", "200"): {"page": _example(_PAGE_OF_TWO, splits_page)},
        ("listEvents", "200"): {"page": _example(_PAGE_OF_TWO, events_page)},
        ("listOrders", "200"): {
            "page": _example(
                "A page of one, with more to come", OrdersPage.of([filled, filled], limit=1)
            )
        },
        ("cancelOrder", "200"): {
            "canceled": _example("Canceled after one split", Order.of(*canceled))
        },
        ("cancelOrders", "200"): {"one": _example("One was open", canceled_orders)},
    }


def _service_examples() -> dict[tuple[str, str], Json]:
    symbol = Symbol.of(
        examples.EXAMPLE_RULES,
        is_subscribed=True,
        quote=examples.EXAMPLE_QUOTE,
        rules_state=examples.EXAMPLE_RULES_STATE,
        feed=examples.EXAMPLE_FEED,
        instant=examples.EXAMPLE_INSTANT,
    )
    text = Exposition(lambda: examples.EXAMPLE_STATE, version="0.1.0").text().decode()
    return {
        ("showSymbol", "200"): {"symbol": _example("With a current quote", symbol)},
        ("healthz", "200"): {"ok": _example("Alive", Health(status="ok", version="0.1.0"))},
        ("readyz", "200"): {
            "ready": _example("Ready", _readiness(is_writable=True)),
            "no_key": _example("No key", ReadyAlone(ready=True)),
        },
        ("metrics", "200"): {
            "metrics": {
                "summary": "A connected service",
                "value": text.partition("# HELP process_")[0],  # those differ by machine
            }
        },
    }


def _example(summary: str, answer: ResponseModel) -> Json:
    return {"summary": summary, "value": answer.model_dump(mode="json")}


def _readiness(*, is_writable: bool) -> Readiness:
    journal = replace(examples.EXAMPLE_JOURNAL, is_writable=is_writable)
    return Readiness.of(replace(examples.EXAMPLE_STATE, journal=journal))
