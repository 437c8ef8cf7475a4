"""The routes that read orders back, and those that cancel them."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.authorization import caller_of
from app.api.cursors import Cursor
from app.api.fields import is_order_id
from app.api.orders.order_detail import execution_view, market_view
from app.api.orders.order_models import (
    canceled_orders,
    json_response,
    order_summary,
    order_view,
    orders_page,
    splits_page,
)
from app.api.orders.order_query import (
    EVENTS_PER_PAGE_DEFAULT,
    ORDERS_PER_PAGE_DEFAULT,
    PAGE_LIMIT_MAX,
    SPLITS_PER_PAGE_DEFAULT,
    QueryForm,
    refuse_query,
)
from app.api.orders.stored_orders import StoredOrderReader, rest_of_splits
from app.api.problems import MethodNotAllowedError, OrderClosedError
from app.api.services import ApiServices
from app.api.stream.event_models import events_page
from app.domain.errors import JournalUnavailableError, OrderNotFoundError
from app.domain.order import OrderId, OrderSnapshot, OrderStatus
from app.ports import OrderQuery

ORDERS_QUERY: Final = ("symbol", "status", "limit", "cursor", "client_order_id")
PAGE_QUERY: Final = ("limit", "cursor")
CANCEL_ALL_QUERY: Final = ("symbol",)

SETTLE_SECONDS_MAX: Final = 1.0
"""How long a look at the market waits for what the fills in it are to be durable."""

_LIMIT_ORDER = "limit"


class OrderRoutes:
    """Handlers for everything below ``/order`` and ``/orders`` but placing one."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._stored = StoredOrderReader(services.orders)

    async def show(self, request: Request) -> Response:
        """Answer one order with its splits, and why it is not filled or how well it was."""
        order_id = _order_id(request)
        refuse_query(request)
        owner = caller_of(request).owner
        snapshot, splits = await self._stored.find(owner, order_id)
        market = execution = None
        if snapshot.status.is_terminal:
            last_split = await self._stored.last_split(snapshot, splits)
            first_split = splits[0] if splits else None
            execution = execution_view(snapshot, first_split=first_split, last_split=last_split)
        else:
            market = await self._market(snapshot)
        view = order_view(snapshot, splits) | {"market": market, "execution": execution}
        return json_response(view, headers=rest_of_splits(snapshot, splits))

    async def list_splits(self, request: Request) -> Response:
        """Answer a page of an order's splits, the first ones first."""
        order_id = _order_id(request)
        form = QueryForm(request, PAGE_QUERY)
        limit = form.limit(SPLITS_PER_PAGE_DEFAULT)
        after = form.position(Cursor.SPLITS)
        form.done()
        snapshot = await self._find(request, order_id)
        splits = await self._services.orders.list_splits(
            order_id, after=after or 0, limit=limit + 1
        )
        return json_response(splits_page(splits, limit=limit, splits_total=snapshot.splits_total))

    async def list_events(self, request: Request) -> Response:
        """Answer a page of what happened to an order, the first events first."""
        order_id = _order_id(request)
        form = QueryForm(request, PAGE_QUERY)
        limit = form.limit(EVENTS_PER_PAGE_DEFAULT)
        after = form.position(Cursor.EVENTS)
        form.done()
        await self._find(request, order_id)
        events = self._services.events
        found = await events.list_order_events(order_id, after=after or 0, limit=limit + 1)
        return json_response(events_page(found, limit=limit, stream_id=events.stream_id))

    async def list_orders(self, request: Request) -> Response:
        """Answer a page of orders, the newest first."""
        form = QueryForm(request, ORDERS_QUERY)
        symbol, status = form.symbol(), form.status()
        client_order_id = form.client_order_id()
        limit = form.limit(ORDERS_PER_PAGE_DEFAULT)
        before = form.position(Cursor.ORDERS)
        form.done()
        snapshots = await self._services.orders.list_orders(
            OrderQuery(
                owner=caller_of(request).owner,
                symbol=symbol,
                status=status,
                client_order_id=client_order_id,
                before=before,
                limit=limit + 1,
            )
        )
        return json_response(orders_page(snapshots, limit=limit))

    async def cancel(self, request: Request) -> Response:
        """Cancel an order, and answer what became of it once that is durable."""
        order_id = _order_id(request)
        refuse_query(request)
        snapshot = await self._find(request, order_id)
        if not snapshot.status.is_terminal:
            await self._services.desk.cancel(snapshot.order)
        snapshot, splits = await self._stored.find(snapshot.order.owner, order_id)
        if snapshot.status is OrderStatus.CANCELED:
            return json_response(
                order_view(snapshot, splits), headers=rest_of_splits(snapshot, splits)
            )
        if not snapshot.status.is_terminal:
            raise JournalUnavailableError  # the cancel could not be stored, and was taken back
        raise OrderClosedError(snapshot, splits)

    async def cancel_all(self, request: Request) -> Response:
        """Cancel a symbol's open orders, and answer which once that is durable."""
        form = QueryForm(request, CANCEL_ALL_QUERY)
        form.require("symbol")
        symbol = form.symbol()
        form.done()
        assert symbol is not None, "it was required"
        owner = caller_of(request).owner
        asked = await self._services.desk.cancel_all(owner, symbol)
        canceled_total, summaries = 0, list[dict[str, object]]()
        for start in range(0, len(asked), PAGE_LIMIT_MAX):
            page = asked[start : start + PAGE_LIMIT_MAX]
            stored = await self._services.orders.find_many(owner, page)
            canceled = [one for one in stored if one.status is OrderStatus.CANCELED]
            canceled_total += len(canceled)
            if not start:
                summaries = [order_summary(snapshot) for snapshot in canceled]
        return json_response(canceled_orders(symbol, canceled_total, summaries))

    async def _find(self, request: Request, order_id: OrderId) -> OrderSnapshot:
        snapshot = await self._services.orders.find(caller_of(request).owner, order_id)
        if snapshot is None:
            raise OrderNotFoundError(order_id)
        return snapshot

    async def _market(self, snapshot: OrderSnapshot) -> dict[str, object]:
        """Return what keeps an open order from being filled.

        What was taken may hold fills that are not durable yet; nothing is told of them before they
        are, so what is queued by now is awaited, and where that fails the quantity is left out.
        """
        services = self._services
        order = snapshot.order
        view = services.desk.market_view(order.symbol, order.owner, order.side)
        return market_view(
            order,
            view,
            services.feed.state(),
            is_settled=await self._has_settled(),
            now_ns=services.clock.monotonic_ns(),
        )

    async def _has_settled(self) -> bool:
        """Wait for what is queued to be durable; False where that takes too long."""
        journal = self._services.journal
        if not journal.is_writable:
            return False
        try:
            async with asyncio.timeout(SETTLE_SECONDS_MAX):
                await journal.settle()
        except (TimeoutError, JournalUnavailableError):
            return False
        return True


def _order_id(request: Request) -> OrderId:
    text = request.path_params["order_id"].lower()
    if text == _LIMIT_ORDER:  # the path of placing an order, called with another method
        raise MethodNotAllowedError(["POST"])
    order_id = OrderId(text)
    if not is_order_id(text):
        raise OrderNotFoundError(order_id)
    return order_id
