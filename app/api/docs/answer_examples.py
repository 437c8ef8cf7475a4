"""The examples of answers and errors in the OpenAPI document, made by the code that sends them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from app.api.docs import examples
from app.api.models import ResponseModel
from app.api.orders.order_detail import Execution, Market, OrderDetail
from app.api.orders.order_models import (
    CanceledOrders,
    Order,
    OrderAnswer,
    OrdersPage,
    OrderSummary,
    SplitsPage,
)
from app.api.problems import REFUSALS, BodyTooLargeError, NotReadyError, OrderClosedError
from app.api.query_parameters import PAGE_LIMIT_MAX
from app.api.service.prometheus_metrics import write_metrics
from app.api.service.readiness import Health, Readiness, ReadyAlone
from app.api.service.symbol_models import Symbol
from app.api.stream.event_models import EventsPage
from app.domain import errors
from app.domain.caller import Scope
from app.domain.errors import PapertapeError
from app.domain.rules import order_problems
from app.ports import MarketView

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


def _problem(field: str, code: str, message: str) -> errors.FieldProblem:
    return errors.FieldProblem(field=field, code=code, message=message)


def _readiness(*, is_writable: bool) -> Readiness:
    journal = replace(examples.EXAMPLE_STATE.journal, is_writable=is_writable)
    return Readiness.of(replace(examples.EXAMPLE_STATE, journal=journal))


_UNREADY: Final = _readiness(is_writable=False)
_BELOW_TICK: Final = order_problems(
    examples.EXAMPLE_RULES, quantity=Decimal(1000), limit_price=Decimal("0.0000001")
)
_BAD_FIELDS: Final = (
    _problem("price", "required", "is missing"),
    _problem("order_size", "not_positive", "must be above zero"),
    _problem("sise", "unknown_field", "is not known; did you mean side?"),
)
_UNKNOWN_SYMBOL: Final = _problem(
    "symbol", errors.UnknownSymbolError.code, str(errors.UnknownSymbolError())
)
_BAD_CURSOR: Final = _problem(
    "cursor", "invalid_cursor", "must be the next_cursor of a page of this listing"
)
_BAD_LIMIT: Final = _problem(
    "limit", "out_of_range", f"must be a whole number from 1 to {PAGE_LIMIT_MAX}"
)

_PROBLEMS: Final[tuple[PapertapeError, ...]] = (
    errors.RateLimitedError(10_000),
    errors.MalformedRequestError("the body is not JSON at line 1 column 12"),
    BodyTooLargeError(16_384),
    errors.InvalidOrderError(_BELOW_TICK),
    errors.InvalidOrderError(_BAD_FIELDS),
    errors.InvalidOrderError([_UNKNOWN_SYMBOL]),
    errors.InvalidQueryError([_problem("verbose", "unknown_field", "is not known")]),
    errors.ClientOrderIdReusedError(examples.EXAMPLE_ORDER_ID),
    errors.OrderPrunedError(examples.EXAMPLE_ORDER_ID),
    errors.OrderNotFoundError(examples.EXAMPLE_ORDER_ID),
    OrderClosedError(*examples.filled_order()),
    errors.TooManyOrdersError(200_000),
    errors.OutcomeUnknownError(examples.EXAMPLE_ORDER_ID),
    NotReadyError(_UNREADY.missing, _UNREADY.model_dump(mode="json")),
    NotReadyError([], {"ready": False}),
)
"""Examples of the errors that are made of values, unless an operation has its own."""

_PROBLEMS_OF: Final[Mapping[tuple[str, str], PapertapeError]] = {
    ("listSplits", "invalid_query"): errors.InvalidQueryError([_BAD_CURSOR]),
    ("listEvents", "invalid_query"): errors.InvalidQueryError([_BAD_CURSOR]),
    ("listOrders", "invalid_query"): errors.InvalidQueryError([_BAD_LIMIT]),
    ("cancelOrders", "invalid_query"): errors.InvalidQueryError(
        [_problem("symbol", "required", "is missing")]
    ),
    ("cancelOrder", "outcome_unknown"): errors.OutcomeUnknownError(
        examples.EXAMPLE_ORDER_ID, doing="canceled"
    ),
    ("cancelOrders", "outcome_unknown"): errors.OutcomeUnknownError(None, doing="canceled"),
}


def problem_examples(operation_id: str, code: str, scopes: Sequence[str]) -> list[PapertapeError]:
    """Return the examples of an error of an operation that needs ``scopes``."""
    if code == errors.MissingScopeError.code:
        return [errors.MissingScopeError(Scope(scope)) for scope in scopes]
    if own := _PROBLEMS_OF.get((operation_id, code)):
        return [own]
    (kind,) = (kind for kind in REFUSALS if getattr(kind, "code", None) == code)
    return [error for error in _PROBLEMS if error.code == code] or [kind()]


def answer_examples() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the examples of answers by operation and status, each JSON value with its summary."""
    return {
        place: {summary: _json_of(answer) for summary, answer in answers.items()}
        for place, answers in (_order_examples() | _service_examples()).items()
    }


_Examples = dict[tuple[str, str], Mapping[str, ResponseModel | str]]


def _order_examples() -> _Examples:
    filled, splits = examples.filled_order()
    canceled, canceled_splits = examples.canceled_order()
    splits_page = SplitsPage.of(splits[:3], limit=2, splits_total=filled.splits_total)
    events_page = EventsPage.of(examples.events(), limit=2, stream_id=examples.EXAMPLE_STREAM_ID)
    canceled_orders = CanceledOrders(
        symbol=examples.EXAMPLE_SYMBOL, canceled_total=1, orders=[OrderSummary.of(canceled)]
    )
    return {
        ("placeLimitOrder", "200"): {
            "Fulfilled in several splits": OrderAnswer.of(filled, splits),
            "Its time ran out": OrderAnswer.of(*examples.expired_order()),
        },
        ("placeLimitOrder", "202"): {
            "Accepted, not finished": OrderAnswer.of(*examples.open_order())
        },
        ("showOrder", "200"): _detail_examples(),
        ("listSplits", "200"): {"A page of two": splits_page},
        ("listEvents", "200"): {"A page of two": events_page},
        ("listOrders", "200"): {
            "A page of one, with more to come": OrdersPage.of([filled, filled], limit=1)
        },
        ("cancelOrder", "200"): {"Canceled after one split": Order.of(canceled, canceled_splits)},
        ("cancelOrders", "200"): {"One was open": canceled_orders},
    }


def _detail_examples() -> dict[str, ResponseModel]:
    resting, resting_splits = examples.open_order()
    filled, splits = examples.filled_order()
    unfillable, _ = examples.unfillable_order()
    market = Market.of(
        resting.order,
        MarketView(
            quote=examples.EXAMPLE_QUOTE, taken_quantity=examples.EXAMPLE_QUOTE.bid_quantity
        ),
        examples.EXAMPLE_FEED,
        is_settled=True,
        now_ns=examples.EXAMPLE_QUOTE_AGE_NS,
    )
    execution = Execution.of(filled, first_split=splits[0], last_split=splits[-1])
    no_fill = Execution.of(unfillable, first_split=None, last_split=None)
    return {
        "Still open": OrderDetail.of(resting, resting_splits, market=market),
        "Fulfilled": OrderDetail.of(filled, splits, execution=execution),
        "FOK, and the quote had not all of it": OrderDetail.of(unfillable, [], execution=no_fill),
    }


def _service_examples() -> _Examples:
    symbol = Symbol.of(
        examples.EXAMPLE_RULES,
        is_subscribed=True,
        quote=examples.EXAMPLE_QUOTE,
        rules_state=examples.EXAMPLE_RULES_STATE,
        feed=examples.EXAMPLE_FEED,
        instant=examples.EXAMPLE_STATE.instant,
    )
    text = write_metrics(examples.EXAMPLE_STATE, version="0.1.0").decode()
    return {
        ("showSymbol", "200"): {"With a current quote": symbol},
        ("healthz", "200"): {"Alive": Health(status="ok", version="0.1.0")},
        ("readyz", "200"): {
            "Ready": _readiness(is_writable=True),
            "No key": ReadyAlone(ready=True),
        },
        # Without the figures of the process, which differ by machine.
        ("metrics", "200"): {"A connected service": text.partition("# HELP process_")[0]},
    }


def _json_of(answer: ResponseModel | str) -> Any:  # noqa: ANN401 - any JSON value
    return answer if isinstance(answer, str) else answer.model_dump(mode="json")
