"""The routes that cancel orders: one, or all open ones of a symbol."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.dependencies import OrderIdOfPath, Services, WritingCaller
from app.api.orders.order_models import CanceledOrders, Order, OrderSummary
from app.api.orders.stored_orders import find_order, find_with_splits, rest_of_splits
from app.api.problem_models import CHANGING, header_docs, problem_responses
from app.api.problems import OrderClosedError
from app.api.query_parameters import PAGE_LIMIT_MAX, NoParameters, SymbolParameters, read_parameters
from app.domain import errors
from app.domain.order import OrderStatus

router = APIRouter(tags=["Orders"])


@router.delete(
    "/order/{order_id}",
    operation_id="cancelOrder",
    summary="Cancel an order",
    response_description="The order is canceled.",
    responses={
        HTTPStatus.OK.value: {"headers": header_docs("Link")},
        **problem_responses(
            errors.OrderNotFoundError,
            OrderClosedError,
            errors.InvalidQueryError,
            errors.JournalUnavailableError,
            errors.OutcomeUnknownError,
            errors.DatabaseUnavailableError,
            *CHANGING,
        ),
    },
)
async def cancel_order(
    caller: WritingCaller,
    order_id: OrderIdOfPath,
    _no_parameters: NoParameters,
    services: Services,
    response: Response,
) -> Order:
    """Cancel an order; the answer comes once the cancel is durable, with the fills until then.

    A repeated cancel has the same answer. An order that was filled or expired before is answered
    with 409.
    """
    snapshot = await find_order(services.orders, caller.owner, order_id)
    if not snapshot.status.is_terminal:
        await services.desk.cancel(snapshot.order)
    snapshot, splits = await find_with_splits(services.orders, caller.owner, order_id)
    if snapshot.status is OrderStatus.CANCELED:
        response.headers.update(rest_of_splits(snapshot, splits))
        return Order.of(snapshot, splits)
    if not snapshot.status.is_terminal:
        raise errors.JournalUnavailableError  # the cancel could not be stored, and was taken back
    raise OrderClosedError(snapshot, splits)


@router.delete(
    "/orders",
    operation_id="cancelOrders",
    summary="Cancel all open orders of a symbol",
    response_description="The orders that were canceled; there may be none.",
    responses=problem_responses(
        errors.InvalidQueryError,
        errors.JournalUnavailableError,
        errors.OutcomeUnknownError,
        errors.DatabaseUnavailableError,
        *CHANGING,
    ),
)
async def cancel_orders(
    caller: WritingCaller,
    parameters: Annotated[SymbolParameters, Depends(read_parameters(SymbolParameters))],
    services: Services,
) -> CanceledOrders:
    """Cancel a symbol's open orders; the answer comes once every cancel is durable.

    The orders that are open when the request is served are canceled; later ones stay.
    """
    asked = await services.desk.cancel_all(caller.owner, parameters.symbol)
    canceled_total, summaries = 0, list[OrderSummary]()
    for start in range(0, len(asked), PAGE_LIMIT_MAX):
        page = asked[start : start + PAGE_LIMIT_MAX]
        stored = await services.orders.find_many(caller.owner, page)
        canceled = [one for one in stored if one.status is OrderStatus.CANCELED]
        canceled_total += len(canceled)
        if not start:  # the answer has room for the first page
            summaries = [OrderSummary.of(snapshot) for snapshot in canceled]
    return CanceledOrders(symbol=parameters.symbol, canceled_total=canceled_total, orders=summaries)
