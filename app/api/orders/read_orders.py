"""The routes that read orders: one, a listing, the splits and events of one."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.dependencies import OrderIdOfPath, ReadingCaller, Services
from app.api.orders.order_detail import Execution, Market, OrderDetail
from app.api.orders.order_models import OrdersPage, SplitsPage
from app.api.orders.stored_orders import (
    find_last_split,
    find_order,
    find_with_splits,
    rest_of_splits,
)
from app.api.problem_models import KEYED, header_docs, problem_responses
from app.api.query_parameters import (
    EventsParameters,
    NoParameters,
    OrdersParameters,
    SplitsParameters,
    read_parameters,
)
from app.api.services import ApiServices
from app.api.stream.event_models import EventsPage
from app.domain import errors
from app.domain.order import OrderSnapshot
from app.ports import OrderQuery

SETTLE_SECONDS_MAX: Final = 1.0
"""How long a look at the market waits until the fills in it are durable."""

router = APIRouter(tags=["Orders"])
_LISTING: Final = problem_responses(
    errors.InvalidQueryError, errors.DatabaseUnavailableError, *KEYED
)
_OF_ONE_ORDER: Final = problem_responses(
    errors.OrderNotFoundError, errors.InvalidQueryError, errors.DatabaseUnavailableError, *KEYED
)


@router.get(
    "/order/{order_id}",
    operation_id="showOrder",
    summary="Read one order",
    response_description="The order.",
    responses={HTTPStatus.OK.value: {"headers": header_docs("Link")}, **_OF_ONE_ORDER},
)
async def show_order(
    caller: ReadingCaller,
    order_id: OrderIdOfPath,
    _no_parameters: NoParameters,
    services: Services,
    response: Response,
) -> OrderDetail:
    """Read an order as far as it is durable, with its first 1,000 splits.

    `market` says why an open one is not filled, `execution` how well a closed one was.
    """
    snapshot, splits = await find_with_splits(services.orders, caller.owner, order_id)
    response.headers.update(rest_of_splits(snapshot, splits))
    if not snapshot.status.is_terminal:
        market = await _market(services, snapshot)
        return OrderDetail.of(snapshot, splits, market=market)
    last_split = await find_last_split(services.orders, snapshot, splits)
    execution = Execution.of(
        snapshot, first_split=splits[0] if splits else None, last_split=last_split
    )
    return OrderDetail.of(snapshot, splits, execution=execution)


@router.get(
    "/order/{order_id}/splits",
    operation_id="listSplits",
    summary="Read an order's splits, page by page",
    response_description="A page of splits.",
    responses=_OF_ONE_ORDER,
)
async def list_splits(
    caller: ReadingCaller,
    order_id: OrderIdOfPath,
    parameters: Annotated[SplitsParameters, Depends(read_parameters(SplitsParameters))],
    services: Services,
) -> SplitsPage:
    """Read an order's splits in the order in which they were filled."""
    snapshot = await find_order(services.orders, caller.owner, order_id)
    splits = await services.orders.list_splits(
        order_id, after=parameters.cursor or 0, limit=parameters.limit + 1
    )
    return SplitsPage.of(splits, limit=parameters.limit, splits_total=snapshot.splits_total)


@router.get(
    "/order/{order_id}/events",
    operation_id="listEvents",
    summary="Read an order's events, page by page",
    response_description="A page of events.",
    responses=_OF_ONE_ORDER,
)
async def list_events(
    caller: ReadingCaller,
    order_id: OrderIdOfPath,
    parameters: Annotated[EventsParameters, Depends(read_parameters(EventsParameters))],
    services: Services,
) -> EventsPage:
    """Read an order's events by `sequence`, the same as `/ws/orders` sends."""
    await find_order(services.orders, caller.owner, order_id)
    events = services.events
    found = await events.list_order_events(
        order_id, after=parameters.cursor or 0, limit=parameters.limit + 1
    )
    return EventsPage.of(found, limit=parameters.limit, stream_id=events.stream_id)


@router.get(
    "/orders",
    operation_id="listOrders",
    summary="Find orders, the newest first",
    response_description="A page of orders.",
    responses=_LISTING,
)
async def list_orders(
    caller: ReadingCaller,
    parameters: Annotated[OrdersParameters, Depends(read_parameters(OrdersParameters))],
    services: Services,
) -> OrdersPage:
    """Read all orders, or the orders of one symbol or status, without their splits.

    A cursor stays good: orders placed meanwhile do not move its page.
    """
    snapshots = await services.orders.list_orders(
        OrderQuery(
            owner=caller.owner,
            symbol=parameters.symbol,
            status=parameters.status,
            client_order_id=parameters.client_order_id,
            before=parameters.cursor,
            limit=parameters.limit + 1,
        )
    )
    return OrdersPage.of(snapshots, limit=parameters.limit)


async def _market(services: ApiServices, snapshot: OrderSnapshot) -> Market:
    """Return the market of an open order.

    The quantity taken may hold fills that are not durable yet, and nothing is shown of a fill
    before it is. So everything queued by now is awaited; where that fails, the quantity is omitted.
    """
    order = snapshot.order
    view = services.desk.market_view(order.symbol, order.owner, order.side)
    return Market.of(
        order,
        view,
        services.feed.state(),
        is_settled=await _has_settled(services),
        now_ns=services.clock.monotonic_ns(),
    )


async def _has_settled(services: ApiServices) -> bool:
    """Wait until everything queued is durable; return False where that takes too long."""
    journal = services.journal
    if not journal.is_writable:
        return False
    try:
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            await journal.settle()
    except (TimeoutError, errors.JournalUnavailableError):
        return False
    return True
