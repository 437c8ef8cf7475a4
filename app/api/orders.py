"""The routes of orders: place one and wait for its end, read them back."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from app.api.admission import caller_of
from app.api.answers import (
    json_response,
    order_answer,
    order_view,
    orders_page,
    splits_page,
)
from app.api.body import read_body, read_json_object
from app.api.errors import MethodNotAllowedError
from app.api.order_form import IDEMPOTENCY_HEADER, read_new_order
from app.api.query import (
    ORDERS_PER_PAGE_DEFAULT,
    SPLITS_PER_PAGE_DEFAULT,
    Cursor,
    QueryForm,
    refuse_query,
    write_cursor,
)
from app.api.services import ApiOptions, ApiServices
from app.domain.errors import (
    FieldProblem,
    InvalidOrderError,
    OrderNotFoundError,
    UnknownSymbolError,
)
from app.domain.order import NewOrder, OrderId, OrderSnapshot, Owner, Split
from app.domain.rules import order_problems
from app.ports import SPLITS_PER_ANSWER_MAX, OrderQuery

ORDERS_QUERY: Final = ("symbol", "status", "limit", "cursor", "client_order_id")
SPLITS_QUERY: Final = ("limit", "cursor")

_ORDER_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LIMIT_ORDER = "limit"


class OrderRoutes:
    """Handlers for everything below ``/order`` and ``/orders``."""

    def __init__(self, services: ApiServices, options: ApiOptions) -> None:
        self._services = services
        self._options = options

    async def place(self, request: Request) -> Response:
        """Place an order and answer once its end is durable.

        A client that goes away while it waits leaves its order alone: nothing here ends with it.
        """
        new_order = await self._read_order(request)
        self._check_rules(new_order)
        order_id = self._services.ids.new_order_id()
        # The waiter comes first: an order may be filled before its acceptance is answered.
        with self._services.waiters.expect(order_id) as waiter:
            await self._services.desk.place(order_id, new_order)
            await waiter.wait()
        snapshot, splits = waiter.snapshot, waiter.splits[:SPLITS_PER_ANSWER_MAX]
        headers = _rest_of_splits(snapshot, splits)
        status = HTTPStatus.OK
        if not snapshot.status.is_terminal:
            # The service stops; the order goes on at its next start.
            status = HTTPStatus.ACCEPTED
            headers["Location"] = f"/order/{order_id}"
        return json_response(order_answer(snapshot, splits), status=status, headers=headers)

    async def show(self, request: Request) -> Response:
        """Answer one order with its splits."""
        order_id = _order_id(request)
        refuse_query(request)
        snapshot, splits = await self._find(caller_of(request).owner, order_id)
        return json_response(
            order_view(snapshot, splits), headers=_rest_of_splits(snapshot, splits)
        )

    async def list_splits(self, request: Request) -> Response:
        """Answer a page of an order's splits, the first ones first."""
        order_id = _order_id(request)
        form = QueryForm(request, SPLITS_QUERY)
        limit = form.limit(SPLITS_PER_PAGE_DEFAULT)
        after = form.position(Cursor.SPLITS)
        form.done()
        snapshot = await self._services.orders.find(caller_of(request).owner, order_id)
        if snapshot is None:
            raise OrderNotFoundError(order_id)
        splits = await self._services.orders.list_splits(
            order_id, after=after or 0, limit=limit + 1
        )
        return json_response(splits_page(splits, limit=limit, splits_total=snapshot.splits_total))

    async def list_orders(self, request: Request) -> Response:
        """Answer a page of orders, the newest first."""
        form = QueryForm(request, ORDERS_QUERY)
        form.refuse_unsupported("client_order_id")
        symbol, status = form.symbol(), form.status()
        limit = form.limit(ORDERS_PER_PAGE_DEFAULT)
        before = form.position(Cursor.ORDERS)
        form.done()
        snapshots = await self._services.orders.list_orders(
            OrderQuery(
                owner=caller_of(request).owner,
                symbol=symbol,
                status=status,
                before=before,
                limit=limit + 1,
            )
        )
        return json_response(orders_page(snapshots, limit=limit))

    async def _read_order(self, request: Request) -> NewOrder:
        refuse_query(request)
        return read_new_order(
            read_json_object(await read_body(request, bytes_max=self._options.body_bytes_max)),
            owner=caller_of(request).owner,
            has_idempotency_key=IDEMPOTENCY_HEADER in request.headers,
            timeout_seconds_default=self._options.order_timeout_seconds,
            timeout_seconds_max=self._options.timeout_seconds_max,
        )

    def _check_rules(self, new_order: NewOrder) -> None:
        rules = self._services.rules.find(new_order.symbol)
        if rules is None:
            unknown = UnknownSymbolError()
            problem = FieldProblem(field="symbol", code=unknown.code, message=str(unknown))
            raise InvalidOrderError([problem])
        problems = order_problems(
            rules, quantity=new_order.quantity, limit_price=new_order.limit_price
        )
        if problems:
            raise InvalidOrderError(problems)

    async def _find(self, owner: Owner, order_id: OrderId) -> tuple[OrderSnapshot, list[Split]]:
        snapshot = await self._services.orders.find(owner, order_id)
        if snapshot is None:
            raise OrderNotFoundError(order_id)
        # Not beyond what the order was when it was read: an open one may have more by now.
        limit = min(snapshot.splits_total, SPLITS_PER_ANSWER_MAX)
        if not limit:
            return snapshot, []
        splits = await self._services.orders.list_splits(order_id, after=0, limit=limit)
        return snapshot, splits


def _order_id(request: Request) -> OrderId:
    text = request.path_params["order_id"].lower()
    if text == _LIMIT_ORDER:  # the path of placing an order, called with another method
        raise MethodNotAllowedError(["POST"])
    order_id = OrderId(text)
    if not _ORDER_ID.fullmatch(text):
        raise OrderNotFoundError(order_id)
    return order_id


def _rest_of_splits(snapshot: OrderSnapshot, splits: Sequence[Split]) -> dict[str, str]:
    """Return the link to the splits that the answer has no room for (RFC 8288)."""
    if snapshot.splits_total <= len(splits):
        return {}
    cursor = write_cursor(Cursor.SPLITS, splits[-1].split_number)
    return {"Link": f'</order/{snapshot.order.order_id}/splits?cursor={cursor}>; rel="next"'}
