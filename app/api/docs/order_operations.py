"""What the routes of orders take, answer and refuse, in words."""

from decimal import Decimal
from http import HTTPStatus
from typing import Final

from app.api.docs import examples
from app.api.docs.openapi import Answer, Example, Operation, Parameter
from app.api.fields import SYMBOL_FORM
from app.api.orders import insight_shapes, request_shapes, shapes
from app.api.orders.order_headers import (
    CLIENT_ORDER_ID_FORM,
    IDEMPOTENCY_HEADER,
    IDEMPOTENCY_KEY_FORM,
)
from app.api.orders.order_models import order_answer, orders_page, splits_page
from app.api.orders.order_query import (
    ORDERS_PER_PAGE_DEFAULT,
    PAGE_LIMIT_MAX,
    SPLITS_PER_PAGE_DEFAULT,
)
from app.api.problems import (
    BodyTooLargeError,
    BodyTooSlowError,
    ForeignOriginError,
    InternalError,
    StoppingError,
    UnknownHostError,
)
from app.domain.access import Scope
from app.domain.errors import (
    ClientOrderIdReusedError,
    DatabaseUnavailableError,
    FieldProblem,
    InvalidOrderError,
    InvalidQueryError,
    JournalBacklogError,
    JournalUnavailableError,
    MalformedRequestError,
    OrderNotFoundError,
    OrderPrunedError,
    OutcomeUnknownError,
    PapertapeError,
    RulesNotLoadedError,
    TooManyOrdersError,
    UnknownSymbolError,
)
from app.domain.order import OrderStatus
from app.domain.rules import order_problems

EVERYWHERE: Final = (UnknownHostError(), StoppingError(), InternalError())
CHANGING: Final = (ForeignOriginError(), *EVERYWHERE)
UNKNOWN_PARAMETER: Final = InvalidQueryError(
    [FieldProblem(field="verbose", code="unknown_field", message="is not known")]
)
NO_SUCH_ORDER: Final = OrderNotFoundError(examples.EXAMPLE_ORDER_ID)
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
ORDER_ID: Final = Parameter(
    name="order_id",
    place="path",
    description="The order's id, as the answer to placing it tells.",
    schema={"type": "string", "format": "uuid"},
    example=examples.EXAMPLE_ORDER_ID,
)
_PREFER: Final = Parameter(
    name="Prefer",
    place="header",
    description="`respond-async`: answer 202 as soon as the order is durable. `wait=N`: wait at "
    "most N seconds for its end, then 202. RFC 7240.",
    schema={"type": "string"},
)
_IDEMPOTENCY_KEY: Final = Parameter(
    name=IDEMPOTENCY_HEADER,
    place="header",
    description="The same as `client_order_id`; it may stand in quotes. If both are given, they "
    "must be equal.",
    schema={"type": "string", "pattern": IDEMPOTENCY_KEY_FORM},
)
_ORDER_LINKS: Final = ("showOrder", "cancelOrder", "listSplits", "listEvents")
CURSOR: Final = Parameter(
    name="cursor",
    place="query",
    description="`next_cursor` of the page before, such as `bzQy`; without it, the first page.",
    schema={"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
)


def order_operations() -> tuple[Operation, ...]:
    """Return what can be done with orders."""
    return (_place(), _show_order(), _list_splits(), _list_orders())


def _place() -> Operation:
    return Operation(
        operation_id="placeLimitOrder",
        method="POST",
        path="/order/limit",
        scope=Scope.ORDERS_WRITE,
        tag="Orders",
        summary="Place a limit order, and wait for its end or not",
        description="Answers when the order is finished: fulfilled, or its time is up; or earlier, "
        "with 202, if `Prefer` says so. An order with a `client_order_id` can be sent again "
        "without being placed twice: after a lost connection or a 503, send the same again. The "
        "body is read as JSON whatever its content type says, so a plain `curl --data '{…}'` "
        "works. Whoever stops waiting does not disturb the order: `GET /orders` finds it.\n\nThe "
        "example sells 1,000 LTC at 0.0001 BTC or better. That is far below the market, so it "
        "takes the best bid of quote after quote, each at the price displayed, until 1,000 are "
        "sold or its time is up. With side `BUY` the same price is never reached, and the answer "
        "is `Order not fulfilled`.",
        parameters=(_PREFER, _IDEMPOTENCY_KEY),
        body=request_shapes.LimitOrderRequest,
        body_description="Required: `symbol`, `order_size`, `price`. Optional: `side`, "
        "`time_in_force`, `timeout_seconds`, `client_order_id`. **Schema** below tells each one's "
        "meaning, unit, range and default. Any other field is refused.",
        body_examples=(
            Example(
                name="sell",
                summary="Sell 1,000 LTC at 0.0001 BTC or better",
                value=examples.EXAMPLE_BODY,
            ),
            Example(
                name="buy",
                summary="Buy 100 LTC at 0.0026 BTC or better within 5 seconds, amounts as strings",
                value={
                    "symbol": "LTCBTC",
                    "order_size": "100",
                    "price": "0.0026",
                    "side": "BUY",
                    "time_in_force": "GTD",
                    "timeout_seconds": 5,
                },
            ),
        ),
        answers=_place_answers(),
        errors=_place_errors(),
    )


def _place_answers() -> tuple[Answer, ...]:
    return (
        Answer(
            status=HTTPStatus.OK,
            description="The order is finished; `status` says whether it was fulfilled.",
            model=shapes.OrderAnswer,
            examples=(
                Example(
                    name="fulfilled",
                    summary="Fulfilled in several splits",
                    value=order_answer(*examples.filled_order()),
                ),
                Example(
                    name="not_fulfilled",
                    summary="Its time ran out",
                    value=order_answer(*examples.expired_order()),
                ),
            ),
            headers=("Link", "Preference-Applied", "Idempotent-Replayed"),
            order_links=_ORDER_LINKS,
        ),
        Answer(
            status=HTTPStatus.ACCEPTED,
            description="The order is durable and goes on: `Prefer` asked for an early answer, or "
            "the longest time to wait is over, or the service stops. Read it at `Location`.",
            model=shapes.OrderAnswer,
            examples=(
                Example(
                    name="not_finished",
                    summary="Accepted, not finished",
                    value=order_answer(*examples.open_order()),
                ),
            ),
            headers=("Location", "Link", "Preference-Applied", "Idempotent-Replayed"),
            order_links=_ORDER_LINKS,
        ),
    )


def _place_errors() -> tuple[PapertapeError, ...]:
    return (
        MalformedRequestError("the body is not JSON at line 1 column 12"),
        BodyTooSlowError(),
        BodyTooLargeError(16_384),
        InvalidOrderError(_BELOW_TICK),
        InvalidOrderError(_BAD_FIELDS),
        InvalidOrderError([_UNKNOWN_SYMBOL]),
        ClientOrderIdReusedError(examples.EXAMPLE_ORDER_ID),
        OrderPrunedError(examples.EXAMPLE_ORDER_ID),
        UNKNOWN_PARAMETER,
        TooManyOrdersError(200_000),
        RulesNotLoadedError(),
        JournalUnavailableError(),
        JournalBacklogError(),
        OutcomeUnknownError(examples.EXAMPLE_ORDER_ID),
        *CHANGING,
    )


def _show_order() -> Operation:
    return Operation(
        operation_id="showOrder",
        method="GET",
        path="/order/{order_id}",
        scope=Scope.ORDERS_READ,
        tag="Orders",
        summary="Read one order",
        description="The order as far as it is durable, with its first 1,000 splits. `market` says "
        "why an open one is not filled, `execution` how well a closed one was.",
        parameters=(ORDER_ID,),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The order.",
                model=insight_shapes.OrderDetail,
                examples=(
                    Example(name="open", summary="Still open", value=examples.open_order_detail()),
                    Example(
                        name="fulfilled",
                        summary="Fulfilled",
                        value=examples.filled_order_detail(),
                    ),
                    Example(
                        name="unfillable",
                        summary="FOK, and the quote had not all of it",
                        value=examples.unfillable_order_detail(),
                    ),
                ),
                headers=("Link",),
            ),
        ),
        errors=(NO_SUCH_ORDER, UNKNOWN_PARAMETER, DatabaseUnavailableError(), *EVERYWHERE),
    )


def _list_splits() -> Operation:
    snapshot, splits = examples.filled_order()
    page = splits_page(splits[:3], limit=2, splits_total=snapshot.splits_total)
    return Operation(
        operation_id="listSplits",
        method="GET",
        path="/order/{order_id}/splits",
        scope=Scope.ORDERS_READ,
        tag="Orders",
        summary="Read an order's splits, page by page",
        description="In the order in which they were filled.",
        parameters=(ORDER_ID, page_limit(SPLITS_PER_PAGE_DEFAULT), CURSOR),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="A page of splits.",
                model=shapes.SplitsPage,
                examples=(Example(name="page", summary="A page of two", value=page),),
            ),
        ),
        errors=(
            NO_SUCH_ORDER,
            bad_parameter("cursor"),
            DatabaseUnavailableError(),
            *EVERYWHERE,
        ),
    )


def _list_orders() -> Operation:
    snapshot, _ = examples.filled_order()
    return Operation(
        operation_id="listOrders",
        method="GET",
        path="/orders",
        scope=Scope.ORDERS_READ,
        tag="Orders",
        summary="Find orders, the newest first",
        description="All orders, or those of one symbol or one status, without their splits. A "
        "cursor stays good: orders placed meanwhile do not move its page.",
        parameters=(
            Parameter(
                name="symbol",
                place="query",
                description="Only orders of this trading pair, such as `LTCBTC`.",
                schema={"type": "string", "pattern": SYMBOL_FORM},
            ),
            Parameter(
                name="status",
                place="query",
                description="Only orders that have this status now, such as `FILLED`.",
                schema={"type": "string", "enum": list(OrderStatus)},
            ),
            Parameter(
                name="client_order_id",
                place="query",
                description="Only the order that was placed with this name.",
                schema={"type": "string", "pattern": CLIENT_ORDER_ID_FORM},
            ),
            page_limit(ORDERS_PER_PAGE_DEFAULT),
            CURSOR,
        ),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="A page of orders.",
                model=shapes.OrdersPage,
                examples=(
                    Example(
                        name="page",
                        summary="A page of one, with more to come",
                        value=orders_page([snapshot, snapshot], limit=1),
                    ),
                ),
            ),
        ),
        errors=(
            bad_parameter("limit"),
            DatabaseUnavailableError(),
            *EVERYWHERE,
        ),
    )


def page_limit(default: int) -> Parameter:
    """Return the parameter that says how long a page may be."""
    return Parameter(
        name="limit",
        place="query",
        description=f"How many entries the page may have, from 1 to {PAGE_LIMIT_MAX}.",
        schema={"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": default},
        example=default,
    )


def bad_parameter(name: str) -> PapertapeError:
    """Return an error about a parameter that many routes have."""
    messages = {
        "limit": ("out_of_range", f"must be a whole number from 1 to {PAGE_LIMIT_MAX}"),
        "cursor": ("invalid_cursor", "must be the next_cursor of a page of this listing"),
    }
    code, message = messages[name]
    return InvalidQueryError([FieldProblem(field=name, code=code, message=message)])
