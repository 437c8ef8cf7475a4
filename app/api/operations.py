"""What each route takes, answers and refuses, in words: the source of the OpenAPI document."""

from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Final

from app.api import examples, shapes
from app.api.answers import (
    order_answer,
    order_view,
    orders_page,
    readiness_view,
    splits_page,
    symbol_view,
)
from app.api.body import BODY_BYTES_MAX
from app.api.errors import (
    BodyTooLargeError,
    ForeignOriginError,
    InternalError,
    NotReadyError,
    NotSupportedError,
    UnknownHostError,
)
from app.api.fields import NOT_SUPPORTED
from app.api.openapi import Answer, Example, Operation, Parameter
from app.api.query import (
    ORDERS_PER_PAGE_DEFAULT,
    PAGE_LIMIT_MAX,
    SPLITS_PER_PAGE_DEFAULT,
)
from app.domain.errors import (
    FieldProblem,
    InvalidOrderError,
    InvalidQueryError,
    JournalBacklogError,
    JournalUnavailableError,
    MalformedRequestError,
    OrderNotFoundError,
    OutcomeUnknownError,
    PapertapeError,
    RulesNotLoadedError,
    TooManyOrdersError,
    UnknownSymbolError,
)
from app.domain.order import OrderStatus
from app.domain.rules import order_problems

DESCRIPTION: Final = """\
Papertape fulfills limit orders against Binance's live best bid and ask **without placing them**. \
Post an order; the answer comes when it is finished, with a record of how it was split.

**Side.** A `BUY` takes from the best ask, a `SELL` from the best bid.

**Price test.** `price` is a limit. A BUY fills while the best ask is at or below it, a SELL \
while the best bid is at or above it, always at the price displayed, which is never worse than \
the limit.

**Partial fills.** An order fills with what the venue really displays, and what an order took \
stays taken: the same displayed quantity is never sold twice. What is not filled by `expires_at` \
expires; what was filled until then stays on record. An unfulfilled order is not an error.

**Splits.** Each quote that fills a part of an order is one entry of `splits`. An order larger \
than what is displayed needs several quotes, hence several splits; they sum exactly to \
`filled_quantity`.

Amounts are strings in plain decimal notation. Errors are `application/problem+json` (RFC 9457): \
rely on `code`, not on texts. A path that is not listed here answers 404, a method that is not \
listed 405 with `Allow`."""

TAGS: Final = (
    {"name": "Orders", "description": "Place an order, read it back."},
    {"name": "Symbols", "description": "What the venue allows and shows."},
    {"name": "Service", "description": "Probes for whoever watches the service."},
)

_EVERYWHERE: Final = (UnknownHostError(), InternalError())
_CHANGING: Final = (ForeignOriginError(), *_EVERYWHERE)
_UNKNOWN_PARAMETER: Final = InvalidQueryError(
    [FieldProblem(field="verbose", code="unknown_field", message="is not known")]
)
_NO_SUCH_ORDER: Final = OrderNotFoundError(examples.EXAMPLE_ORDER_ID)
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
_UNSUPPORTED: Final = FieldProblem(
    field="client_order_id", code=NOT_SUPPORTED, message="is not supported yet; leave it out"
)

_ORDER_ID: Final = Parameter(
    name="order_id",
    place="path",
    description="The order's id, as the answer to placing it tells.",
    schema={"type": "string", "format": "uuid"},
    example=examples.EXAMPLE_ORDER_ID,
)
_CURSOR: Final = Parameter(
    name="cursor",
    place="query",
    description="`next_cursor` of the page before, such as `bzQy`; without it, the first page.",
    schema={"type": "string"},
)


def operations() -> tuple[Operation, ...]:
    """Return every route that the documentation lists."""
    return (
        _place(),
        _show_order(),
        _list_splits(),
        _list_orders(),
        _show_symbol(),
        _healthz(),
        _readyz(),
    )


def _place() -> Operation:
    return Operation(
        operation_id="placeLimitOrder",
        method="POST",
        path="/order/limit",
        tag="Orders",
        summary="Place a limit order and wait for its end",
        description="Answers when the order is finished: fulfilled, or its time is up. The body is "
        "read as JSON whatever its content type says, so a plain `curl --data '{…}'` works. At "
        f"most {BODY_BYTES_MAX:,} bytes. Whoever stops waiting does not disturb the order: "
        "`GET /orders` finds it.\n\nThe example sells 1,000 LTC at 0.0001 BTC or better. That is "
        "far below the market, so it takes the best bid of quote after quote, each at the price "
        "displayed, until 1,000 are sold or 30 seconds are over. With side `BUY` the same price is "
        "never reached, and the answer is `Order not fulfilled`.",
        body=shapes.LimitOrderRequest,
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
        answers=(
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
                headers=("Link",),
            ),
            Answer(
                status=HTTPStatus.ACCEPTED,
                description="The service stops before the order is finished. The order is durable "
                "and goes on when the service starts again; read it at `Location`.",
                model=shapes.OrderAnswer,
                examples=(
                    Example(
                        name="not_finished",
                        summary="Accepted, not finished",
                        value=order_answer(*examples.open_order()),
                    ),
                ),
                headers=("Location", "Link"),
            ),
        ),
        errors=(
            MalformedRequestError("the body is not JSON at line 1 column 12"),
            BodyTooLargeError(BODY_BYTES_MAX),
            InvalidOrderError(_BELOW_TICK),
            InvalidOrderError(_BAD_FIELDS),
            InvalidOrderError([_UNKNOWN_SYMBOL]),
            NotSupportedError([_UNSUPPORTED]),
            _UNKNOWN_PARAMETER,
            TooManyOrdersError(100_000),
            RulesNotLoadedError(),
            JournalUnavailableError(),
            JournalBacklogError(),
            OutcomeUnknownError(examples.EXAMPLE_ORDER_ID),
            *_CHANGING,
        ),
    )


def _show_order() -> Operation:
    return Operation(
        operation_id="showOrder",
        method="GET",
        path="/order/{order_id}",
        tag="Orders",
        summary="Read one order",
        description="The order as far as it is durable, with its first 1,000 splits.",
        parameters=(_ORDER_ID,),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The order.",
                model=shapes.Order,
                examples=(
                    Example(
                        name="open",
                        summary="Still open",
                        value=order_view(*examples.open_order()),
                    ),
                    Example(
                        name="fulfilled",
                        summary="Fulfilled",
                        value=order_view(*examples.filled_order()),
                    ),
                ),
                headers=("Link",),
            ),
        ),
        errors=(_NO_SUCH_ORDER, _UNKNOWN_PARAMETER, *_EVERYWHERE),
    )


def _list_splits() -> Operation:
    snapshot, splits = examples.filled_order()
    page = splits_page(splits[:3], limit=2, splits_total=snapshot.splits_total)
    return Operation(
        operation_id="listSplits",
        method="GET",
        path="/order/{order_id}/splits",
        tag="Orders",
        summary="Read an order's splits, page by page",
        description="In the order in which they were filled.",
        parameters=(_ORDER_ID, _limit(SPLITS_PER_PAGE_DEFAULT), _CURSOR),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="A page of splits.",
                model=shapes.SplitsPage,
                examples=(Example(name="page", summary="A page of two", value=page),),
            ),
        ),
        errors=(_NO_SUCH_ORDER, _bad_parameter("cursor"), *_EVERYWHERE),
    )


def _list_orders() -> Operation:
    snapshot, _ = examples.filled_order()
    return Operation(
        operation_id="listOrders",
        method="GET",
        path="/orders",
        tag="Orders",
        summary="Find orders, the newest first",
        description="All orders, or those of one symbol or one status, without their splits. A "
        "cursor stays good: orders placed meanwhile do not move its page.",
        parameters=(
            Parameter(
                name="symbol",
                place="query",
                description="Only orders of this trading pair, such as `LTCBTC`.",
                schema={"type": "string", "minLength": 1, "maxLength": 20},
            ),
            Parameter(
                name="status",
                place="query",
                description="Only orders that have this status now, such as `FILLED`.",
                schema={"type": "string", "enum": list(OrderStatus)},
            ),
            _limit(ORDERS_PER_PAGE_DEFAULT),
            _CURSOR,
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
        errors=(_bad_parameter("limit"), NotSupportedError([_UNSUPPORTED]), *_EVERYWHERE),
    )


def _show_symbol() -> Operation:
    view = symbol_view(
        examples.EXAMPLE_RULES,
        examples.EXAMPLE_QUOTE,
        examples.EXAMPLE_FEED,
        now_ns=examples.EXAMPLE_QUOTE_AGE_NS,
    )
    return Operation(
        operation_id="showSymbol",
        method="GET",
        path="/symbols/{symbol}",
        tag="Symbols",
        summary="Read a symbol's trading rules and current quote",
        description="It never subscribes: without an open order of the symbol there is no quote.",
        parameters=(
            Parameter(
                name="symbol",
                place="path",
                description="Trading pair; lower case is accepted.",
                schema={"type": "string"},
                example=examples.EXAMPLE_SYMBOL,
            ),
        ),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The symbol.",
                model=shapes.Symbol,
                examples=(Example(name="symbol", summary="With a current quote", value=view),),
            ),
        ),
        errors=(UnknownSymbolError(), _UNKNOWN_PARAMETER, RulesNotLoadedError(), *_EVERYWHERE),
    )


def _healthz() -> Operation:
    return Operation(
        operation_id="healthz",
        method="GET",
        path="/healthz",
        tag="Service",
        summary="Is the process alive",
        description="Answers under any host name.",
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="It is.",
                model=shapes.Health,
                examples=(
                    Example(name="ok", summary="Alive", value={"status": "ok", "version": "0.1.0"}),
                ),
            ),
        ),
        errors=(InternalError(),),
    )


def _readyz() -> Operation:
    return Operation(
        operation_id="readyz",
        method="GET",
        path="/readyz",
        tag="Service",
        summary="Can orders be accepted durably",
        description="Ready while the database takes writes, the open orders were read back and the "
        "trading rules were loaded once. The feed stands beside it: while the venue is out of "
        "reach, orders are accepted and wait. Answers under any host name.",
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="They can.",
                model=shapes.Readiness,
                examples=(Example(name="ready", summary="Ready", value=_readiness([])),),
            ),
        ),
        errors=(NotReadyError(["journal"], _readiness(["journal"])), InternalError()),
    )


def _limit(default: int) -> Parameter:
    return Parameter(
        name="limit",
        place="query",
        description="How many entries the page may have.",
        schema={"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": default},
        example=default,
    )


def _bad_parameter(name: str) -> PapertapeError:
    messages = {
        "limit": ("out_of_range", f"must be a whole number from 1 to {PAGE_LIMIT_MAX}"),
        "cursor": ("invalid_cursor", "must be the next_cursor of a page of this listing"),
    }
    code, message = messages[name]
    return InvalidQueryError([FieldProblem(field=name, code=code, message=message)])


def _readiness(missing: Sequence[str]) -> dict[str, object]:
    return readiness_view(
        missing=missing,
        is_writable="journal" not in missing,
        is_recovered=True,
        rules=examples.EXAMPLE_RULES_STATE,
        feed=examples.EXAMPLE_FEED,
    )
