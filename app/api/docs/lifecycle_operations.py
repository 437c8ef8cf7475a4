"""What can be done with an order after it was placed, in words."""

from http import HTTPStatus

from app.api.docs import examples
from app.api.docs.openapi import Answer, Example, Operation, Parameter
from app.api.docs.order_operations import (
    CHANGING,
    CURSOR,
    EVERYWHERE,
    NO_SUCH_ORDER,
    ORDER_ID,
    UNKNOWN_PARAMETER,
    bad_parameter,
    page_limit,
)
from app.api.fields import SYMBOL_FORM
from app.api.orders import shapes
from app.api.orders.order_models import canceled_orders, order_summary, order_view
from app.api.orders.order_query import EVENTS_PER_PAGE_DEFAULT
from app.api.problems import OrderClosedError
from app.api.stream import message_shapes
from app.api.stream.event_models import events_page
from app.domain.access import Scope
from app.domain.errors import (
    DatabaseUnavailableError,
    FieldProblem,
    InvalidQueryError,
    JournalUnavailableError,
    OutcomeUnknownError,
)


def lifecycle_operations() -> tuple[Operation, ...]:
    """Return what can be done with orders that are there."""
    return (_cancel(), _cancel_all(), _list_events())


def _cancel() -> Operation:
    return Operation(
        operation_id="cancelOrder",
        method="DELETE",
        path="/order/{order_id}",
        scope=Scope.ORDERS_WRITE,
        tag="Orders",
        summary="Cancel an order",
        description="Answers once the cancel is durable, with what was filled until then; the same "
        "again when it is repeated. An order that was filled or expired before is told with 409.",
        parameters=(ORDER_ID,),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The order is canceled.",
                model=shapes.Order,
                examples=(
                    Example(
                        name="canceled",
                        summary="Canceled after one split",
                        value=order_view(*examples.canceled_order()),
                    ),
                ),
                headers=("Link",),
            ),
        ),
        errors=(
            NO_SUCH_ORDER,
            OrderClosedError(*examples.filled_order()),
            UNKNOWN_PARAMETER,
            JournalUnavailableError(),
            OutcomeUnknownError(examples.EXAMPLE_ORDER_ID, doing="canceled"),
            DatabaseUnavailableError(),
            *CHANGING,
        ),
    )


def _cancel_all() -> Operation:
    snapshot, _ = examples.canceled_order()
    missing = FieldProblem(field="symbol", code="required", message="is missing")
    return Operation(
        operation_id="cancelOrders",
        method="DELETE",
        path="/orders",
        scope=Scope.ORDERS_WRITE,
        tag="Orders",
        summary="Cancel all open orders of a symbol",
        description="Answers once every cancel is durable. Which orders are open is settled when "
        "the request is served: those placed later stay.",
        parameters=(
            Parameter(
                name="symbol",
                place="query",
                description="Trading pair, such as `LTCBTC`.",
                schema={"type": "string", "pattern": SYMBOL_FORM},
                example=examples.EXAMPLE_SYMBOL,
                is_required=True,
            ),
        ),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="The orders that were canceled, none perhaps.",
                model=shapes.CanceledOrders,
                examples=(
                    Example(
                        name="one",
                        summary="One was open",
                        value=canceled_orders(
                            examples.EXAMPLE_SYMBOL, 1, [order_summary(snapshot)]
                        ),
                    ),
                ),
            ),
        ),
        errors=(
            InvalidQueryError([missing]),
            JournalUnavailableError(),
            OutcomeUnknownError(None, doing="canceled"),
            DatabaseUnavailableError(),
            *CHANGING,
        ),
    )


def _list_events() -> Operation:
    page = events_page(examples.events(), limit=2, stream_id=examples.EXAMPLE_STREAM_ID)
    return Operation(
        operation_id="listEvents",
        method="GET",
        path="/order/{order_id}/events",
        scope=Scope.ORDERS_READ,
        tag="Orders",
        summary="Read what happened to an order, page by page",
        description="The same events as `/ws/orders` tells, by `sequence`.",
        parameters=(ORDER_ID, page_limit(EVENTS_PER_PAGE_DEFAULT), CURSOR),
        answers=(
            Answer(
                status=HTTPStatus.OK,
                description="A page of events.",
                model=message_shapes.EventsPage,
                examples=(Example(name="page", summary="A page of two", value=page),),
            ),
        ),
        errors=(NO_SUCH_ORDER, bad_parameter("cursor"), DatabaseUnavailableError(), *EVERYWHERE),
    )
